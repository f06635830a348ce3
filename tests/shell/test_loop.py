"""One turn: the order of what it writes, and what it does when the API server says no."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from kube.apiserver import Direct
from shell.loops import KEY, OWNER, SHARED, STABLE, World, bad, rollout_object, source, status

from modelrollout import names
from modelrollout.api.status import Phase
from modelrollout.core.decision import Create, EnsureService, Preview, Protect, Route, Scale, Watch
from modelrollout.judge import Sample
from modelrollout.kube.errors import Conflict, Forbidden, Invalid, NamespaceEnding, Unavailable
from modelrollout.kube.resources import DEPLOYMENTS, DISRUPTION_BUDGETS, MODEL_ROLLOUTS, SERVICES
from modelrollout.ledger import Look, Looks
from modelrollout.shell.queue import UrgentFailure

BACK = (Route(STABLE), Scale("bbbb", 0, expected=2))
COMMIT = "update modelrollouts churn status"
TO_STABLE = "patch services churn"
TO_NOTHING = "patch deployments churn-bbbb"


def in_a_step(**more: Any) -> World:
    """Stable aaaa and candidate bbbb share traffic."""
    world = World(**more)
    world.service(SHARED)
    world.deployment("aaaa", 2)
    world.deployment("bbbb", 2)
    return world


def replicas(world: World) -> Any:
    """Size of the candidate's Deployment."""
    found = world.api.server.get(DEPLOYMENTS, "churn-bbbb")
    return found["spec"]["replicas"] if found else None


def rolling_back(world: World) -> World:
    world.decide(*BACK, status=status("bad", Phase.ROLLING_BACK), notes=(bad(),), urgent=True)
    return world


async def test_the_status_is_committed_before_the_first_action_and_actions_keep_their_order() -> None:
    world = rolling_back(in_a_step())
    await world.turn()

    assert world.written == [COMMIT, TO_STABLE, TO_NOTHING, "create events"]
    assert (world.phase(), world.selector()) == ("RollingBack", STABLE)


async def test_a_turn_that_changes_nothing_writes_nothing() -> None:
    world = rolling_back(in_a_step())
    await world.turn()
    before = len(world.written)
    await world.turn()

    assert world.written[before:] == []


async def test_the_next_turn_sees_what_this_one_wrote_without_waiting_for_a_watch() -> None:
    world = in_a_step()
    world.decide(Create(source("cccc"), 3), Route(STABLE, expected=SHARED))
    await world.turn()
    await world.turn()

    assert [(one.revision, one.replicas) for one in world.seen[1].deployments] == [("cccc", 3)]
    assert world.seen[1].service is not None
    assert world.seen[1].service.selector == STABLE
    assert world.rollouts_seen[1].status.phase is Phase.PROGRESSING


async def test_a_conflict_is_read_again_and_decided_again_never_sent_again() -> None:
    world = in_a_step()
    changed = rollout_object(spec={"model": {"uri": "file:///new", "version": "2"}})
    world.api.server.put(MODEL_ROLLOUTS, changed)  # nobody told us
    world.decide(status=status("old"))
    world.decide(status=status("new"))
    await world.turn()

    assert world.api.server.asked == [COMMIT, "get modelrollouts churn", COMMIT]
    assert [one.model["version"] for one in world.rollouts_seen] == ["1", "2"]
    assert world.rollouts.get(KEY) is not None
    assert world.api.server.get(MODEL_ROLLOUTS, "churn")["status"]["message"] == "new"  # type: ignore[index]


async def test_nothing_is_acted_on_while_the_status_cannot_be_written() -> None:
    world = in_a_step(api=Direct(faults={"update modelrollouts": [Unavailable("down")]}))
    world.decide(Route(SHARED, expected=STABLE), Scale("bbbb", 5))

    with pytest.raises(Unavailable):
        await world.turn()
    assert world.written == [COMMIT]
    assert world.watched == []


@pytest.mark.parametrize("error", [Unavailable("down"), Forbidden("no"), TimeoutError()], ids=repr)
async def test_traffic_goes_back_even_if_the_status_cannot_be_written_and_nothing_else_does(error: Exception) -> None:
    world = rolling_back(in_a_step(api=Direct(faults={"update modelrollouts": [error]})))

    with pytest.raises(UrgentFailure, match="traffic is on stable"):
        await world.turn()
    assert world.written == [COMMIT, TO_STABLE]
    assert world.selector() == STABLE

    await world.turn()
    assert world.written[2:] == [COMMIT, TO_NOTHING, "create events"]


