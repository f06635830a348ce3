"""The way back after promotion: one step along the chain, never forward, never twice for one fault."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from core.values import (
    NOW,
    PASSING,
    STABLE_FAILING,
    alone,
    arm,
    changing,
    decided,
    deployment,
    entry,
    judged,
    later,
    pod,
    reasons,
    revision,
    seen,
    settled,
    source,
    turn,
)

from modelrollout.api.status import Fault, HistoryEntry, Hold, ModelRolloutStatus, Outcome, Phase, Retreat
from modelrollout.core.decision import Decision, Note
from modelrollout.core.facts import PodTrouble, Seen
from modelrollout.core.turn import Turn
from modelrollout.core.wayback import healthy_below
from modelrollout.judge.verdicts import Verdict

BAD = Verdict(stable=STABLE_FAILING, summary="29 of 40 failed")
SAID = STABLE_FAILING.message
DOWN: dict[str, Any] = {"ready": False, "restarts": 2, "trouble": PodTrouble.CRASHED, "words": "exit 1"}
THREE_WARM = seen(arm(3, 4, against=2), arm(2, 4, against=1), arm(1, 4), selector=alone(3))
ONLY_THREE = seen(
    arm(3, 4, against=2), arm(2, 0, against=1), selector=alone(3), sources=(source(1), source(2), source(3))
)


def verdict_of(look: Turn, verdict: Verdict = BAD, watched: float = 60) -> Decision:
    return decided(judged(look, verdict, watched))


def followed(before: Turn, known: ModelRolloutStatus, seconds: float = 5) -> Turn:
    """The next look at the same world: the status was written, and time went by."""
    now = before.now + timedelta(seconds=seconds)
    return replace(before, rollout=replace(before.rollout, status=known), now=now)


def marked(number: int, **fields: Any) -> HistoryEntry:
    return entry(number, Outcome.UNHEALTHY, **{"reason": "ErrorRate", "message": SAID, "time": NOW} | fields)


@pytest.mark.parametrize(
    ("stable", "history", "expected"),
    [
        pytest.param(3, [entry(1), entry(2), entry(3)], "v2", id="one step back"),
        pytest.param(2, [entry(1), entry(2), marked(3)], "v1", id="on along the chain"),
        pytest.param(2, [entry(1), entry(2), entry(3)], "v1", id="never forward to a healthy one"),
        pytest.param(1, [entry(1), entry(2), entry(3)], None, id="nothing is below the first"),
        pytest.param(3, [entry(1), marked(2), entry(3)], "v1", id="never to one marked bad"),
        pytest.param(3, [entry(1), entry(2, Outcome.ABORTED), entry(3)], "v1", id="never to one taken back"),
        pytest.param(3, [entry(2, Outcome.REJECTED), entry(3)], None, id="never to one that never served"),
        pytest.param(3, [entry(2, Outcome.SUPERSEDED), entry(3)], None, id="never to one that gave way"),
        pytest.param(1, [entry(2), entry(1, promoted=later(-60))], "v2", id="a revert puts the first above the second"),
        pytest.param(3, [entry(1), entry(2)], None, id="stable itself is not known"),
    ],
)
def test_the_way_back_is_the_newest_healthy_revision_promoted_before_stable(
    stable: int, history: list[HistoryEntry], expected: str | None
) -> None:
    below = healthy_below(settled(stable, history=history))
    assert (below.revision if below is not None else None) == expected


def test_an_unhealthy_stable_is_marked_and_a_warm_one_below_serves_at_once() -> None:
    decision = verdict_of(turn(settled(3), THREE_WARM))
    status = decision.status
    assert (status.stable, status.stable_since, status.watched_until) == (revision(2), NOW, None)
    assert status.fault == Fault(metric="ErrorRate", left=f"3.0.0 (v3): {SAID}")
    assert status.cooldown_until == later(120)
    assert status.history == [entry(1), entry(2), marked(3)]
    assert decision.notes == (
        Note("Unhealthy", f"3.0.0 (v3): {SAID}", warning=True),
        Note("WentBack", f"traffic goes back from 3.0.0 (v3) to 2.0.0 (v2): {SAID}", warning=True),
    )
    assert str(decision.actions[0]) == "route to name=churn,revision=v2"
    assert decision.urgent


def test_after_a_healthy_window_the_next_fault_goes_on_down_the_chain() -> None:
    look = turn(settled(3), THREE_WARM)
    told, stables = [], []
    for verdict in (BAD, PASSING, BAD, PASSING, BAD, PASSING, BAD):
        decision = verdict_of(look, verdict)
        told += reasons(decision.notes)
        stables.append(decision.status.stable)
        look = followed(look, decision.status, seconds=300)
    assert stables == [revision(2), revision(2), *[revision(1)] * 5]
    assert told == ["Unhealthy", "WentBack", "Unhealthy", "WentBack", "NoWayBack", "HealthyAgain", "NoWayBack"]
    assert [one.outcome for one in look.rollout.status.history] == [
        Outcome.PROMOTED,
        Outcome.UNHEALTHY,
        Outcome.UNHEALTHY,
    ]


def test_containers_that_keep_failing_make_stable_unhealthy() -> None:
    broken = deployment(2, 4, against=1), (pod(2, **DOWN),)
    decision = decided(turn(settled(2), seen(broken, arm(1, 4), selector=alone(2))))
    assert decision.status.stable == revision(1)
    assert reasons(decision.notes) == ["Unhealthy", "WentBack"]
    assert decision.status.history[-1].message == ("churn-v2-1 restarted 2 times: Crashed (exit 1); read the pod's log")


def test_a_container_that_ended_after_a_long_run_is_no_loop() -> None:
    known, lasted = settled(2), timedelta(minutes=10)
    for longest, stable in ((lasted, revision(2)), (lasted - timedelta(seconds=1), revision(1))):
        broken = deployment(2, 4, against=1), (pod(2, **DOWN, lasted=longest), *arm(2, 4)[1][1:])
        assert decided(turn(known, seen(broken, arm(1, 4), selector=alone(2)))).status.stable == stable


def test_a_stuck_server_makes_stable_unhealthy_and_the_next_one_stuck_is_not_the_models_fault() -> None:
    stuck = {"waits": timedelta(seconds=12)}
    look = turn(settled(3), seen(arm(3, 4, against=2, **stuck), arm(2, 4, against=1), arm(1, 4), selector=alone(3)))
    first = verdict_of(look, PASSING)
    assert (first.status.stable, reasons(first.notes)) == (revision(2), ["Unhealthy", "WentBack"])
    assert first.status.history[-1].reason == "Unresponsive"
    both = seen(arm(3, 4, against=2), arm(2, 4, against=1, **stuck), arm(1, 4), selector=alone(2))
    then = verdict_of(followed(replace(look, seen=both), first.status), PASSING)
    assert (then.status.stable, reasons(then.notes)) == (revision(2), ["FaultNotInModel"])


@pytest.mark.parametrize(
    ("changes", "world"),
    [({"rollback": {"watch": "60s"}}, {}), ({}, {"epoch": "v3.watch.0"})],
    ids=["the watch is over", "another epoch"],
)
def test_stable_stays_where_nothing_speaks_against_it_now(changes: Mapping[str, Any], world: Mapping[str, Any]) -> None:
    known = settled(3)
    look = judged(turn(known, THREE_WARM, changes), BAD)
    decision = decided(replace(look, seen=replace(look.seen, **world)))
    assert (decision.status.stable, decision.status.history, decision.notes) == (revision(3), known.history, ())


def test_the_cooldown_delays_the_next_move_but_not_the_mark() -> None:
    look = turn(settled(3, cooldown_until=later(30)), THREE_WARM)
    first = verdict_of(look)
    assert first.status.stable == revision(3)
    assert first.status.hold == Hold(
        reason="CoolingDown", message=f"{SAID}; goes back to 2.0.0 (v2) in 30 s, after the cooldown", since=NOW
    )
    assert first.status.history == [entry(1), entry(2), marked(3)]
    assert reasons(first.notes) == ["Unhealthy"]
    second = verdict_of(followed(look, first.status, 29))
    assert (second.status.stable, second.status.hold, second.notes) == (revision(3), first.status.hold, ())
    third = verdict_of(followed(look, second.status, 30), PASSING)
    assert (third.status.stable, reasons(third.notes)) == (revision(2), ["WentBack"])


def test_a_marked_stable_goes_back_after_the_cooldown_although_its_watch_ended_before() -> None:
    look = turn(settled(3, cooldown_until=later(30)), THREE_WARM, {"rollback": {"watch": "70s"}})
    first = verdict_of(look)
    assert first.status.stable == revision(3)
    assert verdict_of(followed(look, first.status, 30), PASSING).status.stable == revision(2)


def test_one_bad_stable_without_a_way_back_is_told_once_and_left_alone() -> None:
    look = turn(settled(1), seen(arm(1, 4)))
    message = f"1.0.0 (v1) is unhealthy and goes on serving, since there is no healthy model to go back to: {SAID}"
    first = verdict_of(look)
    assert first.notes == (Note("NoWayBack", message, warning=True),)
    assert first.status.hold == Hold(reason="NoWayBack", message=message, since=NOW)
    assert first.status.history == [entry(1)]
    assert changing(first.actions) == []
    told, known = _through(look, first.status, [BAD] * 20)
    assert (told, known.stable, known.history) == ([], revision(1), [entry(1)])
    told, known = _through(look, known, [replace(PASSING)] * 3, watched=1000)
    assert (told, known.fault, known.hold) == (["HealthyAgain"], None, None)


def _through(
    look: Turn, known: ModelRolloutStatus, verdicts: Iterable[Verdict], watched: float = 60
) -> tuple[list[str], ModelRolloutStatus]:
    """What is told while looks follow each other with these verdicts, and the status in the end."""
    told: list[str] = []
    for verdict in verdicts:
        look = followed(look, known, 60)
        decision = verdict_of(look, verdict, watched)
        told += reasons(decision.notes)
        known = decision.status
    return told, known


def test_a_fault_that_is_not_the_models_makes_one_move_one_mark_and_one_event() -> None:
    look = turn(settled(3), THREE_WARM)
    first = verdict_of(look)
    told, known = _through(look, first.status, [BAD] * 30)
    assert reasons(first.notes) + told == ["Unhealthy", "WentBack", "FaultNotInModel"]
    assert known.stable == revision(2)
    assert known.history == [entry(1), entry(2), marked(3)]
    assert known.fault is not None
    assert known.fault.message == (
        f"3.0.0 (v3): {SAID}; then 2.0.0 (v2): {SAID}. Both models fail, so the cause is not the model: look at the "
        "data, the feature store and the nodes. Nothing moves until it has been healthy for a while"
    )


def test_after_one_healthy_window_a_fault_that_was_not_the_models_is_over() -> None:
    fault = Fault(metric="ErrorRate", left="3.0.0 (v3): bad", round=2, not_in_model=True, message="both fail")
    known = settled(3, stable=revision(2), fault=fault, history=[entry(1), entry(2), marked(3)])
    look = turn(known, THREE_WARM)
    early, late = verdict_of(look, PASSING, watched=49), verdict_of(look, PASSING, watched=50)
    assert (early.status.fault, early.notes) == (fault, ())
    assert late.status.fault is None
    assert late.notes == (Note("HealthyAgain", "2.0.0 (v2) has been healthy for 50 s"),)


@pytest.mark.parametrize(("round_", "window"), [(1, 50), (2, 50), (3, 100), (4, 200), (5, 400), (9, 400)])
def test_the_window_doubles_while_a_fault_lasts_up_to_eight_times(round_: int, window: float) -> None:
    fault = Fault(metric="ErrorRate", left="bad", round=round_, not_in_model=True, message="both fail")
    look = turn(settled(3, stable=revision(2), fault=fault, history=[entry(1), entry(2), marked(3)]), THREE_WARM)
    assert verdict_of(look, PASSING, watched=window - 1).status.fault == fault
    assert verdict_of(look, PASSING, watched=window).status.fault is None


def test_a_sleeping_target_is_scaled_up_first_while_the_bad_one_serves() -> None:
    look = turn(settled(3), ONLY_THREE)
    first = verdict_of(look)
    message = f"starts 2.0.0 (v2) to go back to it, 3.0.0 (v3) serves until it is ready: {SAID}"
    assert first.status.stable == revision(3)
    assert first.status.retreat == Retreat(revision="v2", version="2.0.0", since=NOW, reason="ErrorRate", message=SAID)
    assert first.notes == (
        Note("Unhealthy", f"3.0.0 (v3): {SAID}", warning=True),
        Note("GoingBack", message, warning=True),
    )
    assert changing(first.actions) == ["scale v2 to 4"]
    waiting = verdict_of(followed(look, first.status))
    assert (waiting.status.stable, waiting.notes) == (revision(3), ())
    fewer = replace(
        look, seen=seen(arm(3, 4, against=2), (deployment(2, 4, against=1), arm(2, 3)[1]), selector=alone(3))
    )
    assert verdict_of(followed(fewer, first.status)).status.stable == revision(3)
    arms = arm(3, 4, against=2), arm(2, 4, against=1)
    ready = replace(look, seen=seen(*arms, selector=alone(3)))
    there = verdict_of(followed(ready, waiting.status))
    assert (there.status.stable, there.status.retreat) == (revision(2), None)
    assert changing(there.actions) == ["route to name=churn,revision=v2", "scale v3 to 0"]


@pytest.mark.parametrize(
    ("world", "since", "message"),
    [
        pytest.param(
            seen(arm(3, 4, against=2), (deployment(2, 4, against=1), (pod(2, **DOWN),)), arm(1, 0), selector=alone(3)),
            0,
            "churn-v2-1 restarted 2 times: Crashed (exit 1); read the pod's log",
            id="its containers keep failing",
        ),
        pytest.param(
            seen(arm(3, 4, against=2), arm(2, 4, against=1, ready=False), arm(1, 0), selector=alone(3)),
            -600,
            "not ready after 10 min (progressDeadline)",
            id="its pods are late",
        ),
    ],
)
def test_a_target_that_cannot_start_is_marked_and_the_next_is_tried(world: Seen, since: float, message: str) -> None:
    retreat = Retreat(revision="v2", version="2.0.0", since=later(since), reason="ErrorRate", message=SAID)
    decision = decided(turn(settled(3, retreat=retreat, history=[entry(1), entry(2), marked(3)]), world))
    assert decision.status.retreat == retreat.but(revision="v1", version="1.0.0", since=NOW)
    assert decision.status.history == [
        entry(1),
        marked(3),
        entry(2, Outcome.UNHEALTHY, reason="CannotStart", message=message, time=NOW),
    ]
    assert decision.notes[0] == Note("CannotStart", f"2.0.0 (v2): {message}", warning=True)
    assert reasons(decision.notes) == ["CannotStart", "GoingBack"]
    assert changing(decision.actions) == ["scale v1 to 4", "scale v2 to 0"]


def test_when_no_target_can_start_stable_stays_and_says_so() -> None:
    retreat = Retreat(revision="v1", version="1.0.0", since=later(-600), reason="ErrorRate", message=SAID)
    known = settled(2, retreat=retreat, history=[entry(1), marked(2)])
    decision = decided(turn(known, seen(arm(2, 4, against=1), arm(1, 4, ready=False), selector=alone(2))))
    assert (decision.status.stable, decision.status.retreat) == (revision(2), None)
    assert reasons(decision.notes) == ["CannotStart", "NoWayBack"]


def test_a_target_that_a_person_marks_is_left_for_the_next() -> None:
    retreat = Retreat(revision="v2", version="2.0.0", since=NOW, reason="ErrorRate", message=SAID)
    known = settled(3, retreat=retreat, history=[entry(1), marked(2), marked(3)])
    decision = decided(turn(known, ONLY_THREE))
    assert decision.status.retreat == retreat.but(revision="v1", version="1.0.0")


def test_a_new_spec_starts_a_rollout_although_stable_is_going_back() -> None:
    retreat = Retreat(revision="v1", version="1.0.0", since=NOW, reason="ErrorRate", message=SAID)
    known = settled(2, current=revision(3), retreat=retreat, history=[entry(1), marked(2)])
    decision = decided(turn(known, seen(arm(2, 4, against=1), arm(1, 4), selector=alone(2))))
    assert decision.status.candidate is not None
    assert (decision.status.candidate.revision, decision.status.retreat) == ("v3", None)


def test_a_model_that_was_left_as_unhealthy_is_not_tried_again_by_itself() -> None:
    known = settled(2, stable=revision(1), history=[entry(1), marked(2)])
    decision = decided(turn(known, seen(arm(1, 4), arm(2, 0, against=1))))
    assert (decision.status.candidate, decision.status.stable, decision.notes) == (None, revision(1), ())


def test_a_target_that_the_cluster_keeps_from_starting_is_waited_for_and_not_marked() -> None:
    retreat = Retreat(revision="v2", version="2.0.0", since=later(-3600), reason="ErrorRate", message=SAID)
    known = settled(3, retreat=retreat, history=[entry(1), entry(2), marked(3)])
    unpulled = pod(2, ready=False, trouble=PodTrouble.CANNOT_PULL, words="503")
    world = seen(arm(3, 4, against=2), (deployment(2, 4, against=1), (unpulled,)), arm(1, 0), selector=alone(3))
    waiting = decided(turn(known, world))
    message = (
        "2.0.0 (v2) cannot start yet, 3.0.0 (v3) serves until it can: churn-v2-1: ImageCannotBePulled (503); check "
        "the image and its pull secret"
    )
    assert (waiting.status.retreat, waiting.status.history) == (retreat, known.history)
    assert waiting.status.hold == Hold(reason="WaitingForCluster", message=message, since=NOW)
    assert reasons(waiting.notes) == ["WaitingForCluster"]
    assert (waiting.status.phase, waiting.status.message) == (Phase.GOING_BACK, message)
    ready = seen(arm(3, 4, against=2), arm(2, 4, against=1), selector=alone(3))
    assert decided(turn(waiting.status, ready)).status.stable == revision(2)


def test_the_time_that_the_cluster_took_is_none_of_the_targets() -> None:
    begun = Retreat(revision="v2", version="2.0.0", since=later(-300), reason="ErrorRate", message=SAID)
    waits = Hold(reason="WaitingForCluster", message="no room", since=later(-100))
    known = settled(3, retreat=begun, hold=waits, history=[entry(1), entry(2), marked(3)])
    loads = seen(arm(3, 4, against=2), (deployment(2, 4, against=1), (pod(2, ready=False),)), selector=alone(3))
    loading = decided(turn(known, loads, now=later(3480))).status
    assert (loading.retreat, loading.hold) == (begun.but(since=later(3280)), None)
    assert loading.history == known.history
