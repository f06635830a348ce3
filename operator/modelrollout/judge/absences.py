"""The errors' evidence without one candidate pod, for each pod: whether one pod is all that speaks against a model."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from modelrollout.judge import mixtures
from modelrollout.judge.dispersion import Dispersion
from modelrollout.judge.strata import ArmStratum

PODS_KEPT = 8
"""Candidate pods whose absence is tried."""
_NO_HITS = (0, 0, 0.0)
_TIMES_LESS_ONE = np.expm1(mixtures.WORSE)


@dataclass(frozen=True, slots=True, eq=False)
class Absences:
    """Bets as in `ratios`, a row for each pod. Only kept in memory."""

    pods: tuple[str, ...] = ()
    capital: mixtures.Array = field(default_factory=lambda: np.zeros((0, mixtures.POINTS)))
    """Logarithm of the capital on each bet of `WORSE` now."""

    def plus(self, arms: tuple[ArmStratum, ArmStratum], until_now: mixtures.Array, dispersion: Dispersion) -> Self:
        """After one round of canary and stable; a pod that is new starts with all pods' capital `until_now`."""
        known = self._with(arms[0].pods, until_now)
        (requests, errors, _), (of_stable, by_stable, _) = arms[0].sums, arms[1].sums
        if not errors + by_stable:
            return known
        own = {pod: (counts[0], counts[1]) for pod, counts in zip(arms[0].pods, arms[0].counts, strict=True)}
        rows = []
        for pod in known.pods:
            of_pod, by_pod = own.get(pod, (0, 0))
            left = requests - of_pod
            hits = by_stable + errors - by_pod if left and of_stable else 0
            rows.append((errors - by_pod, hits, left / (left + of_stable)) if hits else _NO_HITS)
        if not any(hits for _, hits, _ in rows):
            return known
        table = np.array(rows).T[:, :, None]
        gained = mixtures.split_gains(table[0], table[1], table[2], mixtures.WORSE, _TIMES_LESS_ONE)
        return type(self)(known.pods, known.capital + gained / dispersion.factor)

    def restarted(self, log_bet: float) -> Self:
        """With so much bet anew on each row."""
        return type(self)(self.pods, np.logaddexp(self.capital, log_bet))

    @property
    def only_pod(self) -> str:
        """The pod without which nothing would speak against the candidate; empty where several do."""
        if len(self.pods) <= 1:
            return ""
        left = mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + self.capital)
        return next((pod for pod, alarm in zip(self.pods, left, strict=True) if alarm < 0.0), "")

    def _with(self, pods: tuple[str, ...], until_now: mixtures.Array) -> Self:
        new = tuple(pod for pod in dict.fromkeys(pods) if pod not in self.pods)[: PODS_KEPT - len(self.pods)]
        if not new:
            return self
        return type(self)(self.pods + new, np.vstack((self.capital, *(until_now,) * len(new))))
