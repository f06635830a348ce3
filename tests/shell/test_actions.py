"""Each kind of action: what it writes, and that it writes nothing when it is so already."""

from datetime import UTC, datetime
from typing import Any

import pytest
from shell.loops import KEY, NOW, OWNER, SHARED, STABLE, World, rollout_object, source

from modelrollout import names
from modelrollout.actions import Scene, carry_out
from modelrollout.builders.deployment import deployment
from modelrollout.core.decision import (
    Action,
    Adopt,
    Create,
    EnsureAutoscaler,
    EnsureService,
    Forget,
    Mend,
    Preview,
    Protect,
    Prove,
    Regroup,
    Remember,
    ReplacePod,
    Restart,
    Route,
    Scale,
)
from modelrollout.kube.errors import Conflict, Invalid
from modelrollout.kube.resources import (
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    MODEL_ROLLOUTS,
    PODS,
    SERVICES,
)
from modelrollout.kube.writer import NameTaken, Writer
from modelrollout.rollouts import parse

MODEL = {"model": {"uri": "file:///m"}}
AUTOSCALED = {"model": {"uri": "file:///m"}, "autoscaling": {"maxReplicas": 9, "targetCPUUtilization": 70}}
PREVIEW = names.revision_selector("churn", "bbbb")


async def _open() -> None:
    return


def scene(world: World, **spec: Any) -> Scene:
    raw = world.api.server.get(MODEL_ROLLOUTS, "churn")
    assert raw is not None
    return Scene(parse(raw | ({"spec": spec} if spec else {})), Writer(world.api, world.stores, _open))


async def carried(world: World, *actions: Action, **spec: Any) -> list[str]:
    before = len(world.written)
    for action in actions:
        await carry_out(action, scene(world, **spec))
    return world.written[before:]


def all_annotations(world: World) -> dict[str, str]:
    """The Service's."""
    service = world.api.server.get(SERVICES, "churn")
    return dict(service["metadata"]["annotations"]) if service is not None else {}


def annotations_of(world: World) -> dict[str, str]:
    """Those of the Service that are not the operator's own."""
    return {key: value for key, value in all_annotations(world).items() if not key.startswith(names.GROUP)}


def asleep(world: World) -> World:
    """Candidate bbbb was started against zzzz once, and has no pods."""
    template = {"metadata": {"labels": {names.group_label("bbbb"): "true", names.group_label("zzzz"): "true"}}}
    world.exists(DEPLOYMENTS, "churn-bbbb", spec={"replicas": 0, "template": template})
    return world


def at_work(world: World) -> World:
    world.service(SHARED)
    world.deployment("bbbb", 2)
    return world


def with_a_pod(world: World) -> World:
    """As its ReplicaSet made it."""
    replica_set = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "churn-bbbb-5d",
        "uid": "r",
        "controller": True,
    }
    world.exists(PODS, "churn-bbbb-5d-x2v", metadata={"uid": "u1", "ownerReferences": [replica_set]}, spec={})
    return world


KINDS: list[tuple[str, World, Action, list[str]]] = [
    ("route", at_work(World()), Route(STABLE), ["patch services churn"]),
    ("route, seen", at_work(World()), Route(STABLE, expected=SHARED), ["patch services churn"]),
    ("scale", at_work(World()), Scale("bbbb", 5), ["patch deployments churn-bbbb"]),
    ("scale, seen", at_work(World()), Scale("bbbb", 1, expected=2), ["patch deployments churn-bbbb"]),
    ("restart", at_work(World()), Restart("bbbb", "r1"), ["patch deployments churn-bbbb"]),
    ("replace a pod", with_a_pod(World()), ReplacePod("churn-bbbb-5d-x2v", "u1"), ["delete pods churn-bbbb-5d-x2v"]),
    ("replace another pod", with_a_pod(World()), ReplacePod("churn-bbbb-5d-x2v", "u0"), []),
    ("replace a pod that is gone", World(), ReplacePod("churn-bbbb-5d-x2v", "u1"), []),
    ("regroup", asleep(World()), Regroup(source()), ["patch deployments churn-bbbb"]),
    ("create", World(), Create(source(), 3), ["create deployments"]),
    ("remember", World(), Remember(source()), ["create controllerrevisions"]),
    ("service", World(), EnsureService(STABLE), ["create services"]),
    ("preview", World(), Preview(PREVIEW), ["create services"]),
    ("no preview", World(), Preview(None), []),
    ("protect", World(), Protect(STABLE), ["create poddisruptionbudgets"]),
    ("no protection", World(), Protect(None), []),
    ("no autoscaler", World(), EnsureAutoscaler(), []),
    ("forget", at_work(World()), Forget("bbbb"), ["delete deployments churn-bbbb"]),
    ("forget what is gone", World(), Forget("bbbb", entirely=True), []),
    ("route without a service", World(), Route(STABLE), []),
    ("scale without a deployment", World(), Scale("bbbb", 1), []),
    ("restart without a deployment", World(), Restart("bbbb", "r1"), []),
    ("regroup without a deployment", World(), Regroup(source()), []),
]


