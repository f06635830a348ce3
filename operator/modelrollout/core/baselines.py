"""What a model predicted until it was promoted: the baseline for a candidate whose own artefact carries none."""

import math

from modelrollout.api.status import Candidate, Frozen
from modelrollout.core.epochs import of_candidate
from modelrollout.core.turn import Turn
from modelrollout.judge import drift
from modelrollout.judge.samples import Baseline

MOST_EDGES = 100
"""A status has room for the counts of so many; with more of them the mean alone is kept."""


def frozen(turn: Turn, candidate: Candidate) -> Frozen | None:
    """The candidate's predictions as its bake ends; None for too few or one value, and where nothing was baked."""
    seen = turn.seen.predicted
    if candidate.forced or not seen.count or turn.seen.epoch != of_candidate(turn, candidate):
        return None
    mean = seen.total / seen.count
    deviation = math.sqrt(max(0.0, seen.squares / seen.count - mean * mean))
    shaped = len(seen.edges) <= MOST_EDGES and sum(seen.counts) > 0
    edges, counts = (seen.edges, seen.counts) if shaped else ((), ())
    if drift.unusable(Baseline(seen.count, mean, deviation, edges, counts)):
        return None
    return Frozen(
        revision=candidate.revision,
        count=seen.count,
        mean=mean,
        deviation=deviation,
        edges=list(edges),
        counts=list(counts),
    )
