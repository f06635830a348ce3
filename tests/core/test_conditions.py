"""Phases and conditions: what people and machines read of each situation a rollout can be in."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from core.values import (
    FOREIGN,
    NOW,
    PASSING,
    STABLE_FAILING,
    alone,
    arm,
    candidate,
    decided,
    deployment,
    entry,
    foreign,
    judged,
    later,
    pod,
    reasons,
    revision,
    seen,
    settled,
    shared,
    status,
    turn,
)
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.status import (
    Condition,
    ConditionStatus,
    Fault,
    Hold,
    ModelRolloutStatus,
    Outcome,
    Phase,
    Retreat,
    Routing,
    Stage,
)
from modelrollout.core.decision import Decision, EnsureService, Note, Route, Scale
from modelrollout.core.facts import PodTrouble, ServiceSeen, Traffic
from modelrollout.core.holds import WARNED_OF
from modelrollout.core.outlook import look
from modelrollout.core.turn import Turn
from modelrollout.judge.verdicts import Verdict

TWO = arm(2, 1, against=1)
WHOLE: dict[str, Any] = {"weight": 100, "step": 3, "routing": Routing.CANDIDATE}
REJECTED = [entry(1), entry(2, Outcome.REJECTED, reason="ErrorRate", message="31 of 40 requests failed")]
ABORTED = [entry(1), entry(2, Outcome.ABORTED, reason="Aborted", message="aborted by a person")]
RETREAT = Retreat(revision="v1", version="1.0.0", since=NOW, reason="ErrorRate", message="29 of 40 requests failed")
FAULT = Fault(metric="ErrorRate", left="2.0.0 (v2): bad", not_in_model=True, round=2, message="both models fail")
FRESH = ModelRolloutStatus()
BEGUN = candidate(strategy="first", routing=Routing.CANDIDATE, weight=100, routed=False)
CRASHED = pod(2, ready=False, restarts=2, trouble=PodTrouble.CRASHED)


def invalid(known: ModelRolloutStatus) -> Decision:
    """What is decided about a spec that cannot be followed."""
    before = turn(known, seen(arm(1, 4)))
    return decided(replace(before, rollout=replace(before.rollout, spec=None, invalid="spec.replicas: -1 is below 0")))


def in_step(wishes: dict[str, Any] | None = None, /, **fields: Any) -> Turn:
    """A rollout in its first step, with the evidence of 3 requests."""
    known = status(**{"candidate": candidate()} | fields)
    return judged(
        turn(known, seen(arm(1, 4), TWO, selector=shared()), wishes), Verdict(requests=3, summary="0 of 3 failed")
    )


def whole(stage: Stage) -> Turn:
    """A rollout whose candidate has every request."""
    known = status(candidate=candidate(**WHOLE, stage=stage))
    return judged(turn(known, seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2))), PASSING, watched=10)


NOT_READY = "Ready=False Reconciling=True Stalled=False"
STALLED = "Ready=False Reconciling=False Stalled=True"
DONE = "Ready=True Reconciling=False Stalled=False"
UP, DOWN = " Available=True", " Available=False"
BAD = " StableUnhealthy=True"

SITUATIONS: dict[str, tuple[Callable[[], Decision], Phase, str, str]] = {
    "fresh": (
        lambda: decided(turn(FRESH, seen(service=None))),
        Phase.PENDING,
        "Progressing",
        NOT_READY + DOWN,
    ),
    "the first model crashes": (
        lambda: decided(
            turn(
                FRESH.but(observed_generation=3, candidate=BEGUN, current=revision(2)),
                seen((deployment(2, 4), (CRASHED,)), selector=alone(2)),
            )
        ),
        Phase.PENDING,
        "Crashed",
        STALLED + DOWN,
    ),
    "in a step": (lambda: decided(in_step()), Phase.PROGRESSING, "Progressing", NOT_READY + UP),
    "paused": (lambda: decided(in_step({"paused": True})), Phase.PAUSED, "Paused", NOT_READY + UP),
    "without a decision": (
        lambda: decided(in_step(candidate=candidate(since=later(-3600)))),
        Phase.HOLDING,
        "Inconclusive",
        NOT_READY + UP + " Inconclusive=True",
    ),
    "baking": (lambda: decided(whole(Stage.BAKING)), Phase.BAKING, "Progressing", NOT_READY + UP),
    "draining": (lambda: decided(whole(Stage.DRAINING)), Phase.PROMOTING, "Progressing", NOT_READY + UP),
    "promoted": (
        lambda: decided(turn(settled(2), seen(arm(2, 4, against=1), selector=alone(2)))),
        Phase.STABLE,
        "Stable",
        DONE + UP,
    ),
    "stable lost a pod": (
        lambda: decided(turn(settled(2), seen((deployment(2, 4), arm(2, 3)[1]), selector=alone(2)))),
        Phase.STABLE,
        "Progressing",
        NOT_READY + DOWN,
    ),
    "the Service is elsewhere": (
        lambda: decided(turn(settled(2), seen(arm(2, 4), selector=alone(1)))),
        Phase.STABLE,
        "Progressing",
        NOT_READY + DOWN,
    ),
    "rolling back": (
        lambda: decided(turn(status(history=REJECTED), seen(arm(1, 4), TWO, selector=shared()))),
        Phase.ROLLING_BACK,
        "ErrorRate",
        NOT_READY + UP,
    ),
    "rolled back": (
        lambda: decided(turn(status(history=REJECTED), seen(arm(1, 4)))),
        Phase.ROLLED_BACK,
        "ErrorRate",
        STALLED + UP,
    ),
    "aborted": (
        lambda: decided(turn(status(history=ABORTED), seen(arm(1, 4)))),
        Phase.ROLLED_BACK,
        "Aborted",
        STALLED + UP,
    ),
    "going back": (
        lambda: decided(turn(settled(2, retreat=RETREAT), seen(arm(2, 4), arm(1, 0), selector=alone(2)))),
        Phase.GOING_BACK,
        "ErrorRate",
        NOT_READY + UP + BAD,
    ),
    "no way back": (
        lambda: decided(judged(turn(settled(1), seen(arm(1, 4))), Verdict(stable=STABLE_FAILING))),
        Phase.HOLDING,
        "NoWayBack",
        STALLED + UP + BAD,
    ),
    "cooling down": (
        lambda: decided(
            judged(
                turn(settled(2, cooldown_until=later(30)), seen(arm(2, 4), arm(1, 4), selector=alone(2))),
                Verdict(stable=STABLE_FAILING),
            )
        ),
        Phase.HOLDING,
        "CoolingDown",
        NOT_READY + UP + BAD,
    ),
    "the fault is not in the model": (
        lambda: decided(turn(settled(2, fault=FAULT), seen(arm(2, 4), selector=alone(2)))),
        Phase.HOLDING,
        "FaultNotInModel",
        STALLED + UP + BAD + " FaultNotInModel=True",
    ),
    "asleep": (lambda: decided(turn(settled(2), seen(), {"replicas": 0})), Phase.ASLEEP, "Asleep", DONE + UP),
    "invalid": (lambda: invalid(settled(1)), Phase.INVALID, "InvalidSpec", STALLED),
    "a name is taken": (
        lambda: decided(turn(settled(1), seen(arm(1, 4), taken=(foreign("Service", "churn"),)))),
        Phase.HOLDING,
        "NameTaken",
        STALLED + UP + " NameTaken=True",
    ),
    "a write is refused": (
        lambda: decided(turn(settled(1), seen(arm(1, 4), refused="422 Deployment.apps churn-x is invalid"))),
        Phase.HOLDING,
        "WriteRefused",
        STALLED + UP,
    ),
}


def flags(known: ModelRolloutStatus) -> str:
    """Types and statuses as one line, without the standing remark that there is only one version."""
    return " ".join(f"{one.type}={one.status}" for one in known.conditions if one.type != "NoWayBack")


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_reads_as(name: str) -> None:
    decide, phase, reason, expected = SITUATIONS[name]
    known = decide().status
    assert (known.phase, known.conditions[0].reason, flags(known)) == (phase, reason, expected)
    assert {one.observed_generation for one in known.conditions} == {3}
    assert known.observed_generation == 3
    assert known.message


def test_the_situations_above_show_every_phase() -> None:
    assert {phase for _, phase, _, _ in SITUATIONS.values()} == set(Phase)


HOLDS = sorted(WARNED_OF | {"Paused", "Asleep", "Progressing", "NoWayBack", "CoolingDown", "Crashed"})
MAYBE_HOLD = st.none() | st.sampled_from(HOLDS).map(lambda one: Hold(reason=one, message="so it is", since=NOW))


@st.composite
def situations(draw: st.DrawFn) -> Turn:
    """Any combination of what a status can hold and what can be seen."""
    outcomes = st.lists(st.sampled_from(Outcome), min_size=2, max_size=2)
    known = status(
        stable=draw(st.sampled_from([revision(1), revision(2), None])),
        candidate=draw(st.none() | st.sampled_from(Stage).map(lambda stage: candidate(stage=stage))),
        retreat=draw(st.sampled_from([None, RETREAT])),
        fault=draw(st.sampled_from([None, FAULT, FAULT.but(not_in_model=False)])),
        history=[entry(number, outcome) for number, outcome in enumerate(draw(outcomes), 1)],
        hold=draw(MAYBE_HOLD),
    )
    world = seen(
        arm(1, draw(st.integers(0, 4))),
        arm(2, draw(st.integers(0, 4)), against=1),
        selector=draw(st.sampled_from([alone(1), shared(), alone(2)])),
        taken=draw(st.sampled_from([(), *((foreign(*one),) for one in FOREIGN)])),
    )
    return turn(known, world, {"replicas": draw(st.sampled_from([0, 4]))})


@given(situations())
def test_exactly_one_of_ready_reconciling_and_stalled_is_true_whatever_is_the_case(situation: Turn) -> None:
    outlook = look(situation, situation.rollout.status)
    assert not (outlook.done and outlook.stalled)
    shown = decided(situation).status.conditions
    true = [one.type for one in shown if one.status is ConditionStatus.TRUE]
    assert len({"Ready", "Reconciling", "Stalled"} & set(true)) == 1
    assert len({one.type for one in shown}) == len(shown)


def times(known: ModelRolloutStatus) -> dict[str, float]:
    """Seconds from now to when each condition last flipped."""
    return {one.type: (one.last_transition_time - NOW).total_seconds() for one in known.conditions}


def test_the_time_of_a_condition_moves_only_when_its_status_flips() -> None:
    step = in_step()
    first = decided(step).status
    assert set(times(first).values()) == {0}
    known = first.but(candidate=candidate(since=later(-3600)))
    held = decided(replace(step, rollout=replace(step.rollout, status=known), now=later(30))).status
    assert times(held) == {
        "Ready": 0,
        "Reconciling": 0,
        "Stalled": 0,
        "Available": 0,
        "Inconclusive": 30,
        "NoWayBack": 0,
    }
    stable = settled(2, conditions=held.conditions)
    done = decided(turn(stable, seen(arm(2, 4, against=1), selector=alone(2)), now=later(60))).status
    assert times(done) == {"Ready": 60, "Reconciling": 60, "Stalled": 0, "Available": 0}


def test_an_invalid_spec_is_told_once_and_leaves_everything_as_it_is() -> None:
    known = settled(1, conditions=[_available()])
    first = invalid(known)
    assert first.notes == (Note("InvalidSpec", "spec.replicas: -1 is below 0", warning=True),)
    assert (first.actions, first.watch, first.status.stable) == ((), None, revision(1))
    assert flags(first.status) == STALLED + UP
    again = invalid(first.status)
    assert (again.notes, again.status) == ((), first.status)


def _available() -> Condition:
    return Condition(
        type="Available",
        status=ConditionStatus.TRUE,
        reason="PodsReady",
        message="1.0.0 (v1): 4 of 4 pods ready",
        observed_generation=2,
        last_transition_time=later(-500),
    )


def test_a_status_shows_step_weights_and_the_scale_subresource() -> None:
    step = in_step(candidate=candidate(weight=25, step=1))
    step = replace(step, seen=replace(step.seen, traffic=Traffic(candidate=500, stable=500, lately=(18, 102))))
    shown = decided(step).status
    assert (shown.step, shown.replicas, shown.selector) == (
        "2/4",
        5,
        "group.modelrollout.dev/v1=true,modelrollout.dev/name=churn",
    )
    assert shown.weights is not None
    assert (shown.weights.asked, shown.weights.pods, shown.weights.served) == (25, 20, 15.0)


def test_without_requests_of_late_no_share_is_shown() -> None:
    step = in_step(candidate=candidate(weight=25, step=1))
    shown = decided(replace(step, seen=replace(step.seen, traffic=Traffic(candidate=500, stable=500)))).status

    assert shown.weights is not None
    assert shown.weights.served is None


@pytest.mark.parametrize(
    ("begun", "seconds"), [(-20, 3), (-60, 10)], ids=["every 3 s in a step's first minute", "every 10 s later"]
)
def test_numbers_alone_are_not_written_at_every_look(begun: float, seconds: float) -> None:
    step = in_step(candidate=candidate(step_since=later(begun)))
    first = decided(step).status
    assert decided(_after(step, first, seconds - 1, "0 of 4 failed")).status is first
    shown = decided(_after(step, first, seconds, "0 of 4 failed")).status
    assert (shown.verdict, first.verdict) == ("0 of 4 failed", "0 of 3 failed")
    assert decided(_after(step, shown, 2 * seconds - 1, "0 of 9 failed")).status is shown
    assert decided(_after(step, shown, 2 * seconds, "0 of 9 failed")).status.verdict == "0 of 9 failed"


def test_numbers_that_are_written_again_leave_the_evidence_as_it_was_written() -> None:
    step = in_step()
    first = decided(step).status
    shown = decided(_after(step, first, 3, "0 of 4 failed")).status
    assert first.checkpoint is not None
    assert shown.checkpoint == first.checkpoint.but(shown=later(3))


def test_other_words_in_the_message_are_written_at_once() -> None:
    step = in_step()
    first = decided(step).status
    doubted = Verdict(requests=4, summary="1 of 4 failed", doubt="1 of 4 requests failed, more than 5 %")
    again = replace(step, rollout=replace(step.rollout, status=first), now=later(1))
    assert "1 of 4 requests failed, more than 5 %" in decided(judged(again, doubted)).status.message


@pytest.mark.parametrize(
    ("stage", "evidence", "seconds", "written"),
    [
        pytest.param(Stage.JUDGING, "more", 29, False, id="evidence waits for 30 s"),
        pytest.param(Stage.JUDGING, "more", 30, True, id="then it is written"),
        pytest.param(Stage.JUDGING, "", 90, False, id="nothing that a restart would lose"),
        pytest.param(Stage.BAKING, "", 29, False, id="watched time waits for 30 s"),
        pytest.param(Stage.BAKING, "", 30, True, id="the time that a bake was watched counts"),
    ],
)
def test_progress_is_checkpointed_every_30_seconds(
    *, stage: Stage, evidence: str, seconds: float, written: bool
) -> None:
    verdict = Verdict(requests=3, summary="0 of 3 failed")
    here = WHOLE if stage is Stage.BAKING else {}
    world = seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2) if here else shared())
    look = turn(status(candidate=candidate(**here, stage=stage)), world)
    first = decided(judged(look, verdict, watched=1)).status
    again = replace(look, rollout=replace(look.rollout, status=first), now=later(seconds))
    again = judged(again, verdict, watched=1 + seconds)
    enough = Traffic(candidate=200, stable=800)
    shown = decided(replace(again, seen=replace(again.seen, packed=evidence, traffic=enough))).status
    assert (shown is not first) is written
    assert shown.checkpoint is not None
    assert shown.checkpoint.watched.total_seconds() == (1 + seconds if written else 1)


def _after(step: Turn, known: ModelRolloutStatus, seconds: float, summary: str) -> Turn:
    """A later look that saw other numbers and more evidence, and nothing else."""
    rollout = replace(step.rollout, status=known)
    later_look = judged(replace(step, rollout=rollout, now=later(seconds)), Verdict(requests=4, summary=summary))
    return replace(later_look, seen=replace(later_look.seen, packed="more"))


def test_a_rollout_that_is_somebody_elses_by_name_makes_no_move() -> None:
    service = ServiceSeen(shared(), owned=False)
    taken = seen(arm(1, 4), TWO, service=service, taken=(foreign("Service", "churn"),))
    decision = decided(judged(turn(status(candidate=candidate()), taken), PASSING))
    assert decision.status.candidate == candidate()
    assert not [one for one in decision.actions if isinstance(one, Route | EnsureService | Scale)]
    assert reasons(decision.notes) == ["NameTaken"]


def test_what_drifted_is_a_condition_with_an_event_until_it_is_put_back() -> None:
    one, pods = arm(1, 4)
    edited = replace(one, drifted="has image other:2 in place of modelserver:1")
    world = seen((edited, pods), service=ServiceSeen(alone(1), drifted="has targetPort 9999 in place of 8080"))
    first = decided(turn(settled(1), world))
    found = {one.type: (one.reason, one.message) for one in first.status.conditions}
    message = (
        "the Service has targetPort 9999 in place of 8080; churn-v1 has image other:2 in place of modelserver:1; "
        "it is put back"
    )
    assert found["Drifted"] == ("PutBack", message)
    assert Note("Drifted", message, warning=True) in first.notes
    again = decided(turn(first.status, world))
    assert "Drifted" not in [note.reason for note in again.notes]
    over = decided(turn(again.status, seen(arm(1, 4)))).status
    assert "Drifted" not in {one.type for one in over.conditions}
    fight = decided(turn(settled(1), seen(arm(1, 4), fights=("Deployment churn-v1: replicas does not stay",)))).status
    assert [one.reason for one in fight.conditions if one.type == "Drifted"] == ["DoesNotStay"]
