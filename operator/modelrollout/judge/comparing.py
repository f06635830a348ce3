"""What the user asks of the comparison with stable: the two error rates, and how much worse is still no worse."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from modelrollout.api.spec import Compare

SHARES: Mapping[str, float] = MappingProxyType(
    {"errors": 0.30, "refusals": 0.10, "latency": 0.25, "drift": 0.15, "limits": 0.20}
)
"""Shares of alpha: the metric that fires has a name, and all together spend at most alpha. `limits` is split evenly
over the limits that are set."""


@dataclass(frozen=True, slots=True)
class Worse:
    """Where worse begins: a candidate is taken back on evidence that it is beyond this."""

    errors: float = 1.0
    """So many times stable's errors, and refusals."""
    latency: float = 1.0
    """So many times stable's latency."""
    warm_up_s: float = 0.0
    """Age in seconds below which a pod's latency says nothing against its model."""


EQUALITY = Worse()


@dataclass(frozen=True, slots=True)
class Comparing:
    """The terms of one rollout's comparison, at one of its steps."""

    alpha: float
    """Probability, over the whole rollout, of rolling back a candidate that is as good as stable."""
    beta: float
    """Probability of passing one that is worse than the margins allow."""
    margin: float
    """At most so many times stable's error rate counts as no worse here."""
    margins: tuple[float, ...]
    """Those of all steps."""
    tolerance: float
    """At most so many times stable's latency counts as no slower."""
    negligible: float
    """An error rate below which a comparison does not matter."""
    worse: Worse = EQUALITY
    shared: bool = True
    """Whether requests are spread over both arms by chance: behind a preview, or at weight 100, they are not."""
    shape: float | None = None
    """How far the shape of the predictions may be from stable's; None where that decides nothing."""

    def threshold(self, metric: str) -> float:
        """The log E at which a metric rolls back: log(333) for errors at alpha .01."""
        return -math.log(self.alpha * SHARES[metric])

    @property
    def proof(self) -> float:
        """The log E at which a metric passes: log(20) at beta .05."""
        return -math.log(self.beta)


def comparing(compare: Compare) -> Comparing:
    """The terms of the user's block, the same at all steps."""
    return Comparing(
        alpha=compare.false_rollback_rate,
        beta=compare.false_promotion_rate,
        margin=compare.error_ratio,
        margins=(compare.error_ratio,),
        tolerance=compare.latency_ratio,
        negligible=compare.negligible_error_rate,
        worse=Worse(compare.tolerated_error_ratio, compare.tolerated_latency_ratio, compare.warm_up.total_seconds()),
        shape=compare.prediction_shape,
    )


def at_step(terms: Comparing, margins: tuple[float, ...], *, shared: bool) -> Comparing:
    """The terms at one step; `margins` are those of all steps, the present one first."""
    known = margins or (terms.margin,)
    return replace(terms, margin=known[0], margins=tuple(sorted(set(known))), shared=shared)