async def test_traffic_goes_back_within_a_second_when_the_status_write_hangs() -> None:
    class Hanging(Direct):
        async def replace_status(self, *_: Any) -> Any:
            await asyncio.sleep(3600)

    world = rolling_back(in_a_step(api=Hanging()))
    begun = asyncio.get_running_loop().time()
    with pytest.raises(UrgentFailure):
        await world.turn()

    assert asyncio.get_running_loop().time() - begun < 2
    assert (world.written, world.selector()) == ([TO_STABLE], STABLE)


async def test_an_urgent_conflict_is_decided_once_more_and_then_traffic_goes_back_all_the_same() -> None:
    world = rolling_back(in_a_step(api=Direct(faults={"update modelrollouts": [Conflict("1"), Conflict("2")]})))

    with pytest.raises(UrgentFailure):
        await world.turn()
    assert world.api.server.asked == [COMMIT, "get modelrollouts churn", COMMIT, TO_STABLE]
    assert world.selector() == STABLE


async def test_only_a_rollback_passes_the_write_limit() -> None:
    world = rolling_back(in_a_step())
    await world.turn()
    assert world.gated == 0

    calm = in_a_step()
    calm.decide(Scale("bbbb", 3))
    await calm.turn()
    assert calm.gated == 1


async def test_an_action_that_fails_ends_the_turn_and_the_next_one_goes_on_there() -> None:
    world = in_a_step(api=Direct(faults={"patch services": [Unavailable("down")]}))
    world.decide(Scale("bbbb", 3), Route(STABLE, expected=SHARED), Scale("aaaa", 0))

    with pytest.raises(Unavailable):
        await world.turn()
    await world.turn()

    assert world.written == [
        COMMIT,
        TO_NOTHING,
        TO_STABLE,
        TO_STABLE,
        "patch deployments churn-aaaa",
    ]


async def test_a_risky_move_fails_when_somebody_else_moved_first_and_is_decided_anew() -> None:
    world = in_a_step()
    world.api.server.put(SERVICES, world.api.server.get(SERVICES, "churn") | {"spec": {"selector": STABLE}})  # type: ignore[operator]
    world.decide(Route(SHARED | {"x": "y"}, expected=SHARED))
    world.decide(status=status())
    await world.turn()

    assert world.selector() == STABLE
    assert world.seen[1].service is not None
    assert world.seen[1].service.selector == STABLE


async def test_an_object_of_our_name_that_is_somebody_elses_is_named_and_left_alone() -> None:
    world = World()
    foreign = {"metadata": {"name": "churn"}, "spec": {"selector": {"app": "theirs"}}}
    world.api.server.put(SERVICES, foreign)
    world.decide(EnsureService(STABLE))

    assert await world.turn() == timedelta(0)
    world.decisions = []
    world.decide()
    assert await world.turn() == timedelta(seconds=30)

    assert world.selector() == {"app": "theirs"}
    assert world.seen[1].taken[0].message == (
        "Service churn in namespace default belongs to somebody else and is left alone; rename the ModelRollout, or "
        "delete that object"
    )
    assert world.seen[1].service is not None
    assert not world.seen[1].service.owned


async def test_a_foreign_object_stops_the_write_to_itself_and_no_other() -> None:
    world = in_a_step()
    world.api.server.put(DISRUPTION_BUDGETS, {"metadata": {"name": "churn"}, "spec": {}})
    world.api.server.put(SERVICES, {"metadata": {"name": "churn-preview"}, "spec": {}})
    world.decide(Protect(STABLE), Preview(STABLE), *BACK)

    assert await world.turn() == timedelta(0)
    assert (world.selector(), replicas(world)) == (STABLE, 0)
    world.decisions = []
    world.decide()
    await world.turn()
    assert {(one.kind, one.name) for one in world.seen[-1].taken} == {
        ("PodDisruptionBudget", "churn"),
        ("Service", "churn-preview"),
    }


@pytest.mark.parametrize(
    "error", [Invalid("no"), Forbidden("no"), Unavailable("the webhook of budgets is away")], ids=str
)
async def test_a_budget_that_cannot_be_written_stops_no_rollback(error: Exception) -> None:
    world = in_a_step(api=Direct(faults={"create poddisruptionbudgets": [error] * 4}))
    world.decide(Protect(STABLE), *BACK)
    with contextlib.suppress(Unavailable, Forbidden, Invalid):
        await world.turn()

    assert (world.selector(), replicas(world)) == (STABLE, 0)


