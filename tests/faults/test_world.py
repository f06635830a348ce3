"""The made-up API server keeps Kubernetes' rules; else what the suite says of the operator would be worth nothing."""

import asyncio
from typing import Any

import pytest
from faults.apiserver import ApiServer
from faults.client import Client, Wire
from faults.etcd import Etcd, Object
from faults.plan import Plan
from faults.stories import GOES_OUT, V1, asking, first
from faults.world import Setting
from shell.virtual import run

from modelrollout.kube.client import WatchEvent
from modelrollout.kube.errors import AlreadyExists, Conflict, Gone, Invalid, NotFound
from modelrollout.kube.resources import DEPLOYMENTS, MODEL_ROLLOUTS, PODS, SERVICES

SELECTOR = [{"op": "test", "path": "/spec/selector", "value": {"app": "a"}}]
MOVED = {"op": "add", "path": "/spec/selector", "value": {"app": "b"}}


def thing(name: str = "churn", **more: Any) -> Object:
    return {"metadata": {"name": name} | more.pop("metadata", {}), "spec": {"selector": {"app": "a"}}} | more


def test_versions_ascend_over_all_kinds_and_what_changes_nothing_gets_none() -> None:
    server = ApiServer()
    service = server.create(SERVICES, thing(), "me")
    deployment = server.create(DEPLOYMENTS, thing(), "me")
    again = server.update(SERVICES, service, "me")

    versions = [int(one["metadata"]["resourceVersion"]) for one in (service, deployment, again)]
    assert versions == [1001, 1002, 1001]


def test_a_write_over_an_old_version_is_a_conflict() -> None:
    server = ApiServer()
    read = server.create(SERVICES, thing(), "me")
    server.update(SERVICES, read | {"spec": {"selector": {"app": "b"}}}, "somebody")

    with pytest.raises(Conflict):
        server.update(SERVICES, read, "me")
    with pytest.raises(Conflict):
        server.update_status(SERVICES, read | {"status": {}}, "me")
    with pytest.raises(AlreadyExists):
        server.create(SERVICES, thing(), "me")


def test_status_and_the_rest_are_written_apart_and_only_a_new_spec_is_a_new_generation() -> None:
    server = ApiServer()
    made = server.create(MODEL_ROLLOUTS, thing(status={"phase": "Lie"}), "me")
    shown = server.update_status(MODEL_ROLLOUTS, made | {"spec": {}, "status": {"phase": "Stable"}}, "me")
    edited = server.update(MODEL_ROLLOUTS, shown | {"spec": {"replicas": 2}, "status": {"phase": "Lie"}}, "me")

    assert "status" not in made
    assert (shown["spec"], shown["status"], shown["metadata"]["generation"]) == (made["spec"], {"phase": "Stable"}, 1)
    assert (edited["spec"], edited["status"], edited["metadata"]["generation"]) == (
        {"replicas": 2},
        {"phase": "Stable"},
        2,
    )


def test_a_json_patch_tests_first_and_is_done_whole_or_not_at_all() -> None:
    server = ApiServer()
    server.create(SERVICES, thing(), "me")
    moved = server.json_patch(SERVICES, "churn", [*SELECTOR, MOVED], "me")

    assert moved["spec"]["selector"] == {"app": "b"}
    with pytest.raises(Invalid):
        server.json_patch(SERVICES, "churn", [MOVED | {"value": {"app": "c"}}, *SELECTOR], "me")
    assert server.get(SERVICES, "churn") == moved


def test_who_waits_for_news_is_woken_in_the_order_of_waiting() -> None:
    """By their places in memory a run would be another one each time, whatever its seed."""
    etcd, woken = Etcd(now=lambda: 0.0), list[int]()

    async def wait(number: int) -> None:
        await etcd.news("services", 60.0)
        woken.append(number)

    async def story() -> None:
        waiting = [asyncio.create_task(wait(number)) for number in range(64)]
        await asyncio.sleep(0)
        etcd.put(("services", "default", "churn"), thing(), "me", "create")
        await asyncio.gather(*waiting)

    asyncio.run(story())
    assert woken == list(range(64))


def test_who_applies_owns_fields_and_takes_them_away_by_leaving_them_out() -> None:
    server = ApiServer()
    server.apply(MODEL_ROLLOUTS, {"metadata": {"name": "churn"}, "spec": {"replicas": 2, "bake": "5s"}}, "git")
    server.apply(MODEL_ROLLOUTS, {"metadata": {"name": "churn"}, "spec": {"paused": True}}, "person")
    left = server.apply(MODEL_ROLLOUTS, {"metadata": {"name": "churn"}, "spec": {"replicas": 3}}, "git")

    assert left["spec"] == {"replicas": 3, "paused": True}
    with pytest.raises(Conflict):
        server.apply(MODEL_ROLLOUTS, {"metadata": {"name": "churn"}, "spec": {"replicas": 9}}, "person")


