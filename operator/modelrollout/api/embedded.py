"""Structural schemas of Kubernetes' own types that the resource embeds, from the client's model classes.

Without descriptions, so that the whole definition stays below 200 KB; with full field names, so that a typing error in
a pod template is refused when it is applied. Nothing here runs in the operator: only `api.crd` uses it.
"""

import re
from typing import Any

from kubernetes.client import models

Schema = dict[str, Any]

INT_OR_STRING: Schema = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
QUANTITY: Schema = INT_OR_STRING | {
    "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$"
}
METADATA: Schema = {
    "type": "object",
    "properties": {
        key: {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 64}
        for key in ("annotations", "labels")
    },
}
"""An embedded template has no more of its own: Kubernetes ignores the rest."""

_SCALARS: dict[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "datetime": {"type": "string", "format": "date-time"},
    "object": INT_OR_STRING,
}
"""`object` is how the client writes int-or-string; no other untyped field is part of a pod."""

_QUANTITIES = frozenset(
    {
        ("V1ResourceRequirements", "limits"),
        ("V1ResourceRequirements", "requests"),
        ("V1VolumeResourceRequirements", "limits"),
        ("V1VolumeResourceRequirements", "requests"),
        ("V1EmptyDirVolumeSource", "sizeLimit"),
        ("V1ResourceFieldSelector", "divisor"),
        ("V1PodSpec", "overhead"),
        ("V2HPAScalingRules", "tolerance"),
    }
)
"""The client calls them strings, but people write `cpu: 2` too."""

_MERGE_KEYS = {
    "V1Container": ("name",),
    "V1Volume": ("name",),
    "V1EnvVar": ("name",),
    "V1VolumeMount": ("mountPath",),
    "V1VolumeDevice": ("devicePath",),
    "V1ContainerPort": ("containerPort",),
    "V1LocalObjectReference": ("name",),
    "V1HostAlias": ("ip",),
    "V1TopologySpreadConstraint": ("topologyKey",),
    "V1PodResourceClaim": ("name",),
    "V1PodSchedulingGate": ("name",),
}
"""All that is required: a template is a part that is merged over another."""

_LONGEST = {"V1Container": 16, "V1EnvVar": 100, "V1EnvFromSource": 32}
"""Lists that CEL rules walk must have an end, or their cost cannot be estimated."""

_TEXTS = {("V1EnvVar", "name"): 253, ("V1Container", "name"): 63}
"""Longest texts, where CEL rules read them; Kubernetes' own limits."""

_LIST = re.compile(r"[Ll]ist\[(.+)\]")
_MAP = re.compile(r"[Dd]ict\[str, (.+)\]|dict\(str, (.+)\)")


def schema_of(model: str) -> Schema:
    """Structural schema of one class of `kubernetes.client.models`, by its name."""
    if model == "V1ObjectMeta":
        return METADATA
    kind = getattr(models, model)
    properties = {
        key: _field(model, key, kind.openapi_types[name])
        for name, key in sorted(kind.attribute_map.items(), key=lambda pair: str(pair[1]))
    }
    schema: Schema = {"type": "object", "properties": properties}
    required = _MERGE_KEYS.get(model)
    return schema | {"required": list(required)} if required else schema


def list_of(model: str) -> Schema:
    """Schema of a list of one class."""
    return _type(f"list[{model}]")


def _field(model: str, key: str, written: str) -> Schema:
    if (model, key) in _TEXTS:
        return _type(written) | {"maxLength": _TEXTS[model, key]}
    if (model, key) not in _QUANTITIES:
        return _type(written)
    return {"type": "object", "additionalProperties": QUANTITY} if _MAP.fullmatch(written) else QUANTITY


def _type(written: str) -> Schema:
    if written in _SCALARS:
        return _SCALARS[written]
    listed = _LIST.fullmatch(written)
    if listed:
        schema: Schema = {"type": "array", "items": _type(listed.group(1))}
        longest = _LONGEST.get(listed.group(1))
        return schema | {"maxItems": longest} if longest else schema
    mapped = _MAP.fullmatch(written)
    if mapped:
        return {"type": "object", "additionalProperties": _type(mapped.group(1) or mapped.group(2))}
    return schema_of(written)
