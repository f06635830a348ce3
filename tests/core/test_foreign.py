"""Somebody else's objects under our names: each stops the writes to itself and nothing else.

The table is every object that a rollout writes, in every phase, under every strategy.
"""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from core.values import (
    FOREIGN,
    PASSING,
    STABLE_FAILING,
    alone,
    arm,
    candidate,
    decided,
    entry,
    foreign,
    judged,
    revision,
    seen,
    settled,
    shared,
    status,
    turn,
)

from modelrollout.api.status import ConditionStatus, ModelRolloutStatus, Outcome, Routing, Stage
from modelrollout.core.decision import Action, Decision, Route, Scale
from modelrollout.core.facts import ServiceSeen
from modelrollout.core.foreign import target
from modelrollout.core.turn import Turn
from modelrollout.judge.verdicts import Finding, Verdict

STRATEGIES: dict[str, dict[str, Any]] = {
    "canary": {},
    "constantTotal": {"strategy": {"canary": {"constantTotal": {"surge": 1}}}},
    "blueGreen": {"strategy": {"blueGreen": {}}},
    "rolling": {"strategy": {"rolling": {}}},
}
FAILS = Finding("errorRate", "31 of 40 requests failed (limit 5 %)", pod="churn-v2-1")
WHOLE: dict[str, Any] = {"weight": 100, "routing": Routing.CANDIDATE}
FRESH: dict[str, Any] = {"stable": None, "history": [], "observed_generation": -1}

Phase = tuple[ModelRolloutStatus, dict[str, str], Verdict]
PHASES: dict[str, Phase] = {
    "first": (status(**FRESH, candidate=candidate(strategy="first", **WHOLE)), alone(2), PASSING),
    "starts": (status(candidate=candidate(stage=Stage.STARTING, routing=Routing.STABLE)), alone(1), PASSING),
    "judged": (status(candidate=candidate()), shared(), Verdict(requests=3)),
    "fails": (status(candidate=candidate()), shared(), Verdict(candidate=FAILS)),
    "bakes": (status(candidate=candidate(**WHOLE, stage=Stage.BAKING)), alone(2), PASSING),
    "fails in the bake": (
        status(candidate=candidate(**WHOLE, stage=Stage.BAKING)),
        alone(2),
        Verdict(candidate=FAILS),
    ),
    "rejected": (status(history=[entry(1), entry(2, Outcome.REJECTED)]), shared(), PASSING),
    "settled": (settled(2), alone(2), PASSING),
    "bad after promotion": (settled(2), alone(2), Verdict(stable=STABLE_FAILING)),
}
CASES = list(product(PHASES, STRATEGIES, FOREIGN))


def situation(phase: str, strategy: str, *taken: tuple[str, str]) -> Turn:
    known, selector, verdict = PHASES[phase]
    chosen = strategy if known.candidate is not None and known.stable is not None else ""
    if chosen and known.candidate is not None:
        known = known.but(candidate=known.candidate.but(strategy=strategy))
    service = ServiceSeen(selector, owned=("Service", "churn") not in taken)
    preview = ServiceSeen(alone(2), owned=False) if ("Service", "churn-preview") in taken else None
    deployments = {"v1": arm(1, 4), "v2": arm(2, 4, against=1)}
    for kind, name in taken:
        if kind == "Deployment":
            deployments.pop(name.removeprefix("churn-"))
    world = seen(*deployments.values(), service=service, preview=preview)
    if not taken or taken[0][0] != "Deployment":
        world = replace(
            world, preview=ServiceSeen(alone(2)) if preview is None and strategy == "blueGreen" else preview
        )
    world = replace(world, taken=tuple(foreign(*one) for one in taken))
    return judged(turn(known, world, STRATEGIES[strategy]), verdict)


def named(actions: tuple[Action, ...], *taken: tuple[str, str]) -> list[str]:
    return [str(action) for action in actions if target(action, "churn") not in taken]


@pytest.mark.parametrize(("phase", "strategy", "one"), CASES, ids=str)
def test_no_write_ever_goes_to_somebody_elses_object(phase: str, strategy: str, one: tuple[str, str]) -> None:
    decision = decided(situation(phase, strategy, one))

    assert [str(action) for action in decision.actions if target(action, "churn") == one] == []
    condition = next(found for found in decision.status.conditions if found.type == "NameTaken")
    assert condition.status is ConditionStatus.TRUE
    assert condition.message == f"{one[0]} {one[1]} belongs to Helm"
    assert "NameTaken" in [note.reason for note in decision.notes]


BESIDE = [one for one in FOREIGN if one != ("Service", "churn") and one[0] != "Deployment"]


@pytest.mark.parametrize(("phase", "strategy", "one"), list(product(PHASES, STRATEGIES, BESIDE)), ids=str)
def test_all_else_is_decided_as_if_it_were_not_there(phase: str, strategy: str, one: tuple[str, str]) -> None:
    """Budgets, autoscalers, previews and memories: the same status, and the same writes but those to itself."""
    with_it, without = decided(situation(phase, strategy, one)), decided(situation(phase, strategy))

    assert plain(with_it) == plain(without)
    known = situation(phase, strategy).seen.preview
    if one != ("Service", "churn-preview") or known is None:
        assert named(with_it.actions, one) == named(without.actions, one)


def plain(decision: Decision) -> dict[str, Any]:
    """The status without the condition that tells of the foreign object."""
    told = decision.status.to_json()
    conditions = [one for one in told.pop("conditions") if one["type"] != "NameTaken"]
    return told | {"conditions": conditions}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("phase", ["judged", "bakes", "fails", "fails in the bake", "rejected", "bad after promotion"])
def test_behind_a_foreign_service_nothing_goes_forward_and_no_pod_that_it_selects_goes(
    phase: str, strategy: str
) -> None:
    before = situation(phase, strategy, ("Service", "churn"))
    decision = decided(before)

    assert not [action for action in decision.actions if isinstance(action, Route)]
    down = [action.revision for action in decision.actions if isinstance(action, Scale) and action.expected is not None]
    service = before.seen.service
    assert service is not None
    assert not [one for one in down if service.selector.get("modelrollout.dev/revision") == one]
    candidate_before, candidate_now = before.rollout.status.candidate, decision.status.candidate
    if candidate_before is not None and candidate_now is not None:
        assert (candidate_now.weight, candidate_now.stage) == (candidate_before.weight, candidate_before.stage)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("phase", ["fails", "fails in the bake"])
@pytest.mark.parametrize("one", [one for one in FOREIGN if one != ("Service", "churn")], ids=str)
def test_a_bad_candidate_is_rejected_and_traffic_goes_back_whatever_is_foreign(
    phase: str, strategy: str, one: tuple[str, str]
) -> None:
    decision = decided(situation(phase, strategy, one))

    assert decision.status.candidate is None
    if one != ("Deployment", "churn-v1"):
        assert str(decision.actions[0]) == str(Route(alone(1)))
    assert revision(1) == decision.status.stable