def test_finalizers_hold_an_object_until_they_are_gone() -> None:
    server = ApiServer()
    server.create(MODEL_ROLLOUTS, thing(metadata={"finalizers": ["x"]}), "me")
    server.delete(MODEL_ROLLOUTS, "churn", "me")
    assert "deletionTimestamp" in server.get(MODEL_ROLLOUTS, "churn")["metadata"]

    server.merge(MODEL_ROLLOUTS, "churn", {"metadata": {"finalizers": None}}, "me")
    assert server.find(MODEL_ROLLOUTS, "churn") is None


def test_children_go_with_their_owner_and_a_wrong_uid_deletes_nothing() -> None:
    server = ApiServer()
    owner = server.create(MODEL_ROLLOUTS, thing(), "me")
    server.create(SERVICES, thing(metadata={"ownerReferences": [{"uid": owner["metadata"]["uid"]}]}), "me")
    with pytest.raises(Conflict):
        server.delete(MODEL_ROLLOUTS, "churn", "me", uid="another")
    server.collect()
    assert server.find(SERVICES, "churn") is not None

    server.delete(MODEL_ROLLOUTS, "churn", "me", uid=owner["metadata"]["uid"])
    server.collect()
    with pytest.raises(NotFound):
        server.get(SERVICES, "churn")


def client(server: ApiServer, plan: Plan | None = None) -> Client:
    plan = plan if plan is not None else Plan()
    return Client("operator-1", Wire(server, plan, lambda _: None, lambda _: None, lambda: None))


async def watched(server: ApiServer, version: str, selector: str = "") -> list[WatchEvent]:
    """All events of one watch, to its end after a minute."""
    server.etcd.now = asyncio.get_running_loop().time
    return [event async for event in client(server).watch(SERVICES, "", selector, version)]


def test_a_watch_tells_what_came_into_and_what_left_its_selection_and_ends_with_a_bookmark() -> None:
    server = ApiServer()
    server.create(SERVICES, thing(metadata={"labels": {"mine": "yes"}}), "me")
    server.create(SERVICES, thing("other"), "me")
    server.merge(SERVICES, "churn", {"spec": {"selector": {"app": "b"}}}, "me")
    server.merge(SERVICES, "churn", {"metadata": {"labels": {"mine": "no"}}}, "me")

    events = run(watched(server, "1000", "mine=yes"))

    assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    assert events[-1].object["metadata"]["resourceVersion"] == "1004"


def test_a_watch_from_before_a_compaction_is_gone() -> None:
    server = ApiServer()
    server.create(SERVICES, thing(), "me")
    server.etcd.compact()

    with pytest.raises(Gone):
        run(watched(server, "1000"))
    assert [event.type for event in run(watched(server, "1001"))] == ["BOOKMARK"]


def test_a_list_from_the_past_shows_the_past() -> None:
    server = ApiServer()
    server.create(SERVICES, thing(), "me")
    server.merge(SERVICES, "churn", {"spec": {"selector": {"app": "b"}}}, "me")
    server.create(SERVICES, thing("later"), "me")
    late = Client("operator-1", Wire(server, Plan(), lambda _: None, lambda _: None, lambda: None), behind=2)

    page = run(late.list(SERVICES))

    assert [(one["metadata"]["name"], one["spec"]["selector"]) for one in page.items] == [("churn", {"app": "a"})]
    assert (page.version, run(late.list(SERVICES)).version) == ("1001", "1003")


def test_pods_load_serve_and_are_made_again_when_somebody_deletes_them() -> None:
    with GOES_OUT.world() as world:
        first(world)
        pod = next(iter(world.server.etcd.all(PODS.plural)))
        world.server.delete(PODS, pod["metadata"]["name"], "somebody")
        world.advance(12)

        names = [one["metadata"]["name"] for one in world.server.etcd.all(PODS.plural)]
        assert (len(names), pod["metadata"]["name"] in names) == (2, False)


def test_the_same_seed_is_the_same_run() -> None:
    def played() -> list[str]:
        with GOES_OUT.world(Setting(Plan(7, refuse_share=0.2, die_share=0.01, lag=2))) as world:
            world.ask(asking(V1))
            world.advance(30)
            return [str(write) for write in world.history]

    assert played() == played()


def test_a_run_that_breaks_a_rule_says_so() -> None:
    with GOES_OUT.world() as world:
        first(world)
        known = world.object(SERVICES)
        world.server.update(SERVICES, known | {"spec": known["spec"] | {"selector": {"app": "none"}}}, "operator-1")

        assert [text.partition(": ")[2].rpartition(": ")[2] for text in world.broken][:1] == [
            "2 ready pods were behind the Service, now none is"
        ]
