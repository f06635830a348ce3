"""How much stable's own pods differ for good: some nodes are faster, some pods fail more often, whatever the model.

A candidate on other pods differs from stable by as much, without being any worse, and the more traffic there is the
more surely that is found. So the ratio that is tolerated grows by what pods differ by, for the number of pods in each
arm. Dispersion is something else: the scatter within one scrape, which more traffic averages out.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

PODS_KEPT = 32
"""Pods whose sums are kept."""
_DEVIATIONS = 3.0
"""So many standard deviations of the difference between two arms are tolerated."""

Sums = tuple[float, float, float]
"""Requests of one pod, the sum of what was measured, and the sum of its squares."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Sums of stable's pods since the rollout began. Additive; only its standard deviation survives a restart."""

    pods: Mapping[str, Sums] = field(default_factory=dict)
    known: float = 0.0
    """The standard deviation that was known before a restart of the operator."""

    def plus(self, counted: Iterable[tuple[str, Sums]]) -> Self:
        """After one round of stable."""
        pods = dict(self.pods)
        for pod, (number, total, squares) in counted:
            if pod in pods:
                had = pods[pod]
                pods[pod] = (had[0] + number, had[1] + total, had[2] + squares)
            elif len(pods) < PODS_KEPT:
                pods[pod] = (number, total, squares)
        return type(self)(pods, self.known)

    def of_rates(self) -> float:
        """Standard deviation of the logarithm of the pods' rates, beyond what chance does to their counts."""
        rows = [(number, hits) for number, hits, _ in self.pods.values() if number]
        requests, hits = sum([row[0] for row in rows]), sum([row[1] for row in rows])
        if len(rows) <= 1 or not hits:
            return self.known
        rate = hits / requests
        awaited = [number * rate for number, _ in rows]
        away = sum([(row[1] - due) ** 2 for row, due in zip(rows, awaited, strict=True)]) * len(rows) / (len(rows) - 1)
        beyond = (away - hits * _by_chance(len(rows))) / sum([due * due for due in awaited])
        return max(self.known, math.sqrt(max(0.0, beyond)))

    def of_means(self) -> float:
        """Standard deviation of the pods' means, beyond what chance does to them."""
        rows = np.array([row for row in self.pods.values() if row[0] > 1])
        if len(rows) <= 1:
            return self.known
        means = rows[:, 1] / rows[:, 0]
        chance = (rows[:, 2] / rows[:, 0] - means**2) / rows[:, 0]
        beyond = float(means.var(ddof=1) - chance.mean() * _by_chance(len(rows)))
        return max(self.known, math.sqrt(max(0.0, beyond)))


def _by_chance(pods: int) -> float:
    """A variance between so many pods that is still chance, over its mean: a standard deviation more.

    At first there are few counts, and half of the time pods that are alike seem to differ a lot.
    """
    return 1 + math.sqrt(2 / (pods - 1))


NO_SPREAD = Spread()


def tolerated(ratio: float, deviation: float, candidates: int, stables: int) -> float:
    """Logarithm of the ratio up to which a candidate counts as no worse, with so many pods in each arm.

    Whoever tolerates nothing asks for equality, whatever the pods do.
    """
    if ratio == 1.0 or not candidates or not stables:
        return math.log(ratio)
    return math.log(ratio) + _DEVIATIONS * deviation * math.sqrt(1 / candidates + 1 / stables)
