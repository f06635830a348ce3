"""What one step has to expect: requests until a fault is noticed, and until a healthy model passes.

Each figure is a median and counts requests of both arms. It is what the step's own traffic would need if nothing were
known before it, so evidence that is carried on from earlier steps only makes it shorter.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from modelrollout.api.spec import Compare, Health
from modelrollout.forecast import errors, latency
from modelrollout.forecast.bets import mixed, requests_until

ALONE = 1.0
"""Share of a candidate that gets every request: there is nobody to compare it with."""
BEGINNING, STEPS = 0.8, 0.05
"""Parts of its capital that the judge bets at the beginning, and at all later steps (a half, a quarter, ... of it)."""
DOUBLED = 2.0
SLOWER = 1.2


@dataclass(frozen=True, slots=True)
class Aims:
    """What the judge promises and what it is asked to show."""

    false_rollback_rate: float = 0.01
    """alpha, for the whole rollout; `..._share` is the part of it that a metric may spend."""
    errors_share: float = 0.30
    latency_share: float = 0.25
    limits_share: float = 0.20
    false_pass_rate: float = 0.05
    """beta: a model that is as much worse as the margin passes with at most this probability."""
    error_margin: float = 2.0
    latency_margin: float = 1.2
    negligible_error_rate: float = 0.005
    """Below it a canary passes whatever stable does."""
    error_limit: float | None = 0.05
    limits: int = 2
    """Limits that are set, which share their part."""
    compared: bool = True
    """Whether the canary is compared with stable and passes by proof; else a step passes by its floor of requests."""


def aims_of(health: Health) -> Aims:
    asked = health.limits
    limits = (asked.error_rate, asked.p50_latency_ms, asked.p95_latency_ms, asked.p99_latency_ms)
    compare = health.compare or Compare()
    return Aims(
        false_rollback_rate=compare.false_rollback_rate,
        false_pass_rate=compare.false_promotion_rate,
        error_margin=compare.error_ratio,
        latency_margin=compare.latency_ratio,
        negligible_error_rate=compare.negligible_error_rate,
        compared=health.compare is not None,
        error_limit=asked.error_rate,
        limits=sum(one is not None for one in limits),
    )


@dataclass(frozen=True, slots=True)
class Arms:
    """The traffic of one step."""

    share: float
    """The canary's part of the requests, above 0 and at most 1."""
    error_rate: float
    """Stable's, and a healthy canary's; 0 to below 1."""
    samples: int = 0
    """Requests that the canary must have answered in any case."""
    earlier: int = 0
    """Steps before this one; evidence that begins at a later step has less say."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Median requests of both arms; infinite for never, None where nothing looks for it."""

    doubled: float | None
    """Until a canary with twice the error rate is rolled back."""
    slower: float | None
    """Until a canary whose every request takes 1.2 times as long is rolled back."""
    passes: float
    """Until a canary that is like stable has passed."""


@lru_cache(maxsize=4096)
def expected(arms: Arms, aims: Aims) -> Expected:
    """What to expect of one step; remembered, so round the rate before you ask often."""
    if not aims.compared:
        return Expected(_doubled_alone(arms, aims), None, arms.samples / arms.share)
    if arms.share >= ALONE:
        return Expected(_doubled_alone(arms, aims), None, _passes_alone(arms, aims))
    return Expected(_doubled(arms, aims), _slower(arms, aims), _passes(arms, aims))


def _level(arms: Arms, probability: float) -> float:
    part = STEPS * 0.5**arms.earlier if arms.earlier else BEGINNING
    return -math.log(part * probability)


def _doubled(arms: Arms, aims: Aims) -> float | None:
    """By the comparison, or by the limit where that is faster; twice no errors are none."""
    if not arms.error_rate:
        return None
    compared = errors.worse(arms.error_rate, DOUBLED, arms.share)
    found = requests_until(compared, _level(arms, aims.false_rollback_rate * aims.errors_share))
    limited = _doubled_alone(arms, aims)
    return found if limited is None else min(found, limited)


def _doubled_alone(arms: Arms, aims: Aims) -> float | None:
    """By the limit alone."""
    if aims.error_limit is None or not arms.error_rate:
        return None
    bets = errors.above(min(1.0, DOUBLED * arms.error_rate), arms.share, aims.error_limit)
    return requests_until(bets, -math.log(aims.false_rollback_rate * aims.limits_share / max(1, aims.limits)))


def _slower(arms: Arms, aims: Aims) -> float:
    bets = latency.slower(SLOWER, arms.share)
    return requests_until(bets, _level(arms, aims.false_rollback_rate * aims.latency_share))


def _passes(arms: Arms, aims: Aims) -> float:
    """When the last of errors, refusals (taken as none), latency and the floor has passed."""
    return max(
        _no_worse(arms, aims, arms.error_rate),
        _no_worse(arms, aims, 0.0),
        requests_until(latency.no_slower(aims.latency_margin, arms.share), -math.log(aims.false_pass_rate)),
        arms.samples / arms.share,
    )


def _no_worse(arms: Arms, aims: Aims, rate: float) -> float:
    compared = errors.no_worse(rate, arms.share, aims.error_margin)
    alone = errors.below(rate, arms.share, aims.negligible_error_rate)
    return requests_until(mixed(compared, alone), -math.log(aims.false_pass_rate))


def _passes_alone(arms: Arms, aims: Aims) -> float:
    """By being below the limits; with none there is only the floor."""
    if aims.error_limit is None:
        return arms.samples
    shown = requests_until(errors.below(arms.error_rate, ALONE, aims.error_limit), -math.log(aims.false_pass_rate))
    return max(shown, arms.samples)
