"""What a model predicted until it was promoted: the baseline for a candidate whose own artefact carries none.

Only mean and spread: requests change over the weeks between two models, and the shape of predictions with them. A
tolerance of two standard deviations bears that; ten percentage points at any edge would take healthy models back.
"""

import math

from modelrollout.api.status import Candidate, Frozen
from modelrollout.core.epochs import of_candidate
from modelrollout.core.turn import Turn
from modelrollout.judge import drift
from modelrollout.judge.samples import Baseline


def frozen(turn: Turn, candidate: Candidate) -> Frozen | None:
    """The candidate's predictions as its bake ends; None for too few or one value, and where nothing was baked."""
    seen = turn.seen.predicted
    if candidate.forced or not seen.count or turn.seen.epoch != of_candidate(turn, candidate):
        return None
    mean = seen.total / seen.count
    deviation = math.sqrt(max(0.0, seen.squares / seen.count - mean * mean))
    if drift.unusable(Baseline(seen.count, mean, deviation)):
        return None
    return Frozen(revision=candidate.revision, count=seen.count, mean=mean, deviation=deviation)
