"""What the user's `health` block asks of the judge: limits, the floor, and how alpha is shared out.

Alpha (`compare.falseRollbackRate`) is the probability that a healthy model is rolled back. Each metric gets a named
share of it, so that the metric that fires has a name, and the shares of all metrics together are at most alpha.
"""

import math
from dataclasses import dataclass, field

from modelrollout.api.spec import Compare, Health, LimitRule, Limits
from modelrollout.judge.comparing import SHARES, Comparing, comparing
from modelrollout.judge.samples import Baseline


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
    compare: Comparing | None = None
    """The comparison with stable; None where only limits and refusals are judged."""
    drift: float | None = 2.0
    """Most that predictions may be away from the model's own baseline, in its standard deviations."""
    drift_alpha: float = 0.01 * SHARES["drift"]
    """Probability of a false alarm about drift over the whole rollout, for each thing that is drifted from."""
    steady: Comparing | None = None
    """The terms at which stable is judged against itself while nothing rolls out; None where it is not."""
    frozen: Baseline | None = None
    """What stable predicted until it was promoted: the baseline of a candidate that carries none."""
    alone: bool = False
    """Whether stable serves without a candidate, and is held to its own baseline."""
    window: bool = False
    """Whether limits hold for each window of requests, instead of being tested."""

    limits_ms: tuple[float, ...] = field(init=False, compare=False)
    """The latencies that slow requests are counted at."""
    limit_threshold: float = field(init=False, compare=False)
    """The log E at which a limit counts as broken: log(1000) at alpha .01 with two limits."""

    def __post_init__(self) -> None:
        limits = len(self.latency) + (self.error_rate is not None)
        object.__setattr__(self, "limits_ms", tuple([limit.limit_ms for limit in self.latency]))
        object.__setattr__(self, "limit_threshold", math.log(max(1, limits) / (self.alpha * SHARES["limits"])))

    @property
    def refusal_threshold(self) -> float:
        """The log E at which the canary counts as refusing more than stable: log(1000) at alpha .01."""
        return -math.log(self.alpha * SHARES["refusals"])


def rules(health: Health, epochs: int = 1) -> Rules:
    """The rules of one epoch.

    Evidence starts anew in every epoch (step, bake), so over a rollout of several epochs the promise holds when
    alpha is divided by their number: `epochs`. The comparison with stable is kept from step to step and needs no
    such division.
    """
    compare = health.compare or Compare()
    alpha = compare.false_rollback_rate
    drifts = 1 if compare.prediction_shape is None else 2  # from a baseline, and from stable
    return Rules(
        error_rate=health.limits.error_rate,
        latency=_latency_limits(health.limits),
        min_samples=health.min_samples,
        alpha=alpha / epochs,
        compare=comparing(health.compare) if health.compare is not None else None,
        steady=comparing(health.compare) if health.compare is not None and health.compare.self_test else None,
        drift=health.limits.prediction_drift,
        drift_alpha=alpha * SHARES["drift"] / drifts,
        window=health.limits.rule is LimitRule.WINDOW,
    )


def _latency_limits(limits: Limits) -> tuple[LatencyLimit, ...]:
    asked = (
        ("p50LatencyMs", limits.p50_latency_ms, 0.5),
        ("p95LatencyMs", limits.p95_latency_ms, 0.05),
        ("p99LatencyMs", limits.p99_latency_ms, 0.01),
    )
    return tuple(LatencyLimit(metric, value, share) for metric, value, share in asked if value is not None)