@pytest.mark.parametrize(("world", "action", "written"), [one[1:] for one in KINDS], ids=[one[0] for one in KINDS])
async def test_an_action_is_written_once(world: World, action: Action, written: list[str]) -> None:
    assert await carried(world, action) == written
    again = await carried(world, action)
    assert again == (["create deployments"] if isinstance(action, Create) else [])


async def test_a_route_replaces_the_whole_selector() -> None:
    world = at_work(World())
    await carried(world, Route(STABLE))

    assert world.selector() == STABLE


@pytest.mark.parametrize(
    "action",
    [Route(STABLE, expected={"some": "thing else"}), Scale("bbbb", 1, expected=7)],
    ids=str,
)
async def test_a_risky_move_is_refused_when_the_world_is_not_as_it_was_seen(action: Action) -> None:
    world = at_work(World())
    with pytest.raises(Conflict):
        await carried(world, action)

    assert world.selector() == SHARED
    assert world.api.server.get(DEPLOYMENTS, "churn-bbbb")["spec"]["replicas"] == 2  # type: ignore[index]


async def test_a_deployment_that_is_there_already_is_taken_as_it_is() -> None:
    world = World()
    await carried(world, Create(source(), 3))
    await carried(world, Create(source(), 5))

    assert world.api.server.get(DEPLOYMENTS, "churn-bbbb")["spec"]["replicas"] == 3  # type: ignore[index]


async def test_group_keys_are_rewritten_only_of_the_deployment_that_was_seen_without_pods() -> None:
    world = asleep(World())
    known = world.api.server.get(DEPLOYMENTS, "churn-bbbb")
    assert known is not None
    world.api.server.put(DEPLOYMENTS, known | {"spec": known["spec"] | {"replicas": 3}})
    with pytest.raises(Conflict):
        await carried(world, Regroup(source()))

    labels = world.api.server.get(DEPLOYMENTS, "churn-bbbb")["spec"]["template"]["metadata"]["labels"]  # type: ignore[index]
    assert names.group_label("zzzz") in labels


async def test_group_keys_are_those_of_the_revision_and_of_its_stable_afterwards() -> None:
    world = asleep(World())
    await carried(world, Regroup(source()))

    labels = world.api.server.get(DEPLOYMENTS, "churn-bbbb")["spec"]["template"]["metadata"]["labels"]  # type: ignore[index]
    assert labels == {names.group_label("aaaa"): "true", names.group_label("bbbb"): "true"}


async def test_a_changed_port_is_written_and_the_selector_stays() -> None:
    world = World()
    await carried(world, EnsureService(STABLE))
    await carried(world, Route(SHARED))
    spec = {"model": {"uri": "file:///m"}, "service": {"port": 8000}}

    assert await carried(world, EnsureService(STABLE), EnsureService(STABLE), **spec) == ["update services churn"]
    service = world.api.server.get(SERVICES, "churn")
    assert service is not None
    assert (service["spec"]["ports"][0]["port"], service["spec"]["selector"]) == (8000, SHARED)


async def test_what_a_webhook_adds_to_a_service_is_not_fought() -> None:
    world = World()
    await carried(world, EnsureService(STABLE))
    service = world.api.server.get(SERVICES, "churn")
    assert service is not None
    service["spec"]["sessionAffinity"] = "ClientIP"
    service["metadata"]["annotations"]["mesh"] = "yes"
    world.stores[SERVICES].put(world.api.server.put(SERVICES, service))

    assert await carried(world, EnsureService(STABLE)) == []


async def test_our_labels_are_put_back_and_others_stay() -> None:
    world = World()
    await carried(world, EnsureService(STABLE))
    service = world.api.server.get(SERVICES, "churn")
    assert service is not None
    del service["metadata"]["labels"][names.APP_NAME_LABEL]
    service["metadata"]["labels"]["team"] = "risk"
    world.stores[SERVICES].put(world.api.server.put(SERVICES, service))

    assert await carried(world, EnsureService(STABLE)) == ["update services churn"]
    labels = world.api.server.get(SERVICES, "churn")["metadata"]["labels"]  # type: ignore[index]
    assert (labels[names.APP_NAME_LABEL], labels["team"]) == ("churn", "risk")


