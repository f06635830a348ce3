"""What interrupts a step: deadlines, pauses, a cluster without room, edits, and faults that both arms share."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from core.steps import BEGUN, ENOUGH, FOR_A_PERSON, WHOLE, Wishes, advanced, ended, look
from core.values import (
    FAILING,
    NOW,
    PASSING,
    STABLE_FAILING,
    arm,
    candidate,
    decided,
    deployment,
    entry,
    judged,
    later,
    pod,
    seen,
    shared,
    status,
    turn,
)

from modelrollout.api.status import (
    Checkpoint,
    Hold,
    Outcome,
    Routing,
    Stage,
)
from modelrollout.core.epochs import of_candidate
from modelrollout.core.facts import PodTrouble
from modelrollout.judge.verdicts import Verdict


@pytest.mark.parametrize(
    ("choice", "hold", "told", "stage"),
    [
        ("hold", "Inconclusive", ["Inconclusive"], Stage.JUDGING),
        ("rollBack", "", ["RolledBack"], None),
        ("promote", "", ["Inconclusive", "StepPassed", "StepPassedThrough"], Stage.STARTING),
    ],
)
def test_the_decision_deadline_does_what_on_inconclusive_says(
    choice: str, hold: str, told: list[str], stage: Stage | None
) -> None:
    known = status(candidate=candidate(since=later(-3600)))
    moved = advanced(judged(look(known, {"onInconclusive": choice}), Verdict(requests=3)))
    here, held, notes = ended(moved)
    assert (held, notes, here.stage if here is not None else None) == (hold, told, stage)


DOUBT = "7 of 100 requests failed, more than 5 %"
STUCK_AT = "within 1 h (decisionDeadline): not proven bad, but too bad to pass"


@pytest.mark.parametrize(
    ("here", "ready", "place"),
    [({}, 1, "weight 10"), (WHOLE | {"stage": Stage.BAKING}, 4, "weight 100")],
    ids=["in a step", "in the bake"],
)
def test_a_doubt_is_not_promoted_at_the_decision_deadline(here: Wishes, ready: int, place: str) -> None:
    known = status(candidate=candidate(**here, since=later(-90_000)))
    verdict = replace(PASSING, doubt=DOUBT)
    moved = advanced(judged(look(known, {"onInconclusive": "promote"}, ready=ready), verdict))
    message = f"no decision at {place} {STUCK_AT}: {DOUBT}; promote or abort it"
    assert ended(moved) == (known.candidate, "Inconclusive", ["Inconclusive"])
    assert moved.status.hold == Hold(reason="Inconclusive", message=message, since=NOW)


@pytest.mark.parametrize(
    ("wishes", "fields", "facts", "counts"),
    [
        ({}, {}, {}, True),
        ({"paused": True}, {}, {}, False),
        ({}, {"paused": True}, {}, False),
        ({}, {}, {"invalid": "spec.bake: soon"}, False),
    ],
    ids=["under way", "paused by the spec", "paused by a person", "under an invalid spec"],
)
def test_a_pause_does_not_count_towards_the_bake(
    wishes: Wishes,
    fields: dict[str, Any],
    facts: dict[str, Any],
    counts: bool,  # noqa: FBT001
) -> None:
    known = status(candidate=candidate(**WHOLE, stage=Stage.BAKING), **fields)
    world = seen(arm(1, 4), arm(2, 4, against=1))
    watch = decided(turn(known, world, wishes, **facts)).watch
    assert watch is not None
    assert watch.counts is counts


@pytest.mark.parametrize("ready", [True, False], ids=["stable is ready", "no pod of stable is"])
def test_only_a_stable_that_is_ready_can_be_compared_with(ready: bool) -> None:  # noqa: FBT001
    world = seen(arm(1, 4, ready=ready), arm(2, 1, against=1), selector=shared())
    watch = decided(turn(status(candidate=candidate()), world)).watch
    assert watch is not None
    assert watch.shared is ready


def test_a_pause_outlasts_the_decision_deadline() -> None:
    here = candidate(stage=Stage.PAUSED, since=later(-90_000))
    moved = advanced(judged(look(status(candidate=here), FOR_A_PERSON), PASSING))
    assert ended(moved) == (here.but(asked=True), "Paused", [])


def test_the_bake_comes_on_top_of_the_decision_deadline() -> None:
    wishes = {"bake": "2h", "decisionDeadline": "1h"}
    here = candidate(**WHOLE, stage=Stage.BAKING, since=later(-7200))
    moved = advanced(judged(look(status(candidate=here), wishes, ready=4), Verdict(), watched=7199))
    assert ended(moved) == (here, "Progressing", [])


def test_after_a_pause_both_deadlines_are_put_off_by_its_length() -> None:
    held = Hold(reason="Paused", message="paused by a person; resume it", since=later(-600))
    here = candidate(since=later(-610), step_since=later(-620))
    moved = advanced(judged(look(status(candidate=here, hold=held)), Verdict(requests=3)))
    assert ended(moved) == (here.but(since=later(-10), step_since=later(-20)), "Progressing", ["Resumed"])


def test_pods_that_are_late_by_their_own_fault_are_rejected() -> None:
    here = candidate(stage=Stage.STARTING, routing=Routing.STABLE, step_since=later(-600))
    broken = pod(2, ready=False, trouble=PodTrouble.PROBE_FAILING, words="503")
    moved = advanced(turn(status(candidate=here), seen(arm(1, 4), (deployment(2, 1, against=1), (broken,)))))
    message = (
        "0 of 1 pod ready after 10 min (progressDeadline): churn-v2-1: ProbeFailing (503); look at the answers of "
        "/ready"
    )
    assert moved.status == status(
        history=[entry(1), entry(2, Outcome.REJECTED, reason="ProgressDeadlineExceeded", message=message, time=NOW)]
    )


def test_pods_that_the_cluster_has_no_room_for_are_waited_for_with_traffic_on_stable() -> None:
    here = candidate(stage=Stage.STARTING, step_since=later(-600))
    full = pod(2, ready=False, trouble=PodTrouble.UNSCHEDULABLE, words="Insufficient memory")
    world = seen(arm(1, 4), (deployment(2, 1, against=1), (full,)), selector=shared())
    moved = advanced(turn(status(candidate=here), world))
    waiting = here.but(stage=Stage.WAITING, since=NOW, routing=Routing.STABLE, routed=False)
    assert ended(moved) == (waiting, "WaitingForCluster", ["WaitingForCluster"])
    assert moved.notes[0].message == (
        "0 of 1 pod ready after 10 min (progressDeadline), so traffic is on stable; goes on by itself once this is "
        "over: churn-v2-1: Unschedulable (Insufficient memory); make room or lower the requests; it needs "
        "room for 1 pod beside stable's 4; rolling and canary.constantTotal need less"
    )


@pytest.mark.parametrize(
    ("trouble", "ready", "changes", "hold", "told"),
    [
        (PodTrouble.UNSCHEDULABLE, False, {}, "WaitingForCluster", ["WaitingForCluster"]),
        (None, False, BEGUN | {"round": 2}, "", ["Resumed"]),
        (None, True, BEGUN | {"round": 2}, "", ["Resumed"]),
    ],
    ids=["still no room", "room again", "ready again"],
)
def test_a_step_that_waited_for_the_cluster_begins_anew_by_itself(
    *, trouble: PodTrouble | None, ready: bool, changes: Wishes, hold: str, told: list[str]
) -> None:
    here = candidate(stage=Stage.WAITING, routing=Routing.STABLE, routed=False)
    world = seen(arm(1, 4), (deployment(2, 1, against=1), (pod(2, ready=ready, trouble=trouble),)))
    # Stable alone is what this routing means, so it counts as seen.
    assert ended(advanced(turn(status(candidate=here), world))) == (
        here.but(**changes, routed=True),
        hold,
        told,
    )


REPEATED: dict[str, Any] = BEGUN | {"routing": Routing.STABLE, "routed": False, "round": 2}


def test_a_service_that_was_found_on_stable_alone_has_its_step_passed_again() -> None:
    here = candidate()
    moved = advanced(judged(look(status(candidate=here), service=seen().service), PASSING))
    assert ended(moved) == (here.but(**REPEATED), "", ["StepRepeated"])


def test_a_candidate_alone_that_loses_all_its_pods_has_its_step_passed_again() -> None:
    here = candidate(**WHOLE, stage=Stage.BAKING)
    moved = advanced(judged(look(status(candidate=here), ready=0), PASSING))
    assert ended(moved) == (here.but(**REPEATED), "", ["StepRepeated"])


def test_a_step_that_is_passed_anew_counts_its_restarts_on() -> None:
    here = candidate(**WHOLE, stage=Stage.BAKING)
    killed = pod(2, ready=False, trouble=PodTrouble.OOM_KILLED, restarts=1)
    world = seen(arm(1, 4), (deployment(2, 1, against=1), (killed,)))
    again = advanced(turn(status(candidate=here), world)).status.candidate

    assert again == here.but(**REPEATED)
    assert again.restarts == {}


def test_edited_limits_start_the_evidence_of_the_step_anew() -> None:
    here = candidate()
    before = look(status(candidate=here))
    epoch = of_candidate(before, here)
    checkpoint = Checkpoint(epoch=epoch, watched=timedelta(seconds=60), time=later(-5))
    known = status(candidate=here, checkpoint=checkpoint)
    edited = look(known, {"health": {"limits": {"errorRate": 0.01}}})
    moved = advanced(replace(edited, seen=judged(before, PASSING).seen))
    assert ended(moved) == (here.but(since=NOW, round=2), "", ["EvidenceRestarted"])
    assert advanced(judged(look(known), Verdict())).notes == ()


def test_edited_steps_keep_the_weight_and_go_on_with_the_first_one_above_it() -> None:
    here = candidate(weight=25, step=1)
    wishes = {"strategy": {"canary": {"steps": [{"weight": 5}, {"weight": 10}, {"weight": 20}, {"weight": 60}]}}}
    moved = advanced(judged(look(status(candidate=here), wishes), Verdict()))
    assert ended(moved) == (here.but(step=2), "Progressing", ["StepsEdited"])
    assert moved.notes[0].message == "the steps were edited: weight 25 stays, the next is 60"


def steps(*written: dict[str, Any]) -> dict[str, Any]:
    return {"strategy": {"canary": {"steps": list(written)}}}


AT_HALF = candidate(weight=50, step=1, stage=Stage.PAUSED, asked=True)
LOWER, NONE = steps({"weight": 10}, {"weight": 25}), steps({"weight": 100})


@pytest.mark.parametrize(
    "wishes",
    [
        pytest.param(LOWER, id="lower ones"),
        pytest.param(NONE, id="none any more"),
        pytest.param(steps({"weight": 10}, {"weight": 75}), id="another one above"),
        pytest.param(steps({"weight": 50}), id="the same without its pause"),
        pytest.param(steps({"weight": 50, "pause": {"duration": "1s"}}), id="the same with a short pause"),
    ],
)
def test_edited_steps_are_no_answer_for_a_person_who_was_asked(wishes: dict[str, Any]) -> None:
    moved = advanced(judged(look(status(candidate=AT_HALF), wishes, ready=4), PASSING, watched=90_000))
    assert moved.status.candidate is not None
    assert (moved.status.candidate.weight, moved.status.candidate.stage) == (50, Stage.PAUSED)
    assert moved.status.hold is not None
    assert moved.status.hold.message == "at weight 50; waits for a person to resume, promote or abort it"


@pytest.mark.parametrize("wishes", [LOWER, NONE], ids=["lower ones", "none any more"])
def test_a_timed_pause_or_a_judged_step_that_was_edited_away_asks_before_all_of_the_traffic(
    wishes: dict[str, Any],
) -> None:
    for stage in (Stage.PAUSED, Stage.JUDGING):
        here = candidate(weight=50, step=1, stage=stage)
        moved = advanced(judged(look(status(candidate=here), wishes, ready=4), PASSING, watched=90_000))
        assert moved.status.candidate is not None
        assert (moved.status.candidate.weight, moved.status.candidate.stage) == (50, Stage.PAUSED)
        assert moved.status.candidate.asked


@pytest.mark.parametrize(
    ("wishes", "weight"), [(LOWER, 25), (steps({"weight": 60}), 50), (NONE, 50)], ids=["lower", "higher", "none"]
)
def test_a_step_that_only_starts_goes_down_with_the_steps_and_never_up(wishes: dict[str, Any], weight: int) -> None:
    here = candidate(weight=50, step=1, stage=Stage.STARTING)
    moved = advanced(look(status(candidate=here), wishes, ready=1))
    assert moved.status.candidate is not None
    assert moved.status.candidate.weight == weight


def test_what_a_person_was_asked_outlasts_new_evidence_and_ends_with_the_step() -> None:
    again = candidate(weight=50, step=1, asked=True)
    paused = advanced(judged(look(status(candidate=again), steps({"weight": 50}), ready=4), PASSING))
    assert paused.status.candidate is not None
    assert paused.status.candidate.stage is Stage.PAUSED
    onward = advanced(judged(look(status(candidate=AT_HALF.but(forced=True)), LOWER, ready=4), PASSING))
    assert onward.status.candidate is not None
    assert (onward.status.candidate.weight, onward.status.candidate.asked) == (100, False)


def test_a_limit_that_both_arms_break_holds_and_looks_at_a_new_window() -> None:
    here = candidate()
    both = Verdict(candidate=FAILING, stable=STABLE_FAILING)
    seen_now = look(status(candidate=here))
    first = advanced(judged(seen_now, both, watched=10))
    assert ended(first) == (here, "StableUnhealthy", ["StableUnhealthy"])
    again = replace(seen_now, rollout=replace(seen_now.rollout, status=first.status))
    assert ended(advanced(judged(again, both, watched=50))) == (
        here.but(since=NOW, round=2),
        "StableUnhealthy",
        [],
    )


def test_nothing_passes_before_one_window_without_a_finding_after_both_arms_were_bad() -> None:
    held = Hold(reason="StableUnhealthy", message="both break errorRate", since=later(-60))
    here = look(status(candidate=candidate(), hold=held))
    assert ended(advanced(judged(here, PASSING, watched=49)))[1:] == ("StableUnhealthy", [])
    assert ended(advanced(judged(here, PASSING, watched=50)))[1:] == ("", ["StepPassed", "StepPassedThrough"])


def test_restarts_of_the_step_before_are_not_counted_in_the_next() -> None:
    known = status(candidate=candidate())
    world = seen(arm(1, 4), arm(2, 1, against=1, restarts=1), selector=shared())
    moved = advanced(judged(turn(known, world), ENOUGH))
    assert moved.status.candidate == candidate(**BEGUN, weight=50, step=2, restarts={"v2-1": 1})
