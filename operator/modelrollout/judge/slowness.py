"""Latency of a canary against stable's: how many requests are slower than an edge of the buckets, at five edges.

The edges are those nearest stable's p50, p75, p90, p95 and p99 before the rollout, fixed before the data that they
judge; never one below a millisecond, since so little is the machine's and not the model's. The proof of no slower is
the same test with the arms swapped, at stable's p95, and with a tolerance that is exact with buckets: 1.2 times slower
is an edge two buckets higher where they grow by 1.1.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import add, sub
from typing import Self

import numpy as np

from modelrollout.judge import mixtures
from modelrollout.judge.dispersion import ALIKE, Dispersion
from modelrollout.judge.stakes import ROLLOUT
from modelrollout.judge.strata import ArmStratum, Buckets

SHARES = (0.5, 0.75, 0.9, 0.95, 0.99)
P95 = 3
ENOUGH = 200
"""Requests of stable that fix the edges."""
NEGLIGIBLE_MS = 1.0
"""What pods of one model differ by on a busy node; within it no latency is compared."""
_SLACK = 1e-4
"""Edges are written to six digits."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that a canary is no slower, at stable's p95. Additive."""

    intolerable: int = 0
    """The canary's requests that were slower than is allowed."""
    timed: int = 0
    stable_slow: int = 0
    """Stable's requests that were slower than its p95 before."""
    stable_timed: int = 0

    @property
    def row(self) -> tuple[int, int, int, int]:
        return (self.intolerable, self.timed, self.stable_slow, self.stable_timed)

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(add, self.row, other.row))


NO_PROOF = Proof()


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

    @property
    def harmless(self) -> float:
        """Share of slow requests that passes whatever stable's is: half of stable's before.

        Where the p95's edge is the least there is, a twentieth: then the canary's own p95 is so short that it is not
        compared.
        """
        at_least = bisect_left(self.edges_ms, NEGLIGIBLE_MS) >= self.at[P95]
        return 1 - SHARES[P95] if at_least else self.before[P95] / 2

    def above(self, tolerated: float) -> list[int]:
        """Where the canary's slow requests begin: edges `tolerated` above stable's (the logarithm of a ratio)."""
        if not tolerated:
            return list(self.at)
        last, times = len(self.edges_ms) - 1, math.exp(tolerated) * (1 - _SLACK)
        return [min(last, bisect_left(self.edges_ms, self.edges_ms[at] * times, lo=at)) for at in self.at]

    def proof(self, candidate: Buckets, stable: Buckets) -> Proof:
        """What shows that the canary is no slower, from requests up to each edge."""
        timed, of_stable = int(candidate[-1]), int(stable[-1])
        return Proof(timed - int(candidate[self.tolerated]), timed, of_stable - int(stable[self.at[P95]]), of_stable)


def yardstick(edges_ms: tuple[float, ...], below: Sequence[int], tolerance: float) -> Yardstick | None:
    """The yardstick that stable's requests up to each edge give; None where they are too few to give one."""
    upto = list(below)
    if not edges_ms or not upto or (total := upto[-1]) < ENOUGH:
        return None
    last, least = len(edges_ms) - 1, bisect_left(edges_ms, NEGLIGIBLE_MS)
    here = tuple(min(last, max(least, _nearest(upto, share * total))) for share in SHARES)
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
    """The canary's requests that were slower than what is tolerated at each edge."""
    stable: tuple[int, ...] = (0,) * 5
    candidate_requests: int = 0
    stable_requests: int = 0
    proof: Proof = NO_PROOF
    tolerated: float = 0.0
    """Logarithm of the ratio that is tolerated, or was in the last round."""

    @property
    def hits(self) -> int:
        """Requests of both arms that were slower than stable's p95 before."""
        return self.candidate[P95] + self.stable[P95]

    def __add__(self, other: Self) -> Self:
        return type(self)(
            tuple(map(add, self.candidate, other.candidate)),
            tuple(map(add, self.stable, other.stable)),
            self.candidate_requests + other.candidate_requests,
            self.stable_requests + other.stable_requests,
            self.proof + other.proof,
            other.tolerated,
        )


NONE_SLOW = Slow()
_BETS = (len(SHARES), mixtures.POINTS)


def slow_at(measure: Yardstick, arms: tuple[Buckets, Buckets], proof: Proof, tolerated: float = 0.0) -> Slow:
    """The slow requests of canary and stable, from requests up to each edge.

    `tolerated` is the logarithm of the ratio above which the canary is slower.
    """
    candidate, stable = arms
    if not candidate.size or not stable.size:
        return Slow(proof=proof, tolerated=tolerated)
    *ours, timed = candidate[[*measure.above(tolerated), -1]].tolist()
    *theirs, of_stable = stable[[*measure.at, -1]].tolist()
    return Slow(
        candidate=tuple(timed - one for one in ours),
        stable=tuple(of_stable - one for one in theirs),
        candidate_requests=timed,
        stable_requests=of_stable,
        proof=proof,
        tolerated=tolerated,
    )


