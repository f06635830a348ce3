"""The generated definition against the models it is generated from, and against the limits of the API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from modelrollout.api import crd, rules
from modelrollout.api.spec import ModelRolloutSpec

LARGEST_FILE = 200_000
LARGEST_ANNOTATION = 262_144
"""What plain `kubectl apply` may keep of the object it applied."""

Schema = dict[str, Any]


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema inside, with its path."""
    yield path, schema
    for key, one in schema.get("properties", {}).items():
        yield from walk(one, f"{path}.{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from walk(schema[key], f"{path}[]")


def filled(schema: Schema, value: Any) -> Any:
    """A value with the definition's defaults in it, as the API server fills them in."""
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    present = {key: one["default"] for key, one in properties.items() if "default" in one} | value
    return {key: filled(properties.get(key, {}), one) for key, one in present.items()}


SCHEMA = crd.schema()
SPEC = SCHEMA["properties"]["spec"]
MINIMAL = {"model": {"uri": "https://models.example/churn.skops"}}


def test_the_committed_files_are_what_the_models_say() -> None:
    assert crd.different() == []


def test_the_definition_is_small_enough_for_plain_kubectl() -> None:
    assert len(crd.render().encode()) < LARGEST_FILE
    assert len(json.dumps(crd.definition())) < LARGEST_ANNOTATION


def test_the_file_is_read_back_as_it_was_made() -> None:
    assert yaml.safe_load(crd.render()) == crd.definition()


def test_every_schema_is_structural() -> None:
    broken = [
        path
        for path, one in walk(SCHEMA)
        if one.keys() & {"$ref", "$defs", "oneOf", "allOf", "title"}
        or one.get("type") == "null"
        or ("type" not in one and not one.get("x-kubernetes-int-or-string"))
    ]

    assert broken == []


def test_every_field_of_ours_is_documented() -> None:
    embedded = tuple(f".{path}{mark}" for path in crd.EMBEDDED for mark in (".", "["))
    silent = [
        path
        for path, one in walk(SCHEMA["properties"]["spec"], ".spec")
        if not one.get("description") and not path.endswith("[]") and not path.startswith(embedded)
    ]

    assert silent == []


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(MINIMAL, id="minimal"),
        pytest.param(MINIMAL | {"strategy": {"canary": {}}}, id="canary"),
        pytest.param(MINIMAL | {"strategy": {"canary": {"constantTotal": {}}}}, id="constant total"),
        pytest.param(MINIMAL | {"strategy": {"blueGreen": {"pause": {}}}}, id="blue-green"),
        pytest.param(MINIMAL | {"health": {"limits": {"errorRate": 0.01}}}, id="one limit"),
        pytest.param(MINIMAL | {"autoscaling": {"maxReplicas": 3, "targetCPUUtilization": 70}}, id="autoscaling"),
    ],
)
def test_the_api_server_and_the_models_fill_in_the_same_defaults(spec: dict[str, Any]) -> None:
    assert ModelRolloutSpec.model_validate(filled(SPEC, spec)) == ModelRolloutSpec.model_validate(spec)


def test_nothing_is_filled_in_under_model_and_server() -> None:
    server: dict[str, Any] = MINIMAL | {"server": {"podTemplate": {"spec": {}}}}

    assert {key: filled(SPEC, server)[key] for key in ("model", "server")} == server
    assert "server" not in filled(SPEC, MINIMAL)


def test_no_strategy_is_filled_in_beside_one_that_is_applied_later() -> None:
    assert "strategy" not in filled(SPEC, MINIMAL)


def test_a_fresh_object_does_not_read_as_done() -> None:
    assert SCHEMA["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_the_scale_subresource_points_at_fields_that_exist() -> None:
    scale = crd.definition()["spec"]["versions"][0]["subresources"]["scale"]
    known = {path for path, _ in walk(SCHEMA)}

    assert set(scale.values()) <= known


def test_every_column_points_at_a_field_that_exists() -> None:
    known = {path for path, _ in walk(SCHEMA)} | {".metadata.creationTimestamp"}
    plain = {path for _, _, path, _, _ in crd.COLUMNS if "[?(" not in path}

    assert plain <= known


def test_every_rule_has_a_place() -> None:
    known = {path.removeprefix(".") for path, _ in walk(SCHEMA)}

    assert set(rules.RULES) <= known
