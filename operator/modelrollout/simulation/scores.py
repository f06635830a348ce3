"""What models predict in the simulated world: a fixed row of numbers, again and again, and baselines made of such rows.

A hundred numbers in an order in which any ten neighbours are much like all of them, so that no pod sees a part of the
data only.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev

from modelrollout.judge import Baseline, Predictions

EDGES = tuple(round(0.05 * number, 2) for number in range(1, 20))
VALIDATED = 20
"""Times that a baseline has seen each of the numbers: of 2,000 validation rows."""
_STRIDE = 37
"""Shares no factor with 100."""


def _spread(scores: Sequence[float]) -> tuple[float, ...]:
    return tuple(scores[_STRIDE * number % len(scores)] for number in range(len(scores)))


TWO_HUMPS = _spread([0.001 * number for number in range(50)] + [1 - 0.001 * number for number in range(50)])
"""Scores of a model that is mostly sure of itself."""
ALL_ALIKE = (0.5,)
"""The mean of the two humps."""
TOO_SMALL = tuple(score / 10 for score in TWO_HUMPS)
SOFTER = tuple(0.2 + 0.6 * score for score in TWO_HUMPS)
"""Other scores than the two humps, which may be as right."""


def baseline(scores: Sequence[float]) -> Baseline:
    """What an artefact carries of a model that predicted these."""
    counts = [0] * (len(EDGES) + 1)
    for score in scores:
        counts[bisect_left(EDGES, score)] += VALIDATED
    return Baseline(VALIDATED * len(scores), fmean(scores), pstdev(scores), EDGES, tuple(counts))


def without_spread() -> Baseline:
    return Baseline(VALIDATED * 100, fmean(ALL_ALIKE), 0.0)


@dataclass(slots=True)
class Predicted:
    """Monotone counters of one process's predictions."""

    edges: tuple[float, ...] = ()
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    counts: list[int] = field(default_factory=list)

    def add(self, scores: Sequence[float], answers: int) -> None:
        """So many answers more; the next score is the one behind the last."""
        for number in range(self.count, self.count + answers if scores else self.count):
            score = scores[number % len(scores)]
            self.total += score
            self.squares += score * score
            if self.counts:
                self.counts[bisect_left(self.edges, score)] += 1
        self.count += answers if scores else 0

    def seen(self) -> Predictions:
        return Predictions(self.count, self.total, self.squares, self.edges, tuple(self.counts))


def counters(own: Baseline | None) -> Predicted:
    """Of a process that has just loaded a model with this baseline."""
    edges = own.edges if own is not None else ()
    return Predicted(edges, counts=[0] * (len(edges) + 1) if edges else [])