def slow_pods(measure: Yardstick, arm: ArmStratum) -> list[tuple[int, int]]:
    """Requests slower than stable's p95 before, and all that were timed, of each process."""
    rows = arm.at(measure.edges_ms)
    if not rows.size:
        return []
    below, timed = rows[:, measure.at[P95]].tolist(), rows[:, -1].tolist()
    return list(zip(map(sub, timed, below), timed, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Slowness:
    """The sums since the rollout began."""

    measure: Yardstick
    seen: Slow = NONE_SLOW
    gains: mixtures.Array = field(default_factory=lambda: np.zeros(_BETS))
    """That the canary is slower: 24 bets at each edge."""
    swapped: mixtures.Array = field(default_factory=lambda: np.zeros(mixtures.POINTS))
    """That it is not: 24 bets at stable's p95."""
    waiting: mixtures.Array = field(default_factory=lambda: np.full(_BETS, math.log(ROLLOUT.beginning)))
    """Logarithm of the capital on each bet, divided by that bet's value now (see `ratios`)."""
    steps: int = 0
    peak: float = 0.0
    """Largest log E so far."""
    dispersion: Dispersion = ALIKE

    def plus(self, slow: Slow, dispersion: Dispersion | None = None) -> Self:
        """After one more round. An arm without requests adds nothing."""
        known = self.dispersion if dispersion is None else dispersion
        if not slow.proof.timed or not slow.proof.stable_timed:
            return replace(self, dispersion=known)
        gained = self._gained(slow) / known.factor
        gains, peak = self.gains + gained[:-1], self.peak
        # A mean is at most the largest: most rounds cannot be a new peak.
        if mixtures.highest(gains) > peak:
            peak = max(peak, _mean_of_edges(gains))
        seen, swapped = self.seen + slow, self.swapped + gained[-1]
        waiting = self.waiting
        if part := ROLLOUT.after_round(self.seen.hits, seen.hits):
            waiting = np.logaddexp(waiting, math.log(part) - gains)
        return type(self)(self.measure, seen, gains, swapped, waiting, self.steps, peak, known)

    def restarted(self) -> Self:
        """At a later step: a part of the capital is bet anew."""
        bet = ROLLOUT.at_step(self.steps + 1) - self.gains
        return replace(self, waiting=np.logaddexp(self.waiting, bet), steps=self.steps + 1)

    @property
    def log_e(self) -> float:
        """Log E since the rollout began, that the canary is slower; without restarts."""
        return _mean_of_edges(self.gains)

    @property
    def capital(self) -> mixtures.Array:
        """Logarithm of the capital on each bet now, with what was bet anew."""
        capital: mixtures.Array = self.gains + self.waiting
        return capital

    @property
    def alarm(self) -> float:
        """Log E with its restarts: what a rollback is decided by."""
        return _mean_of_edges(self.capital)

    @property
    def log_e_noninferior(self) -> float:
        """Log E that the canary is no slower than the tolerance allows, relative to stable, at its p95."""
        return mixtures.log_sum(mixtures.WORSE_LOG_WEIGHTS + self.swapped)

    def log_pass(self, negligible: float) -> float:
        """Log E that the canary is no slower than the tolerance allows, at stable's p95.

        Where nearly nothing is ever slower than that (answers that all take alike) there is no ratio to prove, so the
        canary also passes by itself: with a share of slow requests below `negligible`, or what is harmless.
        """
        return mixtures.log_mean(self.log_e_noninferior, mixtures.log_sum(self._alone(negligible)))

    def short_of(self, bar: float, negligible: float) -> float | None:
        """The `log_pass` where it is below the bar; None where it is not."""
        relative = mixtures.WORSE_LOG_WEIGHTS + self.swapped
        return None if mixtures.is_half_at(bar, relative) else mixtures.short_of(bar, relative, self._alone(negligible))

    def _alone(self, negligible: float) -> mixtures.Array:
        rate, proof = max(negligible, self.measure.harmless), self.seen.proof
        return mixtures.bets_below(proof.intolerable, proof.timed, rate)

    def is_alarm(self, threshold: float) -> bool:
        """Whether the alarm is at the threshold; without a sum where no single bet is."""
        return mixtures.highest(self.capital) >= threshold and self.alarm >= threshold

    @property
    def p(self) -> float:
        return math.exp(-max(0.0, self.peak))

    @property
    def worst(self) -> int:
        """Index of the edge that speaks loudest."""
        return int(mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + self.gains).argmax())

    def _gained(self, slow: Slow) -> mixtures.Array:
        """What a round adds to all bets: a row for each edge, then one with the arms swapped."""
        seen, before, shown, proof = self.seen, self.measure.before, self.seen.proof, slow.proof
        edges, own, other = len(SHARES), slow.candidate_requests, slow.stable_requests
        swapped = (proof.stable_slow, proof.stable_timed, proof.intolerable, proof.timed)
        if not own or not other:  # the pods are too young to be slow
            own, other, slow = 1, 1, NONE_SLOW
        numbers = np.array(
            (
                (*map(add, seen.candidate, seen.stable), shown.intolerable + shown.stable_slow),
                (*(seen.candidate_requests + seen.stable_requests,) * edges, shown.timed + shown.stable_timed),
                (*before, before[P95]),
                (*slow.candidate, swapped[0]),
                (*(own,) * edges, swapped[1]),
                (*slow.stable, swapped[2]),
                (*(other,) * edges, swapped[3]),
            ),
            dtype=float,
        )
        pooled = mixtures.pooled_share(numbers[0], numbers[1], numbers[2])
        gained = mixtures.tables_gains(numbers[3:], pooled)
        if not slow.candidate_requests:
            gained[:-1] = 0.0
        return gained


def _mean_of_edges(bets: mixtures.Array) -> float:
    """Along all edges: the mean of their sums."""
    return mixtures.log_sum(mixtures.WORSE_LOG_WEIGHTS + bets) - math.log(len(SHARES))