async def test_what_a_person_takes_back_goes_and_what_others_added_stays() -> None:
    world, annotated = World(), {"annotations": {"cloud/internal": "true", "cloud/zone": "a"}}
    await carried(world, EnsureService(STABLE), **MODEL, service=annotated)
    theirs = world.api.server.get(SERVICES, "churn")
    assert theirs is not None
    theirs["metadata"]["annotations"]["cloud/address"] = "10.0.0.7"
    world.stores[SERVICES].put(world.api.server.put(SERVICES, theirs))

    less = {"annotations": {"cloud/zone": "b"}}
    assert await carried(world, EnsureService(STABLE), EnsureService(STABLE), **MODEL, service=less) == [
        "update services churn"
    ]
    assert annotations_of(world) == {"cloud/zone": "b", "cloud/address": "10.0.0.7"}

    assert await carried(world, EnsureService(STABLE), EnsureService(STABLE)) == ["update services churn"]
    assert annotations_of(world) == {"cloud/address": "10.0.0.7"}
    assert names.PASSED_ON_ANNOTATION not in all_annotations(world)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"annotations": "cloud/zone"}', '{"annotations": [[1], null]}'])
async def test_a_list_of_keys_that_somebody_edited_takes_nothing_away(text: str) -> None:
    world = World()
    await carried(world, EnsureService(STABLE), **MODEL, service={"annotations": {"cloud/zone": "a"}})
    edited = world.api.server.get(SERVICES, "churn")
    assert edited is not None
    edited["metadata"]["annotations"][names.PASSED_ON_ANNOTATION] = text
    world.stores[SERVICES].put(world.api.server.put(SERVICES, edited))

    await carried(world, EnsureService(STABLE))
    assert annotations_of(world) == {"cloud/zone": "a"}


async def test_the_budget_moves_with_promotion_and_a_change_by_hand_is_repaired() -> None:
    world = World()
    await carried(world, Protect(STABLE))
    assert await carried(world, Protect(PREVIEW)) == ["update poddisruptionbudgets churn"]

    budget = world.api.server.get(DISRUPTION_BUDGETS, "churn")
    assert budget is not None
    assert budget["spec"]["selector"] == {"matchLabels": PREVIEW}
    budget["spec"]["selector"] = {"matchLabels": {}}
    world.stores[DISRUPTION_BUDGETS].put(world.api.server.put(DISRUPTION_BUDGETS, budget))
    assert await carried(world, Protect(PREVIEW)) == ["update poddisruptionbudgets churn"]
    assert await carried(world, Protect(None), Protect(None)) == ["delete poddisruptionbudgets churn"]


async def test_the_preview_follows_the_candidate_and_goes_with_it() -> None:
    world = World()
    await carried(world, Preview(PREVIEW))
    assert await carried(world, Preview(STABLE), Preview(STABLE)) == ["update services churn-preview"]
    assert world.api.server.get(SERVICES, "churn-preview")["spec"]["selector"] == STABLE  # type: ignore[index]
    assert await carried(world, Preview(None), Preview(None)) == ["delete services churn-preview"]


async def test_the_autoscaler_comes_changes_and_goes_with_the_spec() -> None:
    world = World()
    assert await carried(world, EnsureAutoscaler(), EnsureAutoscaler(), **AUTOSCALED) == [
        "create horizontalpodautoscalers"
    ]
    more = AUTOSCALED | {"autoscaling": {"maxReplicas": 20}}
    assert await carried(world, EnsureAutoscaler(), **more) == ["update horizontalpodautoscalers churn"]
    assert world.api.server.get(AUTOSCALERS, "churn")["spec"]["maxReplicas"] == 20  # type: ignore[index]
    assert await carried(world, EnsureAutoscaler()) == ["delete horizontalpodautoscalers churn"]


async def test_forgetting_entirely_takes_the_memory_too() -> None:
    world = World()
    await carried(world, Remember(source()), Create(source(), 0))

    assert await carried(world, Forget("bbbb", entirely=True)) == [
        "delete deployments churn-bbbb",
        "delete controllerrevisions churn-bbbb",
    ]
    assert world.api.server.all(DEPLOYMENTS) == world.api.server.all(CONTROLLER_REVISIONS) == []


async def test_a_deletion_that_meets_a_conflict_is_read_again_and_not_believed_to_be_done() -> None:
    world = at_work(World())
    world.api.faults["delete deployments"] = [Conflict("the object has been modified")]
    with pytest.raises(Conflict):
        await carried(world, Forget("bbbb"))

    assert world.stores[DEPLOYMENTS].get("default", "churn-bbbb") == world.api.server.get(DEPLOYMENTS, "churn-bbbb")
    assert await carried(world, Forget("bbbb")) == ["delete deployments churn-bbbb"]


