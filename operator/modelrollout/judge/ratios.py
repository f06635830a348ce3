"""Errors and refusals of a canary against stable's, over a whole rollout: proof of worse, and proof of no worse.

Each round is a stratum of its own: while the share of the canary grows and the base rate drifts, pooled counts would
reject healthy canaries (Simpson's paradox). Parts of the capital are bet anew later (`stakes`), so that a long healthy
stretch does not bury a later fault. Since all restarts share their bets, what was bet on each of them is one number:
the sum over restarts of w_r exp(-L at the restart).
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import add
from typing import Self

import numpy as np

from modelrollout.judge import mixtures
from modelrollout.judge.dispersion import ALIKE, Dispersion
from modelrollout.judge.eprocesses import Stratum
from modelrollout.judge.stakes import ROLLOUT, Stakes


@dataclass(frozen=True, slots=True)
class Interval:
    """A ratio of rates with its confidence sequence; None where nothing bounds it."""

    ratio: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """The sums of one metric since the rollout began."""

    margins: tuple[float, ...]
    """Ratios up to which the canary counts as no worse; steps may differ."""
    hits: Stratum
    """Counts of all rounds."""
    gains: mixtures.Array
    """Along `_grid(margins)`."""
    waiting: mixtures.Array
    """Logarithm of the capital on each bet of `WORSE`, divided by that bet's value now."""
    stakes: Stakes = ROLLOUT
    steps: int = 0
    """Restarts so far."""
    peak: float = 0.0
    """Largest log E so far."""
    dispersion: Dispersion = ALIKE

    @property
    def is_silent(self) -> bool:
        """Whether there was no hit in either arm: then no bet has moved."""
        return self.hits.candidate_hits + self.hits.stable_hits == 0

    @property
    def log_e(self) -> float:
        """Log E since the rollout began, that the canary is worse; without restarts."""
        return 0.0 if self.is_silent else mixtures.log_sum(mixtures.WORSE_LOG_WEIGHTS + self.gains[: mixtures.POINTS])

    @property
    def capital(self) -> mixtures.Array:
        """Logarithm of the capital on each bet of `WORSE` now, with what was bet anew."""
        capital: mixtures.Array = self.gains[: mixtures.POINTS] + self.waiting
        return capital

    @property
    def alarm(self) -> float:
        """Log E with its restarts: what a rollback is decided by."""
        return mixtures.log_sum(mixtures.WORSE_LOG_WEIGHTS + self.capital)

    def is_alarm(self, threshold: float) -> bool:
        """Whether the alarm is at the threshold; without a sum where no single bet is."""
        return mixtures.highest(self.capital) >= threshold and self.alarm >= threshold

    @property
    def p(self) -> float:
        """The smallest false-alarm probability at which this would have been an alarm, at any look so far."""
        return math.exp(-max(0.0, self.peak))

    def plus(self, stratum: Stratum, dispersion: Dispersion | None = None, tolerated: float = 0.0) -> Self:
        """After one more round. Where only one arm had requests, they are counted and compared with nothing.

        What is bet on as worse begins above `tolerated`, the logarithm of a ratio that the rounds before this one fix.
        """
        known = self.dispersion if dispersion is None else dispersion
        gains, waiting, peak = self.gains, self.waiting, self.peak
        share = share_of(stratum)
        if not 0.0 < share < 1.0:
            return replace(self, hits=Stratum(*map(add, self.hits.row, stratum.row)), dispersion=known)
        together = stratum.candidate_hits + stratum.stable_hits
        if together:  # in most rounds there are none
            grid, more = _grid(self.margins)
            gained = mixtures.split_gains(stratum.candidate_hits, together, share, grid, more)
            if tolerated:
                gained[: mixtures.POINTS] = mixtures.worse_gains(stratum.candidate_hits, together, share, tolerated)
            gains = gains + gained / known.factor
            # A mean is at most the largest: most rounds cannot be a new peak.
            if mixtures.highest(gains[: mixtures.POINTS]) > peak:
                peak = max(peak, mixtures.log_sum(mixtures.WORSE_LOG_WEIGHTS + gains[: mixtures.POINTS]))
            waiting = self._bet_anew(together, gains[: mixtures.POINTS])
        hits = Stratum(*map(add, self.hits.row, stratum.row))
        return type(self)(self.margins, hits, gains, waiting, self.stakes, self.steps, peak, known)

    def log_part(self, hits: int) -> float:
        """Logarithm of the part of the capital that is bet anew after a round with so many hits."""
        before = self.hits.candidate_hits + self.hits.stable_hits
        part = float(self.stakes.after_round(before, before + hits))
        return math.log(part) if part else -math.inf

    def _bet_anew(self, hits: int, gains: mixtures.Array) -> mixtures.Array:
        if not self.stakes.rounds:
            return self.waiting
        waiting: mixtures.Array = np.logaddexp(self.waiting, self.log_part(hits) - gains)
        return waiting

    def restarted(self) -> Self:
        """At a later step, with a part of the capital bet anew."""
        bet = self.stakes.at_step(self.steps + 1) - self.gains[: mixtures.POINTS]
        return replace(self, waiting=np.logaddexp(self.waiting, bet), steps=self.steps + 1)

    def log_e_noninferior(self, margin: float) -> float:
        """Log E that the canary's rate is at most `margin` times stable's; `margin` is one of `margins`."""
        return 0.0 if self.is_silent else mixtures.log_sum(self.noninferior(margin))

    def noninferior(self, margin: float) -> mixtures.Array:
        """The same bet by bet: logarithms of the capital on each."""
        bets = mixtures.POINTS + 1
        start = mixtures.POINTS + len(mixtures.EITHER_WAY) + bets * self.margins.index(margin)
        gains = self.gains[start : start + bets]
        found: mixtures.Array = mixtures.NONINFERIOR_LOG_WEIGHTS + (gains[:-1] - gains[-1])
        return found

    def negligible(self, rate: float) -> mixtures.Array:
        """Bets that the canary by itself is below `rate`, as which a comparison does not matter."""
        return mixtures.bets_below(self.hits.candidate_hits, self.hits.candidate_requests, rate)

    def interval(self, alpha: float) -> Interval:
        """The ratio that fits best, and all those that cannot be excluded at any look (1 - alpha)."""
        if self.is_silent:
            return Interval(None, None, None)
        gains = self.gains[mixtures.POINTS : mixtures.POINTS + len(mixtures.EITHER_WAY)]
        level = mixtures.log_sum(mixtures.EITHER_WAY_LOG_WEIGHTS + gains) + math.log(alpha)
        kept = np.flatnonzero(gains > level)
        if not kept.size:
            return Interval(None, None, None)
        low, high, best = int(kept[0]), int(kept[-1]), int(gains.argmax())
        return Interval(  # the ends of the grid are no measurement: what is beyond them is not known
            ratio=math.exp(mixtures.EITHER_WAY[best]) if 0 < best < len(gains) - 1 else None,
            low=math.exp(mixtures.EITHER_WAY[low]) if low else None,
            high=math.exp(mixtures.EITHER_WAY[high]) if high < len(gains) - 1 else None,
        )


