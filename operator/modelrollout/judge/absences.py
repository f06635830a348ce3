"""The errors' evidence without one candidate pod, for each pod: whether one pod is all that speaks against a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from modelrollout.judge import mixtures
from modelrollout.judge.dispersion import Dispersion
from modelrollout.judge.strata import ArmStratum

PODS_KEPT = 8
"""Candidate pods whose absence is tried."""
_NO_HITS = (0, 0, 0.0)


Failed = tuple[int, int]
"""Errors, of so many requests."""
NO_REQUESTS: Failed = (0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Absences:
    """Bets as in `ratios`, a row for each pod. Only kept in memory."""

    pods: tuple[str, ...] = ()
    capital: mixtures.Array = field(default_factory=lambda: np.zeros((0, mixtures.POINTS)))
    """Logarithm of the capital on each bet of `WORSE` now."""
    counts: tuple[Failed, ...] = ()
    """What each of them has counted."""
    total: Failed = NO_REQUESTS
    """What all pods have counted, those that are not kept and those that are gone, too."""

    def plus(
        self, arms: tuple[ArmStratum, ArmStratum], until_now: mixtures.Array, dispersion: Dispersion, tolerated: float
    ) -> Self:
        """After one round of canary and stable; a pod that is new starts with all pods' capital `until_now`."""
        known = self._with(arms[0].pods, until_now)
        (requests, errors, _), (of_stable, by_stable, _) = arms[0].sums, arms[1].sums
        own = {pod: (counts[1], counts[0]) for pod, counts in zip(arms[0].pods, arms[0].counts, strict=True)}
        known = known.with_counts(own, (errors, requests))
        if not errors + by_stable:
            return known
        rows = []
        for pod in known.pods:
            by_pod, of_pod = own.get(pod, NO_REQUESTS)
            left = requests - of_pod
            hits = by_stable + errors - by_pod if left and of_stable else 0
            rows.append((errors - by_pod, hits, left / (left + of_stable)) if hits else _NO_HITS)
        if not any(hits for _, hits, _ in rows):
            return known
        table = np.array(rows)[:, :, None]
        gained = mixtures.worse_gains(table[:, 0], table[:, 1], table[:, 2], tolerated)
        return type(self)(known.pods, known.capital + gained / dispersion.factor, known.counts, known.total)

    def with_counts(self, own: Mapping[str, Failed], total: Failed) -> Self:
        """With what each pod, and all of them, counted in one round."""
        counts = [_sum(had, own.get(pod, NO_REQUESTS)) for pod, had in zip(self.pods, self.counts, strict=True)]
        return type(self)(self.pods, self.capital, tuple(counts), _sum(self.total, total))

    def restarted(self, log_bet: float) -> Self:
        """With so much bet anew on each row."""
        return type(self)(self.pods, np.logaddexp(self.capital, log_bet), self.counts, self.total)

    @property
    def only_pod(self) -> str:
        """The pod without which nothing would speak against the candidate; empty where several do."""
        if len(self.pods) <= 1:
            return ""
        left = mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + self.capital)
        least = int(left.argmin())
        return self.pods[least] if left[least] < 0.0 else ""

    def apart(self, pod: str) -> tuple[Failed, Failed]:
        """What one pod has counted since it was first seen, and what all others have since the first was."""
        own = self.counts[self.pods.index(pod)]
        return own, (self.total[0] - own[0], self.total[1] - own[1])

    def _with(self, pods: tuple[str, ...], until_now: mixtures.Array) -> Self:
        new = tuple(pod for pod in dict.fromkeys(pods) if pod not in self.pods)[: PODS_KEPT - len(self.pods)]
        if not new:
            return self
        capital = np.vstack((self.capital, *(until_now,) * len(new)))
        return replace(self, pods=self.pods + new, capital=capital, counts=self.counts + (NO_REQUESTS,) * len(new))


def _sum(one: Failed, other: Failed) -> Failed:
    return one[0] + other[0], one[1] + other[1]
