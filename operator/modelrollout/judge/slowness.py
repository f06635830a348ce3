"""Latency of a canary against stable's: how many requests are slower than an edge of the buckets, at five edges.

The edges are those nearest stable's p50, p75, p90, p95 and p99 before the rollout, fixed before the data that they
judge. The proof of no slower is the same test with the arms swapped, at stable's p95, and with a tolerance that is
exact with buckets: 1.2 times slower is an edge two buckets higher where they grow by 1.1.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from operator import add
from typing import Self

import numpy as np

from modelrollout.judge import mixtures
from modelrollout.judge.dispersion import ALIKE, Dispersion

SHARES = (0.5, 0.75, 0.9, 0.95, 0.99)
P95 = 3
ENOUGH = 200
"""Requests of stable that fix the edges."""
_SLACK = 1e-4
"""Edges are written to six digits."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Where requests are compared: fixed before the data it judges."""

    edges_ms: tuple[float, ...]
    """The buckets' edges, to know other buckets by."""
    at: tuple[int, ...]
    """Indices of five edges: requests above them count as slow."""
    tolerated: int
    """Index of the edge `latencyRatio` times above the p95's, up to which a canary is no slower."""
    before: tuple[float, ...]
    """Stable's share of slow requests at each, before the rollout."""


def yardstick(edges_ms: tuple[float, ...], counts: Sequence[int], tolerance: float) -> Yardstick | None:
    """The yardstick that stable's requests so far give; None where they are too few to give one."""
    total = sum(counts)
    if total < ENOUGH or not edges_ms:
        return None
    upto = list(accumulate(counts))
    last = len(edges_ms) - 1
    here = tuple(min(last, _nearest(upto, share * total)) for share in SHARES)
    tolerated = min(last, bisect_left(edges_ms, edges_ms[here[P95]] * tolerance * (1 - _SLACK), lo=here[P95]))
    return Yardstick(edges_ms, here, tolerated, tuple(1 - upto[index] / total for index in here))


def _nearest(upto: Sequence[int], wanted: float) -> int:
    """Index of the edge below which there are most nearly so many requests."""
    index = bisect_left(upto, wanted)
    below = index > 0 and wanted - upto[index - 1] < upto[index] - wanted
    return index - 1 if below else index


@dataclass(frozen=True, slots=True)
class Slow:
    """The requests of one round, or of all rounds, at the yardstick. Additive."""

    candidate: tuple[int, ...] = (0,) * 5
    stable: tuple[int, ...] = (0,) * 5
    intolerable: int = 0
    """The canary's requests that were slower than is tolerated at the p95."""
    candidate_requests: int = 0
    stable_requests: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(
            tuple(map(add, self.candidate, other.candidate)),
            tuple(map(add, self.stable, other.stable)),
            self.intolerable + other.intolerable,
            self.candidate_requests + other.candidate_requests,
            self.stable_requests + other.stable_requests,
        )


NONE_SLOW = Slow()
_NO_GAINS = (0.0,) * (len(SHARES) * mixtures.POINTS)


def slow_at(measure: Yardstick, candidate: Sequence[int], stable: Sequence[int]) -> Slow:
    """The slow requests among counts per bucket."""
    return Slow(
        candidate=tuple(sum(candidate[index + 1 :]) for index in measure.at),
        stable=tuple(sum(stable[index + 1 :]) for index in measure.at),
        intolerable=sum(candidate[measure.tolerated + 1 :]),
        candidate_requests=sum(candidate),
        stable_requests=sum(stable),
    )