async def test_no_pod_is_taken_away_while_traffic_cannot_be_moved() -> None:
    world = in_a_step(api=Direct(faults={"patch services": [Forbidden("no")] * 4}))
    world.decide(*BACK)
    with contextlib.suppress(Forbidden):
        await world.turn()

    assert (world.selector(), replicas(world)) == (SHARED, 2)


async def test_whose_a_name_is_cannot_be_asked_and_stops_nothing() -> None:
    world = World()
    world.api.server.put(SERVICES, {"metadata": {"name": "churn"}, "spec": {}})
    world.decide(EnsureService(STABLE))
    world.decide()
    await world.turn()
    world.clock += 31
    world.api.faults["get services"] = [Forbidden("no")]
    await world.turn()

    assert [one.name for one in world.seen[-1].taken] == ["churn"]


async def test_a_taken_name_is_looked_at_again_after_a_while_without_being_forgotten_in_between() -> None:
    world = World()
    world.api.server.put(SERVICES, {"metadata": {"name": "churn"}, "spec": {}})
    world.decide(EnsureService(STABLE))
    world.decide()
    for seconds in (0, 10, 30, 10):
        world.clock += seconds
        await world.turn()
    assert [bool(seen.taken) for seen in world.seen] == [False, True, True, True]
    assert world.api.server.asked.count("get services churn") == 2

    world.api.server.remove(SERVICES, "churn")
    world.clock += 30
    await world.turn()
    assert not world.seen[-1].taken


async def test_a_write_that_is_refused_is_told_at_once_and_then_tried_again_later() -> None:
    no = Invalid("422 Service churn is invalid: spec.ports: no")
    world = World(api=Direct(faults={"create services": [no, no]}))
    world.decide(EnsureService(STABLE))

    assert await world.turn() == timedelta(0)
    with pytest.raises(Invalid):
        await world.turn()
    assert [seen.refused for seen in world.seen] == ["", "422 Service churn is invalid: spec.ports: no"]

    assert await world.turn() == timedelta(0)
    assert await world.turn() is None
    assert not world.seen[-1].refused


async def test_what_is_to_be_watched_is_passed_on_after_the_commit() -> None:
    watch = Watch(timedelta(seconds=5), "bbbb", "aaaa", epoch="bbbb.0")
    world = in_a_step()
    world.decide(watch=watch)
    await world.turn()
    assert world.watched == [watch]

    looks = Looks(1.0, (Look("u", "bbbb", Sample("p", "i", 1, 0, 0)),))
    ledger = world.loop.round(KEY, watch, looks)
    assert ledger is not None
    await world.turn()
    assert world.seen[-1].epoch == "bbbb.0"


async def test_what_waits_is_noted_once_where_its_step_ends() -> None:
    watch = Watch(timedelta(seconds=5), "bbbb", "aaaa", epoch="bbbb.10.1.judging.ab")
    world = in_a_step()
    spec = {"model": {"uri": "file:///m", "version": "1"}, "replicas": 2, "health": {"compare": {}}}
    world.read(world.api.server.put(MODEL_ROLLOUTS, rollout_object(spec=spec)))
    world.decide(watch=watch)
    await world.turn()
    for number in (0, 1000, 1050):
        pods = tuple(Look(f"u{one}", one, Sample(one, f"{one}:1", number, 0, 0)) for one in ("aaaa", "bbbb"))
        world.loop.round(KEY, watch, Looks(100.0 + number / 100, pods))
    assert [strata for _, strata in world.noted] == [1, 1, 0]

    world.decide(watch=replace(watch, epoch="bbbb.50.1.judging.ab"))
    await world.turn()
    await world.turn()
    assert world.noted[3:] == [("bbbb.10.1.judging.ab", 1)]
    assert [seen.verdict.requests for seen in world.seen[1:]] == [1000, 1000, 1050]


async def test_a_round_of_another_epoch_or_of_a_rollout_that_is_gone_is_thrown_away() -> None:
    watch = Watch(timedelta(seconds=5), "bbbb", "aaaa", epoch="bbbb.0")
    world = in_a_step()
    assert world.loop.round(KEY, watch, Looks(1.0)) is None

    world.decide(watch=watch)
    await world.turn()
    assert world.loop.round(KEY, Watch(timedelta(seconds=5), epoch="old"), Looks(1.0)) is None
    assert world.loop.round("default/gone", watch, Looks(1.0)) is None


