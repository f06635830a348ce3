"""What the user's `health` block asks of the judge: limits, the floor, and how alpha is shared out.

Alpha (`compare.falseRollbackRate`) is the probability that a healthy model is rolled back. Each metric gets a named
share of it, so that the metric that fires has a name, and the shares of all metrics together are at most alpha.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modelrollout.api.spec import Health, Limits

SHARES: Mapping[str, float] = MappingProxyType(
    {"errors": 0.30, "refusals": 0.10, "latency": 0.25, "drift": 0.15, "limits": 0.20}
)
"""Shares of alpha; `limits` is split evenly over the limits that are set. errors, latency and drift are the
comparison's and lie idle until it comes."""


@dataclass(frozen=True, slots=True)
class LatencyLimit:
    """At most `share` of the requests may be slower than `limit_ms`: a limit on a quantile."""

    metric: str
    limit_ms: float
    share: float


@dataclass(frozen=True, slots=True)
class Rules:
    """What an arm must keep, and how much evidence it takes to say that it does not."""

    error_rate: float | None
    """Most errors per request; None where there is no such limit."""
    latency: tuple[LatencyLimit, ...]
    min_samples: int
    """Requests of an arm in one epoch below which only a total failure is judged."""
    alpha: float
    """Probability of a false alarm that one epoch may spend."""

    @property
    def limits_ms(self) -> tuple[float, ...]:
        """The latencies that slow requests are counted at."""
        return tuple(limit.limit_ms for limit in self.latency)

    @property
    def limit_threshold(self) -> float:
        """The log E at which a limit counts as broken: log(1000) at alpha .01 with two limits."""
        limits = len(self.latency) + (self.error_rate is not None)
        return math.log(max(1, limits) / (self.alpha * SHARES["limits"]))

    @property
    def refusal_threshold(self) -> float:
        """The log E at which the canary counts as refusing more than stable: log(1000) at alpha .01."""
        return -math.log(self.alpha * SHARES["refusals"])


def rules(health: Health, epochs: int = 1) -> Rules:
    """The rules of one epoch.

    Evidence starts anew in every epoch (step, bake), so over a rollout of several epochs the promise holds when
    alpha is divided by their number: `epochs`.
    """
    return Rules(
        error_rate=health.limits.error_rate,
        latency=_latency_limits(health.limits),
        min_samples=health.min_samples,
        alpha=health.compare.false_rollback_rate / epochs,
    )


def _latency_limits(limits: Limits) -> tuple[LatencyLimit, ...]:
    asked = (
        ("p50LatencyMs", limits.p50_latency_ms, 0.5),
        ("p95LatencyMs", limits.p95_latency_ms, 0.05),
        ("p99LatencyMs", limits.p99_latency_ms, 0.01),
    )
    return tuple(LatencyLimit(metric, value, share) for metric, value, share in asked if value is not None)