FOREIGN: list[Action] = [
    EnsureService(STABLE),
    Route(STABLE),
    Create(source(), 1),
    Scale("bbbb", 9),
    Forget("bbbb"),
    Protect(None),
    Protect(STABLE),
]


@pytest.mark.parametrize("known", [True, False], ids=["labelled as ours", "unknown to us"])
@pytest.mark.parametrize("action", FOREIGN, ids=str)
async def test_what_is_somebody_elses_is_never_written(action: Action, known: bool) -> None:  # noqa: FBT001
    world = World()
    other = {"metadata": {"ownerReferences": [OWNER | {"uid": "uid-other", "name": "fraud"}]}}
    for resource, name in ((SERVICES, "churn"), (DEPLOYMENTS, "churn-bbbb"), (DISRUPTION_BUDGETS, "churn")):
        obj = world.exists(resource, name, spec={"replicas": 1, "selector": {}}, **other)
        if not known:
            world.stores[resource].remove(obj)
    if known or isinstance(action, EnsureService | Create) or action == Protect(STABLE):
        with pytest.raises(NameTaken):
            await carried(world, action)

    assert [one for one in world.written if not one.startswith("create")] == []


def test_the_rollout_of_these_tests_is_the_one_of_the_loop() -> None:
    raw = rollout_object()
    assert parse({**raw, "metadata": {**raw["metadata"], "namespace": "default"}}).key == KEY
    assert NOW.tzinfo is not None


async def test_an_edited_image_is_put_back_once_and_only_there() -> None:
    world = World()
    made = deployment(scene(world).rollout, source("aaaa"), 2)
    record = {"annotations": made["metadata"]["annotations"]}
    server = made["spec"]["template"]["spec"]["containers"][0]
    world.exists(DEPLOYMENTS, "churn-aaaa", metadata=record, spec=made["spec"])
    assert await carried(world, Mend("aaaa")) == []

    server |= {"image": "other:2", "resources": {"limits": {"memory": "9Gi"}}}
    world.exists(DEPLOYMENTS, "churn-aaaa", metadata=record, spec=made["spec"])
    assert await carried(world, Mend("aaaa")) == ["patch deployments churn-aaaa"]

    found = world.api.server.get(DEPLOYMENTS, "churn-aaaa")
    assert found is not None
    server = found["spec"]["template"]["spec"]["containers"][0]
    assert (server["image"], server["resources"]) == ("server:1", {"limits": {"memory": "9Gi"}})


async def test_a_port_that_a_hand_has_changed_is_put_back() -> None:
    world = World()
    await carried(world, EnsureService(PREVIEW))
    found = world.api.server.get(SERVICES, "churn")
    assert found is not None
    found["spec"]["ports"][0]["targetPort"] = 9999
    world.stores[SERVICES].put(world.api.server.put(SERVICES, found))
    told = EnsureService(PREVIEW, edited=True)
    assert await carried(world, EnsureService(PREVIEW)) == [], "nobody has been told of it yet"
    assert await carried(world, told) == ["update services churn"]
    assert await carried(world, told) == []


async def test_an_orphan_gets_its_owner_back_and_keeps_who_else_owns_it() -> None:
    world = World()
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u-x"}
    meta = {"ownerReferences": [other], "annotations": {names.APPLIED_ANNOTATION: "0123"}}
    world.exists(SERVICES, "churn", metadata=meta, spec={"selector": {}})
    await carried(world, Adopt("Service", "churn"))
    await carried(world, Adopt("Service", "churn"))

    found = world.api.server.get(SERVICES, "churn")
    assert found is not None
    assert [one["uid"] for one in found["metadata"]["ownerReferences"]] == ["u-x", "uid-churn"]
    assert world.written.count("patch services churn") == 1


async def test_who_is_stable_is_written_on_its_memory_and_its_deployment() -> None:
    world = World()
    since = datetime(2026, 3, 1, 12, tzinfo=UTC)
    world.deployment("aaaa", 2)
    world.exists(CONTROLLER_REVISIONS, "churn-aaaa")
    world.api.faults["patch controllerrevisions"] = [Invalid("data: field is immutable")]
    await carried(world, Prove("aaaa", since))
    await carried(world, Prove("aaaa", since))

    for resource in (CONTROLLER_REVISIONS, DEPLOYMENTS):
        found = world.api.server.get(resource, "churn-aaaa")
        assert found is not None
        assert found["metadata"]["annotations"] == {names.STABLE_SINCE_ANNOTATION: "2026-03-01T12:00:00+00:00"}
