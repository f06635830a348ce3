"""What is ours in a live object is found where a hand has changed it, and nothing else is looked at."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from builders.values import SELECTOR, rollout, source

from modelrollout.builders import drifts
from modelrollout.builders.deployment import deployment
from modelrollout.builders.service import service

Object = dict[str, Any]
OWN = service(rollout(), SELECTOR)


def of_port(**changes: Any) -> Object:
    return copy.deepcopy(OWN) | {"spec": OWN["spec"] | {"ports": [OWN["spec"]["ports"][0] | changes]}}


@pytest.mark.parametrize(
    ("live", "said"),
    [
        (OWN, ""),
        (of_port(nodePort=30123, appProtocol="http"), ""),
        (of_port(targetPort=9999), "has targetPort 9999 in place of 8080"),
        (of_port(port=81), "has port 81 in place of 80"),
        (of_port(name="web", targetPort=9999), "has targetPort 9999 in place of 8080"),
        (OWN | {"spec": OWN["spec"] | {"type": "NodePort"}}, "has type NodePort in place of ClusterIP"),
        (OWN | {"spec": OWN["spec"] | {"ports": []}}, "has no port http"),
        (OWN | {"spec": OWN["spec"] | {"selector": {}, "sessionAffinity": "ClientIP", "clusterIP": "10.0.0.1"}}, ""),
    ],
    ids=["as written", "what a cluster adds", "targetPort", "port", "renamed", "type", "no port", "what is not ours"],
)
def test_a_service(live: Object, said: str) -> None:
    assert drifts.of_service(OWN, live) == said


def edited(edit: Callable[[Object], object]) -> Object:
    live = deployment(rollout(), source(), 3)
    live = copy.deepcopy(live)
    edit(live["spec"]["template"]["spec"]["containers"][0])
    return live


def set_variable(name: str, value: str) -> Callable[[Object], object]:
    def edit(container: Object) -> None:
        container["env"] = [one for one in container["env"] if one["name"] != name] + [{"name": name, "value": value}]

    return edit


def without(name: str) -> Callable[[Object], object]:
    def edit(container: Object) -> None:
        container["env"] = [one for one in container["env"] if one["name"] != name]

    return edit


URI = source().model["uri"]
EDITS: dict[str, tuple[Callable[[Object], object], str]] = {
    "as written": (lambda _: None, ""),
    "image": (lambda one: one.update(image="other:2"), "has image other:2 in place of modelserver:1"),
    "model": (set_variable("MODEL_URI", "file:///x"), f"has MODEL_URI=file:///x in place of {URI}"),
    "model gone": (without("MODEL_URI"), f"has MODEL_URI= in place of {URI}"),
    "version": (set_variable("MODEL_VERSION", "9"), "has MODEL_VERSION=9 in place of 2.1.0"),
    "a release that did not set it": (without("MODEL_SHA256"), ""),
    "somebody's own variable": (set_variable("HTTP_PROXY", "proxy"), ""),
    "a setting of another release": (set_variable("MODEL_LATENCY_EDGES_MS", "7"), ""),
    "resources": (lambda one: one.update(resources={}), ""),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_deployment(name: str) -> None:
    edit, said = EDITS[name]
    live = edited(edit)

    assert drifts.of_deployment(rollout(), source(), live) == said

    put_back = drifts.mended(rollout(), source(), live)
    assert drifts.of_deployment(rollout(), source(), put_back) == ""


def test_what_is_put_back_leaves_everything_else_as_it_is() -> None:
    live = edited(set_variable("HTTP_PROXY", "proxy"))
    container = live["spec"]["template"]["spec"]["containers"][0]
    container |= {"image": "other:2", "resources": {"limits": {"memory": "9Gi"}}}
    live["spec"]["template"]["spec"]["containers"].insert(0, {"name": "mesh", "image": "mesh:1"})

    mesh, server = drifts.mended(rollout(), source(), live)["spec"]["template"]["spec"]["containers"]

    assert mesh == {"name": "mesh", "image": "mesh:1"}
    assert (server["image"], server["resources"]) == ("modelserver:1", {"limits": {"memory": "9Gi"}})
    assert {"name": "HTTP_PROXY", "value": "proxy"} in server["env"]
    assert live["spec"]["template"]["spec"]["containers"][1]["image"] == "other:2"
