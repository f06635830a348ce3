"""One look at a candidate in a step, and what became of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.values import (
    NOW,
    alone,
    arm,
    reasons,
    seen,
    shared,
    turn,
)

from modelrollout.api.status import (
    Candidate,
    ModelRolloutStatus,
    Routing,
    Stage,
)
from modelrollout.core.candidate import advance
from modelrollout.core.turn import Moved, Turn
from modelrollout.judge.verdicts import Verdict

Wishes = Mapping[str, Any]

TEN: dict[str, Any] = {"weight": 10, "stage": Stage.JUDGING}
WHOLE: dict[str, Any] = {"weight": 100, "step": 3, "routing": Routing.CANDIDATE}
PAUSE: Wishes = {"strategy": {"canary": {"steps": [{"weight": 10, "pause": {"duration": "5m"}}]}}}
FOR_A_PERSON = {"strategy": {"canary": {"steps": [{"weight": 10, "pause": {}}]}}}
TIGHT: dict[str, Any] = {"strategy": {"canary": {"steps": [{"weight": 50}], "constantTotal": {"surge": 0}}}}


def look(known: ModelRolloutStatus, wishes: Wishes | None = None, ready: int = 1, **fields: Any) -> Turn:
    """One look while the Service selects what the candidate's routing means and `ready` candidate pods are ready."""
    assert known.candidate is not None
    selectors = {Routing.STABLE: alone(1), Routing.SHARED: shared(), Routing.CANDIDATE: alone(2)}
    world = seen(arm(1, 4), arm(2, ready, against=1), selector=selectors[known.candidate.routing])
    return turn(known, replace(world, **fields), wishes)


def advanced(look: Turn) -> Moved:
    known = look.rollout.status
    assert known.candidate is not None
    return advance(look, known, known.candidate)


def ended(moved: Moved) -> tuple[Candidate | None, str, list[str]]:
    """What the candidate is now, why it holds, and what was told."""
    hold = moved.status.hold
    return moved.status.candidate, hold.reason if hold is not None else "", reasons(moved.notes)


ENOUGH = Verdict(requests=20, summary="0 of 20 failed")
BEGUN: dict[str, Any] = {"stage": Stage.STARTING, "since": NOW, "step_since": NOW}
