"""Whether a model predicts what it predicted on its own validation set, within a tolerance.

A new model is meant to differ, and a baseline is itself a sample, so equality is the wrong question: judged for it,
98 % of healthy models would alarm. There are three answers, and only two of them are verdicts. The mean alone misses
scores that collapse to .5 and outputs ten times too small, so the shape is judged, too, at the baseline's own edges.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate

import numpy as np

from modelrollout.judge import mixtures
from modelrollout.judge.samples import Baseline, Predictions

LEAST = 200
"""Predictions below which nothing is said; a baseline needs as many."""
OWN = "the model's baseline"
SHAPE_TOLERANCE = 0.10
"""Kolmogorov-Smirnov distance that is tolerated."""
MOST_EDGES = 20


class Answer(StrEnum):
    DRIFTED = "drifted"
    CLEAR = "clear"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a model has moved from its baseline."""

    answer: Answer
    deviations: float
    """Of the mean, in the baseline's standard deviations."""
    distance: float | None = None
    """Kolmogorov-Smirnov distance at the baseline's edges; None without edges."""
    message: str = ""


def unusable(baseline: Baseline) -> str:
    """Why a baseline cannot be judged by; empty when it can."""
    if baseline.count < LEAST:
        return f"the model's baseline has {baseline.count} predictions; make it of at least {LEAST}"
    if not (math.isfinite(baseline.mean) and math.isfinite(baseline.deviation)) or baseline.deviation <= 0:
        return "the model's baseline has no spread (standard deviation 0); make it of varied validation rows"
    if baseline.counts and max(baseline.counts) == sum(baseline.counts):
        return "all predictions of the model's baseline are in one bucket; choose edges inside their range"
    return ""


def merged(one: Predictions, other: Predictions) -> Predictions:
    """The sum of two; counts on other edges are left out."""
    if not one.edges and not one.count:
        return other
    total = replace(
        one, count=one.count + other.count, total=one.total + other.total, squares=one.squares + other.squares
    )
    if one.edges != other.edges or not one.counts:
        return total
    return replace(total, counts=tuple(map(sum, zip(one.counts, other.counts, strict=True))))


def moved(seen: Predictions, baseline: Baseline, tolerance: float, alpha: float, *, whose: str = OWN) -> Moved:
    """The answer of mean and shape together, each with half of `alpha`; `tolerance` in standard deviations.

    `whose` baseline it is stands in the message.
    """
    if seen.count < LEAST:
        return Moved(Answer.UNDECIDED, 0.0)
    mean, by_mean = _mean(seen, baseline, tolerance, alpha / 2)
    away = (mean - baseline.mean) / baseline.deviation
    distance, by_shape = _shape(seen, baseline, alpha / 2)
    answers = {by_mean, by_shape}
    if Answer.DRIFTED in answers:
        return Moved(Answer.DRIFTED, away, distance, _said(by_mean, away, tolerance, distance, whose))
    return Moved(Answer.CLEAR if answers == {Answer.CLEAR} else Answer.UNDECIDED, away, distance)


def comparable(one: Predictions, other: Predictions) -> bool:
    """Whether the shapes of two can be compared: both are counted, on the same edges."""
    return bool(one.edges) and one.edges == other.edges and min(sum(one.counts), sum(other.counts)) > 0


def apart(one: Predictions, other: Predictions, tolerance: float, alpha: float) -> Moved:
    """How far the shape of a canary's predictions is from that of stable's, each arm with half of `alpha`."""
    if not comparable(one, other) or min(sum(one.counts), sum(other.counts)) < LEAST:
        return Moved(Answer.UNDECIDED, 0.0)
    kept = _spread_out(len(one.edges))
    ours, theirs = (_above(arm.counts)[kept] for arm in (one, other))
    level = alpha / (2 * len(kept))
    radius = _radius(ours, sum(one.counts), level) + _radius(theirs, sum(other.counts), level)
    away = np.abs(ours - theirs)
    answer = _answer(bool((away - radius > tolerance).any()), bool((away + radius < tolerance).all()))
    distance = float(away.max())
    message = (
        f"the shape of the predictions is {distance:.2f} from stable's "
        f"(limit {tolerance:.2f}, largest difference of the shares above an edge)"
    )
    return Moved(answer, 0.0, distance, message)


def _said(by_mean: Answer, away: float, tolerance: float, distance: float | None, whose: str) -> str:
    if by_mean is Answer.DRIFTED or distance is None:
        return f"predictions moved by {away:+.2g} standard deviations from {whose} (limit {tolerance:g})"
    return (
        f"the shape of the predictions moved by {distance:.2f} from {whose} "
        f"(limit {SHAPE_TOLERANCE:.2f}, largest difference of the shares above an edge)"
    )


def _mean(seen: Predictions, baseline: Baseline, tolerance: float, alpha: float) -> tuple[float, Answer]:
    mean = seen.total / seen.count
    deviation = math.sqrt(max(0.0, seen.squares / seen.count - mean * mean))
    radius = float(mixtures.mean_radius(deviation, seen.count, alpha))
    away, allowed = abs(mean - baseline.mean), tolerance * baseline.deviation
    return mean, _answer(away - radius > allowed, away + radius < allowed)


def _shape(seen: Predictions, baseline: Baseline, alpha: float) -> tuple[float | None, Answer]:
    if not baseline.edges or seen.edges != baseline.edges or not sum(seen.counts):
        return None, Answer.CLEAR
    kept = _spread_out(len(baseline.edges))
    total = sum(seen.counts)
    above, expected = _above(seen.counts)[kept], _above(baseline.counts)[kept]
    radius = _radius(above, total, alpha / len(kept))
    away = np.abs(above - expected)
    answer = _answer(bool((away - radius > SHAPE_TOLERANCE).any()), bool((away + radius < SHAPE_TOLERANCE).all()))
    return float(away.max()), answer


def _radius(shares: mixtures.Array, total: int, alpha: float) -> mixtures.Array:
    smoothed = (shares * total + 0.5) / (total + 1)  # a share of 0 or 1 would seem to be known exactly
    return mixtures.mean_radius(np.sqrt(smoothed * (1 - smoothed)), total, alpha)


def _answer(drifted: object, clear: object) -> Answer:
    if drifted:
        return Answer.DRIFTED
    return Answer.CLEAR if clear else Answer.UNDECIDED


def _above(counts: Sequence[int]) -> mixtures.Array:
    """Share above each edge."""
    upto = np.array(list(accumulate(counts))[:-1], dtype=float)
    shares: mixtures.Array = 1 - upto / sum(counts)
    return shares


def _spread_out(edges: int) -> list[int]:
    """At most 20 of the edges, evenly."""
    if edges <= MOST_EDGES:
        return list(range(edges))
    return [round(at) for at in np.linspace(0, edges - 1, MOST_EDGES)]
