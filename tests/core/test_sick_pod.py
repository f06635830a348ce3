"""One pod of a candidate fails and the others do not: it is replaced once before anything is rolled back."""

from dataclasses import replace
from typing import Any

import pytest
from core.steps import advanced, ended
from core.values import (
    arm,
    candidate,
    changing,
    decided,
    deployment,
    judged,
    pod,
    revision,
    seen,
    shared,
    status,
    turn,
)

from modelrollout.api.status import Candidate, ConditionStatus, Replaced, Stage
from modelrollout.core import epochs
from modelrollout.core.candidate import start
from modelrollout.core.decision import Note, ReplacePod
from modelrollout.core.effects import effects
from modelrollout.core.turn import Turn
from modelrollout.judge.verdicts import Finding, Suspect, Verdict

NUMBERS = "churn-v2-1 failed 31 of 60 requests, the other 3 none of 180"
BAD = Finding("errorRatio", "31 of 240 requests failed, stable failed 0 of 240", 9.0, "churn-v2-1")
SICK = Verdict(candidate=replace(BAD, suspect=Suspect("churn-v2-1", NUMBERS)))
REPLACED = Replaced(pod="churn-v2-1", uid="v2-1", message=NUMBERS)
HALF: dict[str, Any] = {"weight": 50, "step": 2}


def look(verdict: Verdict = SICK, ready: int = 4, wishes: dict[str, Any] | None = None, **fields: Any) -> Turn:
    known = status(candidate=candidate(**HALF | fields))
    world = seen(arm(1, 4), arm(2, ready, against=1), selector=shared())
    return judged(turn(known, world, wishes), verdict)


def here(of: Turn) -> Candidate:
    assert of.rollout.status.candidate is not None
    return of.rollout.status.candidate


def test_the_pod_is_replaced_and_the_evidence_begins_anew() -> None:
    asked = look()

    moved = advanced(asked)

    begun = here(asked).but(since=asked.now, round=2, replaced=REPLACED)
    assert (moved.status.candidate, moved.status.hold) == (begun, None)
    assert moved.notes == (
        Note(
            "PodReplaced",
            f"{NUMBERS}: the pod is replaced once and evidence begins anew; "
            "if it comes back the rollout is rolled back",
            warning=True,
        ),
    )


def test_the_status_comes_first_and_the_pod_goes_in_the_same_turn() -> None:
    decision = decided(look())

    assert decision.actions[-1] == ReplacePod("churn-v2-1", "v2-1")
    assert changing(decision.actions) == ["replace churn-v2-1"]
    assert not decision.urgent
    condition = next(one for one in decision.status.conditions if one.type == "PodReplaced")
    assert (condition.status, condition.message.startswith(NUMBERS)) == (ConditionStatus.TRUE, True)


def test_a_deletion_that_was_lost_is_derived_again_until_that_very_pod_goes() -> None:
    known = status(candidate=candidate(**HALF, replaced=REPLACED, round=2))
    world = seen(arm(1, 4), arm(2, 4, against=1), selector=shared())
    anew = replace(world, pods=tuple(replace(one, uid="new") if one.uid == "v2-1" else one for one in world.pods))

    assert changing(effects(turn(known, world), known)) == ["replace churn-v2-1"]
    assert changing(effects(turn(known, anew), known)) == []


@pytest.mark.parametrize("stage", [Stage.JUDGING, Stage.PAUSED])
def test_the_step_is_judged_anew(stage: Stage) -> None:
    moved = advanced(look(stage=stage))

    assert moved.status.candidate is not None
    assert (moved.status.candidate.stage, moved.status.candidate.weight) == (Stage.JUDGING, 50)


def test_a_step_that_waits_for_its_pods_goes_on_waiting() -> None:
    moved = advanced(look(stage=Stage.STARTING))

    assert moved.status.candidate is not None
    assert moved.status.candidate.stage is Stage.STARTING


@pytest.mark.parametrize(
    ("verdict", "fields"),
    [
        pytest.param(Verdict(candidate=BAD), {}, id="the evidence is on several pods"),
        pytest.param(SICK, {"ready": 1}, id="it is the only pod"),
        pytest.param(SICK, {"forced": True}, id="a person promotes it anyway"),
        pytest.param(Verdict(candidate=replace(BAD, suspect=Suspect("churn-v2-9", NUMBERS))), {}, id="the pod is gone"),
    ],
)
def test_otherwise_it_is_taken_back_at_once(verdict: Verdict, fields: dict[str, Any]) -> None:
    moved = advanced(look(verdict, **fields))

    assert ended(moved) == (None, "", ["RolledBack"])


def test_once_in_a_rollout() -> None:
    moved = advanced(look(replaced=REPLACED.but(pod="churn-v2-0", uid="v2-0")))

    assert ended(moved) == (None, "", ["RolledBack"])
    assert moved.notes[0].message.endswith("; p = 0.00012; churn-v2-0 was replaced before")


def test_a_pod_that_the_requests_cannot_spare_is_not_replaced() -> None:
    known = status(candidate=candidate(**HALF))
    others = (deployment(1, 4), tuple(pod(1, index, ready=index < 2) for index in range(4)))
    world = seen(others, arm(2, 2, against=1), selector=shared())

    assert ended(advanced(judged(turn(known, world), SICK))) == (None, "", ["RolledBack"])


def test_under_a_spec_that_cannot_be_followed_no_pod_is_started() -> None:
    asked = look()
    broken = replace(asked, rollout=replace(asked.rollout, invalid="spec.strategy names none"))

    decision = decided(broken)

    assert decision.status.candidate is None
    assert "RolledBack" in [note.reason for note in decision.notes]


def test_evidence_of_the_pods_before_is_no_evidence_of_those_after() -> None:
    before, after = look(), look(replaced=REPLACED, round=2)
    first, second = (epochs.of_candidate(one, here(one)) for one in (before, after))
    later_step = epochs.of_candidate(after, here(after).but(weight=100))

    assert not epochs.is_onward(first, second)
    assert epochs.is_onward(second, later_step)
    assert epochs.terms_of(first) == epochs.terms_of(second)


@pytest.mark.parametrize(("number", "kept"), [(2, REPLACED), (3, None)], ids=["the same model", "another one"])
def test_another_strategy_does_not_bring_a_second_replacement(number: int, kept: Replaced | None) -> None:
    known = status(current=revision(number), candidate=candidate(**HALF, replaced=REPLACED))

    moved = start(turn(known, seen(arm(1, 4), arm(2, 4, against=1))), known)

    assert moved.status.candidate is not None
    assert moved.status.candidate.replaced == kept
