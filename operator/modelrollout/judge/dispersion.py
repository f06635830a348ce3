"""How much more alike the requests of one pod are than coin tosses, from the spread between stable's pods.

A retry storm or a bad node fails requests in bursts, and a test that counts them one by one then sees far too much
evidence. Between pods that should be alike the spread shows by how much: Pearson's statistic over its degrees of
freedom is 1 for independent requests, and evidence is divided by what is above it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

MOST = 20.0
_HELD = 20.0
"""Degrees of freedom with which the estimate is held to 1 at first: a few rounds say little."""


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Sums over rounds. Additive."""

    spread: float = 0.0
    """Pearson's statistic."""
    freedom: int = 0
    """Its degrees of freedom."""

    @property
    def factor(self) -> float:
        """What evidence is divided by: 1 to 20."""
        return min(MOST, max(1.0, (self.spread + _HELD) / (self.freedom + _HELD)))

    def plus(self, pods: Iterable[tuple[int, int]]) -> Self:
        """After one round, with the hits and requests of each of stable's pods in it."""
        counted = [pod for pod in pods if pod[1]]
        hits, trials = sum([pod[0] for pod in counted]), sum([pod[1] for pod in counted])
        if not 0 < hits < trials or len(counted) <= 1:  # in most rounds there are no hits
            return self
        rate = hits / trials
        variance = rate * (1 - rate)
        spread = sum([(own - of * rate) ** 2 / (of * variance) for own, of in counted])
        return type(self)(self.spread + spread, self.freedom + len(counted) - 1)


ALIKE = Dispersion()
"""Before the first round: independent requests."""
