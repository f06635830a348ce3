"""A revision's source written down and read back."""

import json
from typing import Any

import pytest
from builders.values import rollout, source

from modelrollout.builders.controller_revision import controller_revision
from modelrollout.builders.deployment import deployment
from modelrollout.builders.record import record, source_from_record
from modelrollout.core.facts import RevisionSource

RICH = source(server={"env": [{"name": "A", "value": "1"}], "podTemplate": {"spec": {"nodeSelector": {"a": "b"}}}})


@pytest.mark.parametrize("original", [source(), RICH], ids=["plain", "rich"])
def test_it_is_read_back_from_every_place_that_keeps_it(original: RevisionSource) -> None:
    places = (
        record(original),
        controller_revision(rollout(), original),
        deployment(rollout(), original, 2),
        json.loads(json.dumps(deployment(rollout(), original, 2))),
    )

    assert [source_from_record(place) for place in places] == [original] * 4


def test_the_memory_of_a_revision_is_this_object() -> None:
    made = controller_revision(rollout(), source())

    assert (made["kind"], made["metadata"]["name"], made["revision"]) == ("ControllerRevision", "churn-7f3a9c21", 3)
    assert made["data"] == record(source())
    assert made["metadata"]["labels"]["modelrollout.dev/revision"] == "7f3a9c21"


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"kind": "ControllerRevision"},
        {"kind": "ControllerRevision", "data": "text"},
        {"kind": "Deployment", "metadata": {}},
        {"kind": "Deployment", "metadata": {"annotations": {"modelrollout.dev/record": "{not json"}}},
        {"kind": "Deployment", "metadata": {"annotations": {"modelrollout.dev/record": "[1]"}}},
        record(source()) | {"image": ""},
        record(source()) | {"revision": 7},
        record(source()) | {"model": None},
    ],
    ids=["empty", "no data", "text", "no annotation", "no json", "a list", "no image", "a number", "no model"],
)
def test_what_is_no_record_is_none(found: dict[str, Any]) -> None:
    assert source_from_record(found) is None
