"""Checking of what configuration files state: one base class for all settings, one function for all messages.

Imports nothing heavy, since Snakemake reads the configuration at every start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from cortexclip.errors import InputError, nearest

# What pydantic says, and what it means to a user of YAML.
WORDS = {
    r"a valid integer": "a whole number",
    r"a valid string": "text",
    r"a valid number": "a number",
    r"a valid boolean": "true or false",
    r"a valid tuple": "a list",
    r"a valid dictionary.*": "a mapping",
    r"greater than or equal to": "at least",
    r"less than or equal to": "at most",
    r"greater than": "more than",
    r"^have (.*) after validation, not \d+": r"\1",
    r"^match pattern": "text that matches",
}
M = TypeVar("M", bound=BaseModel)


class Checked(BaseModel):
    """Settings whose fields hold their limits and descriptions: frozen, without unknown keys, of exact types.

    A description is the docstring below its field. Lists of YAML become tuples. Where a number is expected, text such
    as ``1e-3`` counts, which YAML 1.1 leaves as it is.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _from_yaml(cls, value: Any, info: ValidationInfo) -> Any:
        return _from_yaml(value, "float" in str(cls.model_fields[str(info.field_name)].annotation))


def _from_yaml(value: Any, number: bool) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_from_yaml(item, number) for item in value)
    if number and isinstance(value, dict):
        return {key: _from_yaml(item, number) for key, item in value.items()}
    if number and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
    return value


def check(model: type[M], values: object, where: str) -> M:
    """The ``model`` made of ``values``.

    Raises InputError, which begins with ``where``, for the outermost mistake: it names the key, what was found, what
    was expected or the nearest known key, and what the key means.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(_message(model.model_json_schema(), error.errors(include_url=False), where)) from None


def _message(schema: Mapping, errors: Sequence[Mapping], where: str) -> str:
    error = min(errors, key=lambda e: (len(e["loc"]), str(e["loc"])))
    path, kind = [part for part in error["loc"] if part != "[key]"], error["type"]
    last = path.pop() if kind in ("extra_forbidden", "missing") else None
    keys, rule = [], schema
    for part in path:
        below = next(_below(schema, rule, part), None)
        if below is not None:  # what is not found is the name of a case of a union
            keys.append(str(part))
            rule = below
    place = ": ".join(filter(None, [where, ".".join(keys)]))
    if kind == "extra_forbidden":
        known = {key: None for case in _cases(schema, rule) for key in case.get("properties", {})}
        return f"{place}: unknown key '{last}'. {nearest(str(last), known)}"
    if kind == "missing":
        return f"{place}: missing key '{last}'. Add it; config/README.md explains it."
    if kind == "value_error":
        return f"{place}: {error['ctx']['error']}"
    found = list(error["input"]) if isinstance(error["input"], tuple) else error["input"]
    cases = [e["msg"] for e in errors if e["loc"][: len(keys)] == error["loc"][: len(keys)]]  # more than one of a union
    expected = " or ".join(dict.fromkeys(map(_expected, cases)))
    return f"{place}: found {found!r}, expected {expected}. {rule.get('description', '')}".rstrip()


def _expected(message: str) -> str:
    expected = message.partition(" should ")[2].removeprefix("be ")
    for theirs, ours in WORDS.items():
        expected = re.sub(theirs, ours, expected)
    return expected


def _cases(schema: Mapping, rule: Mapping) -> Iterator[Mapping]:
    """A rule of a JSON schema, and what it refers to or chooses from."""
    yield rule
    if "$ref" in rule:
        yield from _cases(schema, schema["$defs"][rule["$ref"].rpartition("/")[2]])
    for case in (*rule.get("anyOf", ()), *rule.get("allOf", ())):
        yield from _cases(schema, case)


def _below(schema: Mapping, rule: Mapping, part: object) -> Iterator[Mapping]:
    """The rule of one key or position of what a rule describes."""
    for case in _cases(schema, rule):
        if part in case.get("properties", {}):
            yield case["properties"][part]
        elif isinstance(part, int) and ("items" in case or "prefixItems" in case):
            yield case["prefixItems"][part] if "prefixItems" in case else case["items"]
        elif isinstance(case.get("additionalProperties"), Mapping):
            yield case["additionalProperties"]
