"""What people ask for by annotation and by git is done once, also when the operator dies right after it was asked."""

import time
from collections.abc import Callable

import pytest
from e2e.acts import at_weight, candidate, promoted, roll_out, rolled_back, serving, stable_of, stays
from e2e.specs import model_of, spec

from modelrollout.traffic.summary import losses
from stage.kube import Object
from stage.operator import kill_operator, operator_ready
from stage.programs import Programs
from stage.rollout import Rollout, is_true

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

WAITS = {"canary": {"steps": [{"weight": 25, "pause": {}}, {"weight": 50, "pause": {}}]}}


def answered(number: str, outcome: str) -> Callable[[Object], bool]:
    def look(obj: Object) -> bool:
        last = obj["status"].get("lastCommand") or {}
        return (last.get("id"), last.get("outcome")) == (number, outcome)

    return look


class Person:
    """Gives numbered commands, no two alike, and kills the operator right after each."""

    def __init__(self, churn: Rollout) -> None:
        self._churn = churn
        self._count = 0

    async def orders(self, verb: str, revision: str, outcome: str = "Done") -> Object:
        self._count += 1
        await self._churn.command(verb, revision, str(self._count))
        await kill_operator(self._churn.cluster)
        return await self._churn.until(f"{verb} is {outcome}", answered(str(self._count), outcome))


@pytest.mark.alone
async def test_each_command_is_carried_out_exactly_once_although_the_operator_is_killed(
    prepared: Programs, churn: Rollout
) -> None:
    async with serving(prepared, churn, spec(strategy=WAITS)) as now:
        person = Person(churn)
        await roll_out(churn, "v2")
        obj = await churn.until("it waits at weight 25", at_weight(25, "Paused"))
        second = candidate(obj)["revision"]

        await person.orders("pause", second)
        await churn.until("it is paused", lambda one: one["status"]["paused"])
        await person.orders("resume", second)
        assert at_weight(25, "Paused")(await churn.get()), "the step's own pause is another one"
        await person.orders("promote", second)
        await churn.until("it waits at weight 50", at_weight(50, "Paused"))
        await person.orders("promote", now.revision, "Refused")
        assert candidate(await churn.get())["weight"] == 50
        await person.orders("abort", second)
        await churn.until("it is taken back", rolled_back)
        await person.orders("retry", second)
        await churn.until("it waits at weight 25 again", at_weight(25, "Paused"))
        await person.orders("promote-all", second)
        await churn.until_condition("Ready")
        assert await stable_of(churn) == second
        await person.orders("rollback", second)
        await churn.until("the first is stable", lambda one: one["status"]["stable"]["revision"] == now.revision)
        await person.orders("mark", now.revision)
        await person.orders("restart", now.revision)
        told = [one.message for one in await churn.events() if one.reason in {"CommandDone", "CommandRefused"}]
        assert sorted(told) == sorted(set(told)), "an Event may be lost in a kill after the commit, never told twice"
    assert losses(now.load.records) == []


async def test_a_git_revert_within_keep_previous_serves_at_once_and_starts_no_pod(
    prepared: Programs, churn: Rollout
) -> None:
    async with serving(prepared, churn, spec()) as now:
        await promoted(churn, "v2")
        before = {pod["metadata"]["uid"] for pod in await churn.pods()}
        reverted = time.time()
        await churn.change({"model": model_of("v1")})
        await churn.until("the Service selects the first", lambda one: is_true(one, "Ready"))
        assert (await churn.selector())["modelrollout.dev/revision"] == now.revision
        await stays(churn, lambda one: one["status"]["stable"]["revision"] == now.revision, looks=10)
        assert {pod["metadata"]["uid"] for pod in await churn.pods()} <= before
        reasons = [event.reason for event in await churn.events()]
        assert (reasons[-1], reasons.count("RolloutStarted")) == ("Switched", 2)
    assert losses(now.load.records) == []
    since = [one for one in now.load.records if one.due > reverted and one.revision]
    first = min(one.answered for one in since if one.revision == now.revision)
    last = max((one.answered for one in since if one.revision != now.revision), default=reverted)
    print(f"git revert: first answer after {first - reverted:.2f} s, the other's last {last - reverted:.2f} s")  # noqa: T201


@pytest.mark.alone
async def test_a_timed_pause_lasts_its_time_across_a_kill(prepared: Programs, churn: Rollout) -> None:
    await a_timed_pause_lasts(prepared, churn, seconds=15)


@pytest.mark.alone
@pytest.mark.long
async def test_a_pause_of_two_minutes_lasts_its_time_across_a_kill(prepared: Programs, churn: Rollout) -> None:
    await a_timed_pause_lasts(prepared, churn, seconds=120)


async def a_timed_pause_lasts(tools: Programs, churn: Rollout, seconds: int) -> None:
    """At most one checkpoint (30 s) longer, since time is counted as watched, never shorter."""
    pause = {"canary": {"steps": [{"weight": 50, "pause": {"duration": f"{seconds}s"}}]}}
    async with serving(tools, churn, spec(strategy=pause)):
        await roll_out(churn, "v2")
        await churn.until("the pause begins", at_weight(50, "Paused"))
        began = time.monotonic()
        await kill_operator(churn.cluster)
        await operator_ready(churn.cluster)
        await churn.until("the pause is over", lambda one: candidate(one).get("weight") != 50)
        lasted = time.monotonic() - began
    assert seconds - 1 <= lasted <= seconds + 30 + 10, "a checkpoint, and the operator's own start"
