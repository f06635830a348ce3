"""What a sample tells of a model: its baseline, its golden rows, usual ranges, and how far it is from the truth."""

import math
from collections.abc import Sequence

import numpy as np

from modelserver.buckets import bucket_of
from modelserver.making.inputs import Numbers, Unusable
from modelserver.manifest import Baseline, Golden, Interval
from modelserver.models import Expected, Label, Scalar
from modelserver.scores import prediction_edges

EDGES = 19
"""The judge looks at 20 at most; these cut the sample into 20 parts."""
DIGITS = 6
"""Predictions that differ less are the same: the last bits depend on how many rows are asked at once."""
LEAST_FOR_JUDGE = 200
"""Predictions below which the judge does not use a baseline."""


def baseline(values: Sequence[float], classes: Sequence[Scalar]) -> Baseline:
    """Count, mean, spread and shape of the predictions, as numbers."""
    numbers = np.array(values, dtype=np.float64)
    rounded = np.array([float(f"{value:.{DIGITS}g}") for value in values])
    edges = prediction_edges(classes) or _edges(rounded)
    counts = [0] * (len(edges) + 1) if edges else []
    for value in values if edges else ():
        counts[bucket_of(edges, value)] += 1
    same = len(set(rounded.tolist())) == 1  # equal numbers, which the last bits would give a spread
    sd = 0.0 if same else float(numbers.std(ddof=1))
    return Baseline(count=len(numbers), mean=float(numbers.mean()), sd=sd, edges=tuple(edges), counts=tuple(counts))


def doubts(found: Baseline) -> str:
    """Why the judge will not use this baseline; empty where it will."""
    if found.count < LEAST_FOR_JUDGE:
        return f"it is of {found.count} predictions and the judge needs {LEAST_FOR_JUDGE}"
    return "all predictions are the same" if found.sd == 0 else ""


def _edges(values: Numbers) -> tuple[float, ...]:
    """Between two values each, never on one: its last bit would decide to which side of the edge a prediction falls."""
    distinct, times = np.unique(values, return_counts=True)
    shares = times.cumsum() / len(values)
    chosen = {int(np.searchsorted(shares, (part + 1) / (EDGES + 1))) for part in range(EDGES)}
    between = [float((distinct[i] + distinct[i + 1]) / 2) for i in sorted(chosen) if i + 1 < len(distinct)]
    return tuple(between)


def spread_out(values: Sequence[float], count: int) -> list[int]:
    """Places of so many rows, from the lowest prediction to the highest."""
    order = np.argsort(np.array(values), kind="stable")
    chosen = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [int(order[place]) for place in chosen]


def golden(rows: Numbers, expected: Expected, places: Sequence[int]) -> Golden:
    """The rows in these places, with their answers."""
    scores, shares = expected.scores, expected.scores.probabilities
    return Golden(
        rows=tuple(tuple(rows[place].tolist()) for place in places),
        predictions=tuple(scores.labels[place] for place in places),
        probabilities=tuple(tuple(shares[place]) for place in places) if shares is not None else None,
        tolerance=expected.tolerance,
    )


def usual(rows: Numbers) -> list[tuple[float, float]]:
    """Smallest and largest value of each column."""
    return list(zip(rows.min(axis=0).tolist(), rows.max(axis=0).tolist(), strict=True))


def interval(truth: Numbers, predictions: Sequence[Label], level: float) -> Interval:
    """Ends so far from the prediction that this share of new truths lies between them.

    Split conformal prediction with one order statistic for each end: with n residuals of rows that the model has not
    seen, the lower end is the floor((n + 1) a / 2)-th smallest and the upper the ceil((n + 1) (1 - a / 2))-th, a = 1 -
    level. Source: Lei et al., Distribution-Free Predictive Inference for Regression, JASA 113 (2018).

    Raises:
        Unusable: there are too few residuals for this level.
    """
    residuals = np.sort(truth - np.array(predictions, dtype=np.float64))
    count, tail = len(residuals), (1 - level) / 2
    lower, upper = math.floor((count + 1) * tail + 1e-9), math.ceil((count + 1) * (1 - tail) - 1e-9)
    if lower < 1 or upper > count:
        raise Unusable(f"an interval of {level:g} needs at least {math.ceil(1 / tail - 1e-9) - 1} rows, not {count}")
    return Interval(level=level, lower=float(residuals[lower - 1]), upper=float(residuals[upper - 1]))
