"""The judge's numbers in the status."""

from dataclasses import replace
from datetime import timedelta

import pytest
from core.values import arm, candidate, decided, judged, seen, shared, status, turn

from modelrollout.api.status import Judged, Routing, Stage
from modelrollout.core.decision import Note
from modelrollout.core.facts import Traffic
from modelrollout.core.turn import Turn
from modelrollout.judge.drift import Answer, Moved
from modelrollout.judge.report import Answer as Says
from modelrollout.judge.report import Reading, Report
from modelrollout.judge.verdicts import Verdict

NO_SPREAD = "the model's baseline has no spread"


def look(report: Report | None, known: Judged | None = None) -> Turn:
    world = seen(arm(1, 4), arm(2, 1, against=1), selector=shared())
    one = judged(turn(status(candidate=candidate(), judge=known), world), Verdict(requests=5))
    traffic = Traffic(candidate=50)
    return replace(one, seen=replace(one.seen, report=report, traffic=traffic, watched=timedelta(seconds=25)))


def test_requests_to_come_become_time_at_the_present_traffic() -> None:
    shown = decided(look(Report(requests=400, expected_requests=300))).status.judge

    assert shown == Judged(requests=400, expected_requests=300, expected_seconds=150)


def test_numbers_are_kept_while_nothing_newer_is_known() -> None:
    known = Judged(requests=400)

    assert decided(look(None, known)).status.judge == known
    assert decided(look(None)).status.judge is None


def test_evidence_and_drift_are_shown_rounded() -> None:
    reading = Reading("errors", Says.UNDECIDED, 1.234567, 0.1234567, -0.5, 0.1)
    found = Report(readings=(reading,), moved=Moved(Answer.CLEAR, 0.123456), shape=0.0312345)
    shown = decided(look(found)).status.judge

    assert shown is not None
    assert (shown.metrics[0].log_e, shown.metrics[0].p, shown.metrics[0].verdict) == (1.2346, 0.1235, "undecided")
    assert shown.drift is not None
    assert (shown.drift.verdict, shown.drift.deviations, shown.shape) == ("clear", 0.1235, 0.0312)


def test_a_baseline_that_cannot_be_used_is_told_once_it_is_judged_by_and_once() -> None:
    first = look(Report(unusable_baseline=NO_SPREAD))
    known = decided(first).status
    again = replace(first, rollout=replace(first.rollout, status=known))

    assert decided(first).notes == (Note("BaselineUnusable", NO_SPREAD, warning=True),)
    assert decided(again).notes == ()


def test_a_baseline_says_nothing_while_the_first_pods_start() -> None:
    world = seen(arm(1, 4), arm(2, 1, against=1, ready=False), report=Report(unusable_baseline=NO_SPREAD))
    starting = status(candidate=candidate(stage=Stage.STARTING, routing=Routing.STABLE))

    assert "BaselineUnusable" not in {one.type for one in decided(turn(starting, world)).status.conditions}


@pytest.mark.parametrize("why", ["", NO_SPREAD])
def test_a_baseline_that_cannot_be_used_is_a_condition(why: str) -> None:
    conditions = decided(look(Report(unusable_baseline=why))).status.conditions

    assert [one.message for one in conditions if one.type == "BaselineUnusable"] == ([why] if why else [])
