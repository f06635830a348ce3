"""What an older release reads of a status, by the schema it was released with: recorded, so that no old code is needed.

It passes over what it does not know, and refuses the whole status where it knows a field and not its value.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


class Refused(Exception):  # noqa: N818  # what the older release does
    """A value that it cannot read, with its place."""


def as_read(whole: Schema, value: Any, place: str = "status") -> Any:
    """The value without what the schema does not know.

    Raises:
        Refused: a known field has a value that the schema does not allow.

    """
    return _read(whole, whole, value, place)


def _read(whole: Schema, schema: Schema, value: Any, place: str) -> Any:
    if "$ref" in schema:
        return _read(whole, whole["$defs"][schema["$ref"].rpartition("/")[2]], value, place)
    if "anyOf" in schema:
        return _any(whole, schema["anyOf"], value, place)
    _check(schema, value, place)
    if isinstance(value, list):
        return [_read(whole, schema.get("items", {}), one, f"{place}[{index}]") for index, one in enumerate(value)]
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        return {key: _read(whole, known[key], one, f"{place}.{key}") for key, one in value.items() if key in known}
    return value


def _any(whole: Schema, choices: list[Schema], value: Any, place: str) -> Any:
    refusals = []
    for choice in choices:
        try:
            return _read(whole, choice, value, place)
        except Refused as refused:
            refusals.append(str(refused))
    raise Refused(" and ".join(refusals))


def _check(schema: Schema, value: Any, place: str) -> None:
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        raise Refused(f"{place} is {value!r}, not of type {schema['type']}")
    if "enum" in schema and value not in schema["enum"]:
        raise Refused(f"{place} is {value!r}, not one of {', '.join(schema['enum'])}")
    if missing := [key for key in schema.get("required", ()) if key not in value]:
        raise Refused(f"{place} has no {missing[0]}")
    if len(value if isinstance(value, str) else "") > schema.get("maxLength", len(str(value))):
        raise Refused(f"{place} has {len(value)} characters of at most {schema['maxLength']}")
