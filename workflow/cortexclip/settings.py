"""Settings that are checked when they are read: pydantic models whose limits stand beside their fields."""

from __future__ import annotations

import typing
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from cortexclip.errors import InputError, nearest

T = typing.TypeVar("T")
Several = typing.Annotated[tuple[T, ...], Field(min_length=1)]
Count = typing.Annotated[int, Field(ge=1)]
Whole = typing.Annotated[int, Field(ge=0)]
Positive = typing.Annotated[float, Field(gt=0)]
NonNegative = typing.Annotated[float, Field(ge=0)]
Rate = typing.Annotated[float, Field(ge=0, le=0.999)]
Share = typing.Annotated[float, Field(ge=0, le=1)]

EXPECTED = {  # of pydantic's kinds of error, filled in with their contexts
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "at least {min_length} of these",
    "too_long": "at most {max_length} of these",
    "literal_error": "one of {expected}",
}


class Checked(BaseModel):
    """A frozen model that converts nothing but what YAML cannot write: tuples, and 1e-3, which YAML 1.1 reads as text.

    An unknown key is an error that names the nearest known one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def from_values(cls, values: Mapping[str, object], where: str, kind: str = "setting") -> typing.Self:
        """The model of configuration values; raises InputError as :func:`input_error`."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise input_error(error, where, kind) from None

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: object) -> object:
        for key in values if isinstance(values, Mapping) else ():
            if key not in cls.model_fields:
                raise ValueError(f"unknown key '{key}'. {nearest(str(key), cls.model_fields)}")
        return values

    @field_validator("*", mode="before")
    @classmethod
    def _from_yaml(cls, value: object, info: ValidationInfo) -> object:
        return _as_annotated(value, cls.model_fields[info.field_name].annotation)


def _as_annotated(value: object, annotation: object) -> object:
    """A list as a tuple and text as a number, where the annotation has these and the value can be one."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) is tuple and isinstance(value, list | tuple):
        return tuple(_as_annotated(item, typing.get_args(annotation)[0]) for item in value)
    if annotation is float and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
    return value


def input_error(error: ValidationError, where: str, kind: str = "key") -> InputError:
    """The outermost of pydantic's errors as an InputError: place, key, found, expected, what to do.

    ``where`` is what the message begins with, a file or an entry; ``kind`` is what a key is called.
    """
    first = min(error.errors(include_url=False), key=lambda each: len(each["loc"]) - (each["type"] == "missing"))
    location, context = list(map(str, first["loc"])), first.get("ctx", {})
    if first["type"] in ("missing", "value_error"):
        missing = location.pop() if first["type"] == "missing" else ""
        about = f"missing {kind} '{missing}'. Add it; config/README.md explains it." if missing else context["error"]
        return InputError(": ".join([where, *([".".join(location)] if location else []), str(about)]))
    if first["type"] == "literal_error":
        context = {"expected": context["expected"].replace(" or ", ", ")}
    place = f"{where}: {kind} '{'.'.join(location)}'" if location else where
    found = "an empty list" if first["input"] in ((), []) else repr(first["input"])
    if first["type"] not in EXPECTED:
        return InputError(f"{place}: found {found}: {first['msg']}.")
    return InputError(f"{place}: found {found}, expected {EXPECTED[first['type']].format(**context)}.")
