"""The example policies against Kubernetes' own types: no unknown field, no wrong kind of value, none missing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes.client as sdk
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "examples" / "policies"
OBJECTS = [
    pytest.param(obj, id=f"{file.stem}-{obj['kind']}")
    for file in sorted(FOLDER.glob("*.yaml"))
    for obj in yaml.safe_load_all(file.read_text())
]
PLAIN = {"str": str, "int": int, "bool": bool, "object": dict}


def wrong(value: Any, type_: str, place: str) -> Iterator[str]:
    """What does not fit a type of the client's, by place."""
    if found := re.fullmatch(r"[Ll]ist\[(.+)\]", type_):
        if not isinstance(value, list):
            yield f"{place}: no list"
            return
        for index, item in enumerate(value):
            yield from wrong(item, found[1], f"{place}[{index}]")
        return
    if type_ in PLAIN:
        if not isinstance(value, PLAIN[type_]):
            yield f"{place}: no {type_}"
        return
    if not hasattr(sdk, type_):
        return
    yield from _wrong_fields(value, getattr(sdk, type_), place)


def _wrong_fields(value: Any, model: Any, place: str) -> Iterator[str]:
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    for field, inner in value.items():
        if field not in names:
            yield f"{place}.{field}: unknown"
            continue
        yield from wrong(inner, model.openapi_types[names[field]], f"{place}.{field}")
    try:
        model(**{names[field]: inner for field, inner in value.items() if field in names})
    except ValueError as error:
        yield f"{place}: {error}"


@pytest.mark.parametrize("obj", OBJECTS)
def test_it_is_what_kubernetes_takes(obj: dict[str, Any]) -> None:
    assert list(wrong(obj, f"V1{obj['kind']}", obj["kind"])) == []


def test_the_check_finds_what_is_wrong() -> None:
    bad = {"kind": "X", "spec": {"matchConstrains": {}, "validations": [{"message": "no expression"}]}}

    found = {line.split(":")[0] for line in wrong(bad, "V1ValidatingAdmissionPolicy", "it")}
    assert {"it.spec.matchConstrains", "it.spec.validations[0]"} <= found


def test_each_policy_is_bound() -> None:
    objects: list[Any] = [param.values[0] for param in OBJECTS]
    policies = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "ValidatingAdmissionPolicy"}
    bound = {obj["spec"]["policyName"] for obj in objects if obj["kind"] == "ValidatingAdmissionPolicyBinding"}

    assert policies == bound