@dataclass(frozen=True, slots=True)
class Slowness:
    """The sums since the rollout began."""

    measure: Yardstick
    seen: Slow = NONE_SLOW
    gains: tuple[float, ...] = _NO_GAINS
    """That the canary is slower: 24 bets at each edge."""
    swapped: tuple[float, ...] = (0.0,) * mixtures.POINTS
    """That it is not: 24 bets at stable's p95."""
    waiting: tuple[float, ...] = (math.log(0.5),) * len(_NO_GAINS)
    """Logarithm of the capital on each bet, divided by that bet's value now (see `ratios`)."""
    steps: int = 0
    peak: float = 0.0
    """Largest log E so far."""
    dispersion: Dispersion = ALIKE

    def plus(self, slow: Slow, dispersion: Dispersion | None = None) -> Self:
        """After one more round. An arm without requests adds nothing."""
        known = self.dispersion if dispersion is None else dispersion
        if not slow.candidate_requests or not slow.stable_requests:
            return replace(self, dispersion=known)
        *edges, swapped = (self._gained(slow) / known.factor).tolist()
        after = replace(
            self,
            seen=self.seen + slow,
            gains=tuple(map(add, self.gains, chain(*edges))),
            swapped=tuple(map(add, self.swapped, swapped)),
            dispersion=known,
        )
        # A mean is at most the largest: most rounds cannot be a new peak.
        return after if max(after.gains) <= self.peak else replace(after, peak=max(self.peak, after.log_e))

    def restarted(self) -> Self:
        """At a later step: a part of the capital is bet anew."""
        bet = math.log(0.5) * (self.steps + 2) - np.array(self.gains)
        waiting = np.logaddexp(np.array(self.waiting), bet)
        return replace(self, waiting=tuple(waiting.tolist()), steps=self.steps + 1)

    @property
    def log_e(self) -> float:
        """Log E since the rollout began, that the canary is slower; without restarts."""
        return _mean_of_edges(np.array(self.gains))

    @property
    def alarm(self) -> float:
        """Log E with its restarts: what a rollback is decided by."""
        return _mean_of_edges(np.array(self.gains) + np.array(self.waiting))

    @property
    def log_e_noninferior(self) -> float:
        """Log E that the canary is no slower than the tolerance allows, relative to stable, at its p95."""
        return float(mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + np.array(self.swapped)))

    def log_pass(self, negligible: float) -> float:
        """Log E that the canary is no slower than the tolerance allows, at stable's p95.

        Where nearly nothing is ever slower than that (answers that all take alike) there is no ratio to prove, so the
        canary also passes by itself: with a share of slow requests below `negligible`, or half of stable's before.
        """
        rate = max(negligible, self.measure.before[P95] / 2)
        alone = float(mixtures.below(self.seen.intolerable, self.seen.candidate_requests, rate))
        return float(np.logaddexp(self.log_e_noninferior, alone)) - math.log(2)

    def is_alarm(self, threshold: float) -> bool:
        """Whether the alarm is at the threshold; without a sum where no single bet is."""
        return max(map(add, self.gains, self.waiting)) >= threshold and self.alarm >= threshold

    @property
    def p(self) -> float:
        return math.exp(-max(0.0, self.peak))

    @property
    def worst(self) -> int:
        """Index of the edge that speaks loudest."""
        by_edge = mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + np.array(self.gains).reshape(len(SHARES), -1))
        return int(by_edge.argmax())

    def _gained(self, slow: Slow) -> mixtures.Array:
        """What a round adds to all bets: a row for each edge, then one with the arms swapped."""
        seen, before = self.seen, self.measure.before
        requests = seen.candidate_requests + seen.stable_requests
        hits = (*map(add, seen.candidate, seen.stable), seen.intolerable + seen.stable[P95])
        pooled = mixtures.pooled_share(_column(hits), requests, _column((*before, before[P95])))
        own, other = slow.candidate_requests, slow.stable_requests
        treated = (_column((*slow.candidate, slow.stable[P95])), _column((*(own,) * len(SHARES), other)))
        control = (_column((*slow.stable, slow.intolerable)), _column((*(other,) * len(SHARES), own)))
        return mixtures.table_gains(treated, control, pooled)


def _column(values: Sequence[float]) -> mixtures.Array:
    return np.array(values, dtype=float)[:, None]


def _mean_of_edges(bets: mixtures.Array) -> float:
    by_edge = mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + bets.reshape(len(SHARES), -1))
    return float(mixtures.log_sum_exp(by_edge)) - math.log(len(SHARES))
