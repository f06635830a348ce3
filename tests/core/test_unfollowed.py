"""A spec that cannot be followed in the middle of things: nothing goes on, and what is bad still goes back."""

from dataclasses import replace
from typing import Any

import pytest
from core.steps import WHOLE
from core.values import (
    FAILING,
    NOW,
    PASSING,
    STABLE_FAILING,
    alone,
    arm,
    candidate,
    changing,
    decided,
    entry,
    judged,
    later,
    reasons,
    revision,
    seen,
    settled,
    shared,
    status,
    turn,
)

from modelrollout import names
from modelrollout.api.status import Hold, ModelRolloutStatus, Outcome, Phase, Previous, Stage
from modelrollout.core.decision import Note
from modelrollout.core.facts import Seen, Traffic
from modelrollout.core.turn import Turn
from modelrollout.judge.verdicts import Verdict

WHY = "spec.bake: not a duration (found 'soon')"
TOLD = Note("InvalidSpec", WHY, warning=True)
SHARED = seen(arm(1, 4), arm(2, 4, against=1), selector=shared())


def broken(known: ModelRolloutStatus, world: Seen = SHARED, wishes: dict[str, Any] | None = None, **facts: Any) -> Turn:
    """A look at a spec with an error in it; `wishes` is what else stands there."""
    return turn(known, world, wishes, invalid=WHY, **facts)


def test_a_bad_candidate_goes_back_although_the_spec_is_invalid() -> None:
    known = status(candidate=candidate(weight=50))
    decision = decided(judged(broken(known), Verdict(candidate=FAILING)))
    assert decision.status.candidate is None
    assert decision.status.history[-1].outcome is Outcome.REJECTED
    assert changing(decision.actions) == ["route to name=churn,revision=v1", "scale v2 to 0"]
    assert (decision.urgent, reasons(decision.notes)) == (True, ["InvalidSpec", "RolledBack"])
    assert (decision.status.phase, decision.status.message) == (
        Phase.INVALID,
        f"{WHY}; 2.0.0 (v2) was rejected, 1.0.0 (v1) serves: 31 of 40 requests failed (limit 5 %)",
    )


def test_a_good_candidate_stays_where_it_is_and_is_still_watched() -> None:
    known = status(candidate=candidate(weight=50))
    decision = decided(judged(broken(known, wishes={"replicas": 9, "model": {"uri": "file:///3"}}), PASSING))
    held = Hold(reason="Paused", message="waits until the spec can be followed", since=NOW)
    assert (decision.status.candidate, decision.status.current) == (known.candidate, known.current)
    assert (decision.status.hold, decision.status.size, decision.actions) == (held, 4, ())
    assert decision.watch is not None
    assert decision.watch.candidate == "v2"
    assert decision.notes == (TOLD,)
    assert decision.status.message == (
        f"{WHY}; meanwhile 2.0.0 (v2) stays at weight 50 and goes back to 1.0.0 (v1) if it turns bad"
    )
    again = decided(judged(broken(decision.status), PASSING))
    assert (again.notes, again.status) == ((), decision.status)


def test_once_it_is_corrected_the_time_does_not_count_towards_the_deadlines() -> None:
    held = Hold(reason="Paused", message="waits until the spec can be followed", since=later(-600))
    here = candidate(since=later(-610), step_since=later(-620))
    decision = decided(judged(turn(status(candidate=here, hold=held), SHARED), Verdict(requests=3)))
    assert decision.status.candidate == here.but(since=later(-10), step_since=later(-20))


def test_a_promotion_that_has_begun_is_finished() -> None:
    known = status(candidate=candidate(**WHOLE, stage=Stage.DRAINING, since=later(-90)))
    world = seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2), traffic=Traffic(outside_last=3))
    decision = decided(broken(known, world))
    assert decision.status.stable == revision(2)
    assert [str(one) for one in decision.actions] == ["protect name=churn,revision=v2"]


def test_a_rollback_that_has_begun_is_finished() -> None:
    known = status(history=[entry(1), entry(2, Outcome.REJECTED)])
    decision = decided(broken(known, seen(arm(1, 4), arm(2, 4, against=1), selector=shared())))
    assert changing(decision.actions) == ["route to name=churn,revision=v1", "scale v2 to 0"]


def test_stable_is_still_watched_and_goes_back() -> None:
    world = seen(arm(2, 4, against=1), arm(1, 4), selector=alone(2))
    known = settled(2, previous=Previous(revision="v1", version="1.0.0", until=later(500)))
    decision = decided(judged(broken(known, world), Verdict(stable=STABLE_FAILING)))
    assert (decision.status.stable, decision.urgent) == (revision(1), True)
    assert str(decision.actions[0]) == "route to name=churn,revision=v1"


def test_a_new_model_beside_the_error_is_not_started() -> None:
    decision = decided(broken(settled(1), seen(arm(1, 4)), model={"uri": "file:///2"}))
    assert (decision.status.candidate, decision.status.current) == (None, revision(1))
    assert (decision.status.message, changing(decision.actions)) == (WHY, [])


@pytest.mark.parametrize(
    ("verb", "outcome", "stays"), [("abort", "Done", False), ("promote", "Refused", True), ("pause", "Refused", True)]
)
def test_people_may_take_back_and_nothing_else(verb: str, outcome: str, stays: bool) -> None:  # noqa: FBT001
    known = status(candidate=candidate(weight=50))
    decision = decided(broken(known, annotations={names.COMMAND_ANNOTATION: f"{verb} v2 c1"}))
    assert decision.status.last_command is not None
    assert (decision.status.last_command.outcome, decision.status.candidate is not None) == (outcome, stays)


def test_before_anything_is_stable_nothing_happens_at_all() -> None:
    known = status(stable=None, history=[], candidate=candidate(strategy="first"))
    decision = decided(broken(known))
    assert (decision.actions, decision.watch, decision.status.candidate) == ((), None, known.candidate)


def test_a_selector_found_on_stable_alone_is_not_opened_again() -> None:
    known = status(candidate=candidate(weight=50))
    decision = decided(broken(known, replace(SHARED, service=seen(selector=alone(1)).service)))
    assert decision.status.candidate is not None
    assert (decision.status.candidate.stage, decision.actions) == (Stage.STARTING, ())
