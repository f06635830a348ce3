"""Generates the CustomResourceDefinition from the pydantic models: `python -m modelrollout.api.crd [--check|--print]`.

The models are the source; crds/ and the chart's copy are written by `make generate` and compared by `make verify`.
The operator never imports this.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from modelrollout import names
from modelrollout.api.embedded import INT_OR_STRING, list_of, schema_of
from modelrollout.api.rules import PATTERNS, QUANTITY, RULES, Rule
from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import ModelRolloutStatus
from modelrollout.api.structural import Schema, structural

_ROOT = Path(__file__).parents[3]
FILES = (_ROOT / "crds" / "modelrollouts.yaml", _ROOT / "charts" / "modelrollout" / "files" / "modelrollouts.yaml")
"""The chart needs a copy of its own: a packaged chart cannot reach out of its folder."""

_LINE = 60
"""Characters of a leaf that still goes on one line."""

HEADER = "# Generated from operator/modelrollout/api by `make generate`; change the models, not this file.\n"

DESCRIPTION = (
    "A model that serves, and how a new version of it takes over: it runs beside the old one, gets a growing share of "
    "the requests, is judged by what its pods report, and is promoted or taken back."
)

RESOURCES: Schema = {
    "type": "object",
    "maxProperties": 8,
    "additionalProperties": INT_OR_STRING | {"x-kubernetes-validations": [QUANTITY.to_json()]},
}

EMBEDDED: dict[str, Schema] = {
    "spec.server.resources": {"type": "object", "properties": {"limits": RESOURCES, "requests": RESOURCES}},
    "spec.server.env": list_of("V1EnvVar") | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    "spec.server.envFrom": list_of("V1EnvFromSource"),
    "spec.server.podTemplate": schema_of("V1PodTemplateSpec"),
    "spec.autoscaling.behavior": schema_of("V2HorizontalPodAutoscalerBehavior"),
}
"""Fields that the models keep as plain JSON: Kubernetes' own types, with full schemas here."""

NOT_DEFAULTED = ("spec.server", "spec.strategy")
"""A default for `server` would be part of what was written, and so of the revision. A default for `strategy` would
stay beside another strategy that is applied later, and two are refused."""

COLUMNS = (
    ("Phase", "string", ".status.phase", 0, "One word for people"),
    ("Stable", "string", ".status.stable.version", 0, "The version that serves"),
    ("Candidate", "string", ".status.candidate.version", 0, "The version that is on its way"),
    ("Step", "string", ".status.step", 0, "The present step"),
    ("Asked", "integer", ".status.weights.asked", 0, "Percent of the requests that the step asks for"),
    ("Served", "number", ".status.weights.served", 0, "Percent of the requests that the candidate answered"),
    ("Verdict", "string", ".status.verdict", 0, "What the judge says now"),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Since when the rollout exists"),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 1, "Whether the spec is what serves"),
    ("Pods", "integer", ".status.replicas", 1, "Pods of stable"),
    ("Revision", "string", ".status.stable.revision", 1, "Hash of the revision that serves"),
    ("Message", "string", ".status.message", 1, "One sentence for people"),
)


def definition() -> dict[str, Any]:
    """The whole CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.KIND.lower(),
                "shortNames": ["mr"],
                "categories": ["all", "ml"],
            },
            "versions": [_version()],
        },
    }


def render() -> str:
    """The definition as the text of a YAML file."""
    return HEADER + yaml.dump(definition(), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def _version() -> dict[str, Any]:
    return {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
        "schema": {"openAPIV3Schema": schema()},
    }


def _column(name: str, kind: str, path: str, priority: int, description: str) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return column | {"priority": priority} if priority else column


def schema() -> Schema:
    """The schema of the resource: blocks from the models, Kubernetes' own types, sentences for refusals."""
    root: Schema = {
        "description": DESCRIPTION,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _walked(structural(ModelRolloutSpec), "spec"),
            "status": _status(structural(ModelRolloutStatus)),
        },
    }
    return _ruled(root, "")


