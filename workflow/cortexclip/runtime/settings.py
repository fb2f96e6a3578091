"""Settings that are checked when they are read: one base class with limits beside the fields, one form of message.

Imports nothing heavy, since Snakemake reads the configuration at every start.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cortexclip.errors import InputError, closest, nearest

T = typing.TypeVar("T")
Several = Annotated[tuple[T, ...], Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, le=0.999)]
Share = Annotated[float, Field(ge=0, le=1)]


def _lowest_first(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"found {list(value)}, expected the lowest value first.")
    return value


LOWEST_FIRST = AfterValidator(_lowest_first)
"""For a range of two numbers."""
EXPECTED = {  # of pydantic's kinds of error, filled in with their contexts
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "at least {min_length} of these",
    "too_long": "at most {max_length} of these",
    "string_too_short": "text of {min_length} characters or more",
    "string_pattern_mismatch": "text that matches {pattern}",
    "literal_error": "one of {expected}",
}
EXPONENT = re.compile(r"[-+]?(\d+|\d*\.\d+|\d+\.)[eE][-+]?\d+")
M = typing.TypeVar("M", bound=BaseModel)


class Need(NamedTuple):
    """``keys`` that ``key`` calls for where it is given, or where it has one of ``values``."""

    keys: tuple[str, ...]
    key: str
    values: tuple[str, ...] = ()


class Checked(BaseModel):
    """Settings whose fields hold their limits and descriptions: frozen, without unknown keys, of exact types.

    A description is the docstring below its field. Lists of YAML become tuples. Where a number is expected, text such
    as ``1e-3`` counts, which YAML 1.1 leaves as it is.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    NEEDS: ClassVar[tuple[Need, ...]] = ()
    """Keys that other keys call for."""

    @classmethod
    def from_values(cls, values: object, where: str, kind: str = "setting") -> Self:
        """The model of configuration values; raises InputError as :func:`check`."""
        return check(cls, values, where, kind)

    @field_validator("*", mode="before")
    @classmethod
    def _from_yaml(cls, value: Any, info: ValidationInfo) -> Any:
        return _from_yaml(value, "float" in str(cls.model_fields[str(info.field_name)].annotation))

    @model_validator(mode="after")
    def _needs(self) -> Self:
        for keys, key, values in self.NEEDS:
            missing = [name for name in keys if name not in self.model_fields_set]
            if missing and key in self.model_fields_set and (not values or getattr(self, key) in values):
                why = f"where {key} is {getattr(self, key)}" if values else f"with '{key}'"
                raise ValueError(f"missing key '{missing[0]}', needed {why}. Add it; config/README.md explains it.")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict:
        schema = handler.resolve_ref_schema(handler(core))
        for keys, key, values in cls.NEEDS:
            condition = {"properties": {key: {"enum": list(values)}}} if values else {}
            case = {"if": {**condition, "required": [key]}, "then": {"required": list(keys)}}
            schema.setdefault("allOf", []).append(case)
        return schema


def _from_yaml(value: Any, number: bool) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_from_yaml(item, number) for item in value)
    if isinstance(value, dict):
        return {key: _from_yaml(item, number) for key, item in value.items()}
    return float(value) if number and isinstance(value, str) and EXPONENT.fullmatch(value) else value


def check(model: type[M], values: object, where: str, kind: str = "key") -> M:
    """The ``model`` made of ``values``.

    Raises InputError, which begins with ``where``, for the outermost mistake: it names the key, what was found, what
    was expected or the nearest known key, and what the key means. ``kind`` is what a key is called, "key" or "setting".
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(_message(model.model_json_schema(), error.errors(include_url=False), where, kind)) from None


def _message(schema: Mapping, errors: Sequence[Mapping], where: str, kind: str) -> str:
    error = min(errors, key=lambda e: (len(e["loc"]), str(e["loc"])))
    path = [part for part in error["loc"] if part != "[key]"]
    last = path.pop() if error["type"] in ("extra_forbidden", "missing") else None
    keys, rule = [], schema
    for part in path:
        below = next(_below(schema, rule, part), None)
        if below is not None and "[" not in str(part):  # else it is the name of a case of a union
            keys.append(str(part))
            rule = below
    key = ".".join(keys)
    key = f"{kind} '{key}'" if key and kind != "key" else key
    location = f"{where}: {key}" if key else where
    if error["type"] == "extra_forbidden":
        known = {key: None for case in _cases(schema, rule) for key in case.get("properties", {})}
        return f"{location}: unknown key '{last}'. {nearest(str(last), known)}"
    if error["type"] == "missing":
        return f"{location}: missing {kind} '{last}'. Add it; config/README.md explains it."
    if error["type"] == "value_error":
        return f"{location}: {error['ctx']['error']}"
    found = list(error["input"]) if isinstance(error["input"], tuple) else error["input"]
    cases = [e for e in errors if e["loc"][: len(keys)] == error["loc"][: len(keys)]]  # more than one of a union
    cases = [error] if error["loc"][-1:] == ("[key]",) else cases
    expected = " or ".join(dict.fromkeys(map(_expected, cases)))
    choices = [str(choice) for case in _cases(schema, rule) for choice in case.get("enum", ())]
    close = nearest(str(found), choices) if closest(str(found), choices) else ""
    hints = [close, " ".join(rule.get("description", "").split())]
    return " ".join(filter(None, [f"{location}: found {found!r}, expected {expected}.", *hints]))


def _expected(error: Mapping) -> str:
    context = dict(error.get("ctx", {}))
    if "expected" in context:
        context["expected"] = context["expected"].replace(" or ", ", ")
    return EXPECTED[error["type"]].format(**context) if error["type"] in EXPECTED else error["msg"]


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
        for rules in (case.get("patternProperties", {}), {"": case.get("additionalProperties")}):
            yield from (below for below in rules.values() if isinstance(below, Mapping))
