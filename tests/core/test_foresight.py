"""The warning that a step cannot decide before its deadline, from the traffic that it really gets."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from core.values import arm, candidate, decided, judged, seen, shared, status, turn

from modelrollout.api.status import Condition, ConditionStatus, ModelRolloutStatus
from modelrollout.core.decision import Decision
from modelrollout.core.facts import Traffic
from modelrollout.core.foresight import TOO_FEW_REQUESTS
from modelrollout.judge.report import Report
from modelrollout.judge.verdicts import Verdict

COMPARES: dict[str, Any] = {"compare": {}}


def after(
    seconds: int, per_second: float, known: ModelRolloutStatus | None = None, report: Report | None = None
) -> Decision:
    """The decision when a step has got so many requests a second for so long, a fifth of them on the canary."""
    world = seen(arm(1, 4), arm(2, 1, against=1), selector=shared())
    before = known or status(candidate=candidate())
    one = judged(turn(before, world, {"health": COMPARES}), Verdict(requests=5, unproven="an error rate"))
    total = round(seconds * per_second)
    traffic = Traffic(candidate=total // 5, stable=total - total // 5)
    return decided(
        replace(one, seen=replace(one.seen, traffic=traffic, report=report, watched=timedelta(seconds=seconds)))
    )


def warnings(found: Decision) -> list[str]:
    return [one.message for one in found.status.conditions if one.type == TOO_FEW_REQUESTS]


def events(found: Decision) -> list[str]:
    return [note.message for note in found.notes if note.reason == TOO_FEW_REQUESTS]


def test_a_step_that_cannot_pass_in_time_is_warned_of_with_the_remedy() -> None:
    found = after(120, per_second=0.5)

    assert warnings(found) == events(found)
    assert warnings(found)[0].startswith("0.5 requests/s at 20 %: ")
    assert "decisionDeadline is 1h; " in warnings(found)[0]
    assert warnings(found)[0].endswith("or raise the weight")


def test_a_step_without_requests_is_warned_of() -> None:
    assert warnings(after(120, 0)) == ["0 requests/s at 20 %: nothing can be decided without requests"]


@pytest.mark.parametrize(
    ("seconds", "per_second"),
    [pytest.param(120, 50, id="enough requests"), pytest.param(60, 0, id="too early to say")],
)
def test_nothing_is_said_where_a_step_can_decide_or_has_just_begun(seconds: int, per_second: float) -> None:
    found = after(seconds, per_second)

    assert (warnings(found), events(found)) == ([], [])


def test_what_is_already_shown_counts() -> None:
    report = Report(expected_requests=100)

    assert warnings(after(120, 0.5, report=report)) == []


def test_the_event_comes_once_and_the_condition_stays_while_traffic_wavers() -> None:
    first = after(120, 1.1)
    assert warnings(first) != []

    again = after(150, 1.2, known=first.status)
    assert (len(warnings(again)), events(again)) == (1, [])
    assert warnings(after(180, 50, known=again.status)) == []


def test_a_paused_rollout_is_not_warned_of() -> None:
    assert warnings(after(120, 0, known=status(candidate=candidate(), paused=True))) == []


def test_the_condition_is_a_condition_like_the_others() -> None:
    found = next(one for one in after(120, 0).status.conditions if one.type == TOO_FEW_REQUESTS)

    assert isinstance(found, Condition)
    assert (found.status, found.reason) == (ConditionStatus.TRUE, TOO_FEW_REQUESTS)
