"""Too little traffic for a decision is said before the deadline is over, and once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from core.values import arm, candidate, decided, judged, later, seen, shared, status, turn

from modelrollout.api.status import ModelRolloutStatus, Stage
from modelrollout.core.decision import Note
from modelrollout.core.facts import Traffic
from modelrollout.core.turn import Turn
from modelrollout.judge.report import Report
from modelrollout.judge.verdicts import Verdict

SAID = (
    "2 requests/s at 20 %: 34 min until a healthy model passes, decisionDeadline is 30m; set it to 1h, or raise the "
    "weight"
)


def look(rate: float = 2.0, watched: float = 300, expected: int | None = None, **changes: Any) -> Turn:
    """The first step of a canary with a fifth of the requests, which compares and has half an hour to decide."""
    here = candidate(since=later(-watched), **{"step_since": later(-watched), **changes.pop("candidate", {})})
    world = seen(arm(1, 4), arm(2, 1, against=1), selector=shared())
    wishes = {"health": {"compare": {}}, "decisionDeadline": "30m"}
    one = judged(turn(status(candidate=here, **changes), world, wishes), Verdict(requests=5), watched)
    answered = round(rate * watched)
    traffic = Traffic(candidate=answered // 5, stable=answered - answered // 5)
    report = Report(expected_requests=expected)
    return replace(one, seen=replace(one.seen, traffic=traffic, report=report))


def said(one: Turn) -> list[str]:
    return [known.message for known in decided(one).status.conditions if known.type == "TooLittleTraffic"]


def test_a_step_that_will_be_too_late_says_so_with_the_numbers_and_a_remedy() -> None:
    assert said(look()) == [SAID]


def test_a_step_without_requests_says_that_it_needs_some() -> None:
    assert said(look(rate=0)) == ["0 requests/s at 20 %: nothing can be decided without requests"]


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(look(rate=20), id="enough traffic"),
        pytest.param(look(watched=60), id="just begun"),
        pytest.param(look(watched=1900), id="past the deadline, which says Inconclusive"),
        pytest.param(look(expected=40), id="little is left to show"),
        pytest.param(look(candidate={"stage": Stage.PAUSED}), id="waits for a person"),
        pytest.param(look(paused=True), id="paused"),
    ],
)
def test_nothing_is_said_where_it_would_help_nobody(one: Turn) -> None:
    assert said(one) == []


def test_what_is_left_to_show_counts_at_the_candidates_rate() -> None:
    assert said(look(expected=700)) == [SAID]
    assert timedelta(seconds=700 / 0.4) > timedelta(minutes=25) > timedelta(seconds=500 / 0.4)
    assert said(look(expected=500)) == []


def test_it_is_an_event_when_it_begins_and_not_again() -> None:
    first = decided(look())
    known: ModelRolloutStatus = first.status
    again = look()
    again = replace(again, rollout=replace(again.rollout, status=known))

    assert [note for note in first.notes if note.reason == "TooLittleTraffic"] == [
        Note("TooLittleTraffic", SAID, warning=True)
    ]
    assert [note for note in decided(again).notes if note.reason == "TooLittleTraffic"] == []
