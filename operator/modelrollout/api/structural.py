"""Turns a pydantic model's JSON schema into the structural schema that a CustomResourceDefinition takes.

The API server wants everything in place: no references, no null as a type, no titles, exclusive bounds as flags, and
defaults that make an absent block materialise with the defaults inside it.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, NoDefault
from pydantic_core.core_schema import WithDefaultSchema

from modelrollout import durations
from modelrollout.api.base import Block

Schema = dict[str, Any]

_DROPPED = frozenset({"title", "$defs", "additionalProperties"})
_NULL = {"type": "null"}


def structural(model: type[Block]) -> Schema:
    """The structural schema of one block, with defaults, without rules."""
    raw = model.model_json_schema(by_alias=True, schema_generator=_WithDefaults)
    return _plain(raw, raw.get("$defs", {}))


class _WithDefaults(GenerateJsonSchema):
    """Writes the defaults that factories make, and durations the way people write them."""

    def get_default_value(self, schema: WithDefaultSchema) -> Any:  # noqa: ANN401  # of any field's type
        factory = schema.get("default_factory")
        if factory is None:
            return schema.get("default", NoDefault)
        return factory()  # type: ignore[call-arg]  # no factory here takes the validated values

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401  # of any field's type
        if isinstance(dft, timedelta):
            return durations.show(dft)
        if isinstance(dft, StrEnum):
            return dft.value
        if isinstance(dft, Block):
            return _filled(dft.to_json())
        if isinstance(dft, list):
            return [self.encode_default(one) for one in dft]
        return super().encode_default(dft)


def _filled(value: dict[str, Any]) -> dict[str, Any]:
    """A block's default written out to the last field: rules look at a default before the defaults inside it apply."""
    plain = {key: _filled(one) if isinstance(one, dict) else one for key, one in value.items()}
    return {key: one for key, one in plain.items() if one != {}}


def _plain(schema: Schema, blocks: Mapping[str, Any]) -> Schema:
    schema = _resolved(_without_null(schema), blocks)
    result: Schema = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if "properties" in result:
        result["properties"] = {key: _plain(one, blocks) for key, one in schema["properties"].items()}
    if "items" in result:
        result["items"] = _plain(schema["items"], blocks)
    if isinstance(schema.get("additionalProperties"), Mapping):
        result["additionalProperties"] = _plain(schema["additionalProperties"], blocks)
    return _ordered(_bounds(_default(result)))


def _resolved(schema: Schema, blocks: Mapping[str, Any]) -> Schema:
    """The block that is referred to, with what is said about it at this place."""
    if "$ref" not in schema:
        return schema
    block: Schema = blocks[schema["$ref"].rpartition("/")[2]]
    return block | {key: value for key, value in schema.items() if key != "$ref"}


def _without_null(schema: Schema) -> Schema:
    """Absent is how null is written; the API server drops a null before it looks at anything else."""
    options = [one for one in schema.get("anyOf", ()) if one != _NULL]
    if len(options) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return dict(options[0]) | rest


def _default(schema: Schema) -> Schema:
    """A default of null or of an empty map of free keys is none."""
    if schema.get("default", NoDefault) is None or (schema.get("default") == {} and "properties" not in schema):
        del schema["default"]
    return schema


def _bounds(schema: Schema) -> Schema:
    """Exclusive bounds as OpenAPI 3.0 has them: the bound, and a flag beside it."""
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if exclusive in schema and not isinstance(schema[exclusive], bool):
            schema |= {bound: schema[exclusive], exclusive: True}
    return schema


def _ordered(schema: Schema) -> Schema:
    """Description and type first, what is nested last, so that the file reads from the top."""
    first = ("description", "type", "format", "default", "required")
    last = ("items", "properties")
    middle = [key for key in schema if key not in first + last]
    return {key: schema[key] for key in (*first, *middle, *last) if key in schema}