def _walked(schema: Schema, path: str) -> Schema:
    """The schema with embedded types put in, defaults told, and rules attached, at every depth."""
    if path in EMBEDDED:
        ruled = _ruled({"description": schema["description"]} | EMBEDDED[path], path)
        return {key: _Embedded(value) if key in {"properties", "items"} else value for key, value in ruled.items()}
    if path in NOT_DEFAULTED:
        schema.pop("default", None)
    schema = _spoken(_told(schema))
    if "properties" in schema:
        schema["properties"] = {key: _walked(one, f"{path}.{key}") for key, one in schema["properties"].items()}
    if "items" in schema:
        schema["items"] = _walked(schema["items"], f"{path}[]")
    return _ruled(schema, path)


def _told(schema: Schema) -> Schema:
    """A default that fits a line, said in the description too: `kubectl explain` shows no defaults."""
    if "default" not in schema or isinstance(schema["default"], (dict, list)):
        return schema
    default = schema["default"]
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    return schema | {"description": f"{schema.get('description', '')} Default: {shown}.".strip()}


def _spoken(schema: Schema) -> Schema:
    """Rules that speak in sentences in place of patterns."""
    rule = PATTERNS.get(schema.get("pattern", ""))
    if rule is None:
        return schema
    silent = {key: value for key, value in schema.items() if key not in {"pattern", "minLength"}}
    return _with_rules(silent, (rule,))


def _ruled(schema: Schema, path: str) -> Schema:
    return _with_rules(schema, RULES.get(path, ()))


def _with_rules(schema: Schema, rules: tuple[Rule, ...]) -> Schema:
    if not rules:
        return schema
    present = schema.get("x-kubernetes-validations", [])
    nested = {key: schema[key] for key in ("items", "properties") if key in schema}
    head = {key: value for key, value in schema.items() if key not in nested}
    return head | {"x-kubernetes-validations": [*present, *(rule.to_json() for rule in rules)]} | nested


def _status(schema: Schema) -> Schema:
    """Nothing is required or filled in but the generation: a fresh object must not read as one that is done."""
    loose = _loose(schema)
    conditions = loose["properties"]["conditions"]
    conditions |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    conditions["items"]["required"] = ["type", "status"]
    return loose | {"default": {"observedGeneration": -1}}


def _loose(schema: Schema) -> Schema:
    kept = {key: value for key, value in schema.items() if key not in {"default", "required", "pattern", "minLength"}}
    if "properties" in kept:
        kept["properties"] = {key: _loose(one) for key, one in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _loose(kept["items"])
    return kept


class _Embedded(dict[str, Any]):
    """A schema of Kubernetes' own: it is documented there, so it is written in few lines."""


class _Plain(yaml.SafeDumper):
    """Writes no anchors, since a reader should not have to look things up, and small leaves on one line."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _mapping(dumper: _Plain, value: dict[str, Any]) -> yaml.MappingNode:
    leaf = not any(isinstance(one, (dict, list)) for one in value.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=leaf and len(str(value)) <= _LINE)


def _embedded(dumper: _Plain, value: _Embedded) -> yaml.Node:
    return _flowing(dumper.represent_dict(value))


def _flowing(node: yaml.Node) -> yaml.Node:
    """The node and all that is in it, as JSON would be written."""
    if isinstance(node, yaml.MappingNode):
        node.flow_style = True
        for key, value in node.value:
            _flowing(key)
            _flowing(value)
    elif isinstance(node, yaml.SequenceNode):
        node.flow_style = True
        for value in node.value:
            _flowing(value)
    return node


_Plain.add_representer(dict, _mapping)
_Plain.add_representer(_Embedded, _embedded)


def different() -> list[Path]:
    """The generated files that are not what `main` would write."""
    text = render()
    return [file for file in FILES if not file.exists() or file.read_text() != text]


def main(options: list[str]) -> int:
    """Write the files; with --check only name those that differ, with --print write to standard output."""
    if options == ["--print"]:
        sys.stdout.write(render())
        return 0
    stale = different()
    if options == ["--check"]:
        for file in stale:
            sys.stderr.write(f"{file.relative_to(_ROOT)} is not what the models say; run `make generate`\n")
        return 1 if stale else 0
    for file in stale:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(render())
        sys.stderr.write(f"wrote {file.relative_to(_ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