async def test_a_restart_goes_on_from_the_checkpoint() -> None:
    world = World()
    kept = {"epoch": "bbbb.1", "watched": "40s", "time": "2026-03-01T11:59:00Z"}
    world.read(world.api.server.put(MODEL_ROLLOUTS, rollout_object(status={"checkpoint": kept})))
    world.decide()
    await world.turn()

    assert (world.seen[0].epoch, world.seen[0].watched) == ("bbbb.1", timedelta(seconds=40))


@pytest.mark.parametrize("how", ["gone", "ending"])
async def test_a_rollout_that_is_deleted_is_not_touched_and_not_scraped(how: str) -> None:
    world = in_a_step()
    if how == "gone":
        world.rollouts.remove(KEY)
    else:
        ending = rollout_object()
        ending["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
        world.read(world.api.server.put(MODEL_ROLLOUTS, ending))
    world.decide(Scale("bbbb", 5))

    assert await world.turn() is None
    assert (world.written, world.watched) == ([], [None])


@pytest.mark.parametrize("faults", [{}, {"update modelrollouts": [Conflict("1")]}], ids=["commit", "read again"])
async def test_a_rollout_that_vanished_before_the_commit_is_dropped_quietly(faults: Any) -> None:
    world = in_a_step(api=Direct(faults=faults))
    world.api.server.remove(MODEL_ROLLOUTS, "churn")
    world.decide(Scale("bbbb", 5))

    assert await world.turn() is None
    assert (world.written, world.watched, world.rollouts.get(KEY)) == ([COMMIT], [None], None)


async def test_a_spec_that_cannot_be_read_is_decided_on_with_its_sentence() -> None:
    world = World()
    broken = rollout_object(spec={"model": {"uri": "file:///m"}, "replicas": "many"})
    world.read(world.api.server.put(MODEL_ROLLOUTS, broken))
    world.decide()
    await world.turn()

    assert world.rollouts_seen[0].spec is not None
    assert world.rollouts_seen[0].invalid == (
        "spec.replicas: Input should be a valid integer, unable to parse string as an integer (found 'many')"
    )


async def test_a_deployment_that_lost_its_labels_gets_them_back_and_is_not_made_again() -> None:
    world = World()
    world.decide(Create(source(), 1))
    await world.turn()
    made = world.api.server.get(DEPLOYMENTS, "churn-bbbb")
    assert made is not None
    naked = world.api.server.put(DEPLOYMENTS, {**made, "metadata": {**made["metadata"], "labels": {}}})
    world.stores[DEPLOYMENTS].remove(naked)
    await world.turn()

    again = world.api.server.get(DEPLOYMENTS, "churn-bbbb")
    assert again is not None
    assert again["metadata"]["labels"][names.NAME_LABEL] == "churn"
    assert world.written[-2:] == ["create deployments", "patch deployments churn-bbbb"]


async def test_on_an_old_view_of_the_world_only_a_rollback_is_carried_out() -> None:
    world = in_a_step()
    world.outdated = "pods: nothing was heard for 200 s"
    world.decide(Scale("bbbb", 5))
    assert await world.turn() == timedelta(seconds=5)
    assert world.written == []

    world.decisions = []
    await rolling_back(world).turn()
    assert world.selector() == STABLE


async def test_what_is_left_of_an_earlier_rollout_of_this_name_is_waited_for_and_nobody_is_blamed() -> None:
    world = World()
    earlier = OWNER | {"uid": "uid-of-the-one-before"}
    meta = {"name": "churn", "ownerReferences": [earlier]}
    world.api.server.put(SERVICES, {"metadata": meta, "spec": {"selector": STABLE}})
    world.decide(EnsureService(STABLE))

    with pytest.raises(Unavailable, match="Service churn of the earlier ModelRollout churn is still there"):
        await world.turn()
    world.api.server.remove(SERVICES, "churn")
    await world.turn()

    assert [seen.taken for seen in world.seen] == [(), ()]
    assert world.selector() == STABLE


async def test_a_namespace_that_is_being_deleted_is_no_failure() -> None:
    ending = NamespaceEnding("unable to create new content")
    world = World(api=Direct(faults={"create services": [ending]}))
    world.decide(EnsureService(STABLE))

    assert await world.turn() == timedelta(seconds=5)
