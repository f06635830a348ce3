"""What people and other controllers do to children that are not theirs, each as one write past the operator."""

import copy
from collections.abc import Callable, Mapping

from faults.etcd import Object
from faults.world import ROLLOUT, World

from modelrollout import names
from modelrollout.kube.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    PODS,
    SERVICES,
    Resource,
)

SOMEBODY = "somebody"
Hand = Callable[[World], None]


def revision(world: World, version: str) -> str:
    """The revision of a version, by its children; empty where there are none."""
    for obj in world.server.etcd.all(DEPLOYMENTS.plural):
        if obj["metadata"]["labels"].get(names.APP_VERSION_LABEL) == version:
            return str(obj["spec"]["selector"]["matchLabels"][names.REVISION_LABEL])
    return ""


def scale(version: str, replicas: int) -> Hand:
    return lambda world: _change(world, DEPLOYMENTS, _deployment(world, version), {"spec": {"replicas": replicas}})


def delete(resource: Resource, version: str = "") -> Hand:
    def do(world: World) -> None:
        name = _deployment(world, version) if version else ROLLOUT
        if world.server.find(resource, name) is not None:
            world.server.delete(resource, name, SOMEBODY)

    return do


def delete_pods(version: str) -> Hand:
    def do(world: World) -> None:
        for pod in world.cluster.pods_of(revision(world, version)):
            if world.server.find(PODS, pod.name) is not None:
                world.server.delete(PODS, pod.name, SOMEBODY)

    return do


def relabel(resource: Resource, version: str = "") -> Hand:
    """Takes the labels away by which the operator finds its children."""
    gone = {"metadata": {"labels": dict.fromkeys([names.APP_MANAGED_BY_LABEL, names.NAME_LABEL])}}
    return lambda world: _change(world, resource, _deployment(world, version) if version else ROLLOUT, gone)


def point_at(version: str) -> Hand:
    """Puts the Service's selector on a version's pods, or on every pod of the name."""

    def do(world: World) -> None:
        found = world.server.find(SERVICES, ROLLOUT)
        if found is None:
            return
        selector = (
            names.revision_selector(ROLLOUT, revision(world, version)) if version else {names.NAME_LABEL: ROLLOUT}
        )
        changed = copy.deepcopy(found)
        changed["spec"]["selector"] = selector
        world.server.update(SERVICES, changed, SOMEBODY)

    return do


def other_port(world: World) -> None:
    _change(world, SERVICES, ROLLOUT, {"metadata": {"annotations": {names.APPLIED_ANNOTATION: "other"}}})


def unknown_budget(world: World) -> None:
    _change(world, DISRUPTION_BUDGETS, ROLLOUT, {"spec": {"selector": {"matchLabels": {"app": "other"}}}})


def erase_status(world: World) -> None:
    raw = world.server.etcd.objects[names.PLURAL, "default", ROLLOUT]
    world.server.etcd.put((names.PLURAL, "default", ROLLOUT), {**raw, "status": {}}, SOMEBODY, "status")


def orphan(resource: Resource, version: str = "") -> Hand:
    """Takes the owner away: the object is not the operator's any more."""
    gone = {"metadata": {"ownerReferences": None}}
    return lambda world: _change(world, resource, _deployment(world, version) if version else ROLLOUT, gone)


def _deployment(world: World, version: str) -> str:
    return names.deployment(ROLLOUT, revision(world, version))


def _change(world: World, resource: Resource, name: str, patch: Object) -> None:
    if world.server.find(resource, name) is not None:
        world.server.merge(resource, name, patch, SOMEBODY)


V1, V2 = "1.0.0", "2.0.0"
HANDS: Mapping[str, Hand] = {
    "stable scaled up": scale(V1, 5),
    "stable scaled to 0": scale(V1, 0),
    "canary scaled up": scale(V2, 5),
    "canary scaled to 0": scale(V2, 0),
    "stable's Deployment deleted": delete(DEPLOYMENTS, V1),
    "canary's Deployment deleted": delete(DEPLOYMENTS, V2),
    "Service deleted": delete(SERVICES),
    "disruption budget deleted": delete(DISRUPTION_BUDGETS),
    "disruption budget edited": unknown_budget,
    "stable's ControllerRevision deleted": delete(CONTROLLER_REVISIONS, V1),
    "stable's pods deleted": delete_pods(V1),
    "canary's pods deleted": delete_pods(V2),
    "Service relabelled": relabel(SERVICES),
    "canary's Deployment relabelled": relabel(DEPLOYMENTS, V2),
    "stable's Deployment relabelled": relabel(DEPLOYMENTS, V1),
    "Service edited": other_port,
    "Service pointed at every pod": point_at(""),
    "Service pointed at stable": point_at(V1),
    "Service pointed at the canary": point_at(V2),
    "status erased": erase_status,
}
ORPHANS: Mapping[str, Hand] = {
    "Service orphaned": orphan(SERVICES),
    "disruption budget orphaned": orphan(DISRUPTION_BUDGETS),
    "stable's ControllerRevision orphaned": orphan(CONTROLLER_REVISIONS, V1),
    "stable's Deployment orphaned": orphan(DEPLOYMENTS, V1),
    "canary's Deployment orphaned": orphan(DEPLOYMENTS, V2),
}
"""What orphans a child."""