def begun(margins: tuple[float, ...], stakes: Stakes = ROLLOUT) -> Ratio:
    """A ratio before its first round."""
    return Ratio(
        margins=margins,
        hits=Stratum(0, 0, 0, 0),
        gains=np.zeros(len(_grid(margins)[0])),
        waiting=np.full(mixtures.POINTS, math.log(stakes.beginning)),
        stakes=stakes,
    )


def log_pass(ratio: Ratio, margin: float, negligible: float) -> float:
    """Log E that the canary is no worse: relative to stable, or too good by itself for that to matter.

    A ratio has no proof without errors: with none in either arm the relative E stays 1 for ever.
    """
    return mixtures.log_mean(ratio.log_e_noninferior(margin), mixtures.log_sum(ratio.negligible(negligible)))


def short_of(bar: float, ratio: Ratio, margin: float, negligible: float) -> float | None:
    """The `log_pass` where it is below the bar; None where it is not."""
    alone = ratio.negligible(negligible)
    return None if mixtures.is_half_at(bar, alone) else mixtures.short_of(bar, ratio.noninferior(margin), alone)


@lru_cache(maxsize=256)
def _grid(margins: tuple[float, ...]) -> tuple[mixtures.Array, mixtures.Array]:
    """All ratios that are bet on, and how much more often than 1 they are."""
    grid = np.concatenate((mixtures.WORSE, mixtures.EITHER_WAY, *map(mixtures.noninferior_bets, margins)))
    return grid, np.expm1(grid)


def share_of(stratum: Stratum) -> float:
    """The canary's part of the requests."""
    total = stratum.candidate_requests + stratum.stable_requests
    return stratum.candidate_requests / total if total else 0.0
