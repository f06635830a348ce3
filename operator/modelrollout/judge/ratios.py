"""Errors and refusals of a canary against stable's, over a whole rollout: proof of worse, and proof of no worse.

Each round is a stratum of its own: while the share of the canary grows and the base rate drifts, pooled counts would
reject healthy canaries (Simpson's paradox). At the beginning half of the capital is bet; at each later step a part of
the rest, 1/4, 1/8, ..., is bet anew, so that a long healthy stretch does not bury a later fault. Since all restarts
share their bets, the capital that waits for each bet is one number: sum over restarts of w_r exp(-L at the restart).
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


@dataclass(frozen=True, slots=True)
class Interval:
    """A ratio of rates with its confidence sequence; None where nothing bounds it."""

    ratio: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """The sums of one metric since the rollout began."""

    margins: tuple[float, ...]
    """Ratios up to which the canary counts as no worse; steps may differ."""
    hits: Stratum
    """Counts of all rounds in which both arms had requests, for people."""
    gains: tuple[float, ...]
    """Along `_grid(margins)`."""
    waiting: tuple[float, ...]
    """Logarithm of the capital on each bet of `WORSE`, divided by that bet's value now."""
    steps: int = 0
    """Restarts so far."""
    peak: float = 0.0
    """Largest log E so far."""
    dispersion: Dispersion = ALIKE

    @property
    def log_e(self) -> float:
        """Log E since the rollout began, that the canary is worse; without restarts."""
        return float(mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + np.array(self.gains[: mixtures.POINTS])))

    @property
    def alarm(self) -> float:
        """Log E with its restarts: what a rollback is decided by."""
        bets = np.array(self.gains[: mixtures.POINTS]) + np.array(self.waiting)
        return float(mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + bets))

    def is_alarm(self, threshold: float) -> bool:
        """Whether the alarm is at the threshold; without a sum where no single bet is."""
        return max(map(add, self.gains, self.waiting)) >= threshold and self.alarm >= threshold

    @property
    def p(self) -> float:
        """The smallest false-alarm probability at which this would have been an alarm, at any look so far."""
        return math.exp(-max(0.0, self.peak))

    def plus(self, stratum: Stratum, dispersion: Dispersion | None = None) -> Self:
        """After one more round. An arm without requests adds nothing."""
        known = self.dispersion if dispersion is None else dispersion
        share = _share(stratum)
        if not 0.0 < share < 1.0:
            return replace(self, dispersion=known)
        hits = Stratum(*map(add, self.hits.row, stratum.row))
        together = stratum.candidate_hits + stratum.stable_hits
        if not together:  # most rounds: without `replace`, which takes longer than all the rest
            return type(self)(self.margins, hits, self.gains, self.waiting, self.steps, self.peak, known)
        gained = mixtures.split_gains(stratum.candidate_hits, together, share, _grid(self.margins)) / known.factor
        gains = tuple((np.array(self.gains) + gained).tolist())
        after = replace(self, hits=hits, gains=gains, dispersion=known)
        # A mean is at most the largest: most rounds cannot be a new peak.
        return after if max(gains[: mixtures.POINTS]) <= self.peak else replace(after, peak=max(self.peak, after.log_e))

    def restarted(self) -> Self:
        """At a later step: 1/4 of the capital is bet anew, then 1/8, ..."""
        bet = math.log(0.5) * (self.steps + 2) - np.array(self.gains[: mixtures.POINTS])
        waiting = np.logaddexp(np.array(self.waiting), bet)
        return replace(self, waiting=tuple(waiting.tolist()), steps=self.steps + 1)

    def log_e_noninferior(self, margin: float) -> float:
        """Log E that the canary's rate is at most `margin` times stable's; `margin` is one of `margins`."""
        bets = mixtures.POINTS + 1
        start = mixtures.POINTS + len(mixtures.EITHER_WAY) + bets * self.margins.index(margin)
        return float(mixtures.noninferior(np.array(self.gains[start : start + bets])))

    def log_e_negligible(self, rate: float) -> float:
        """Log E that the canary by itself is below `rate`, as which a comparison does not matter."""
        return float(mixtures.below(self.hits.candidate_hits, self.hits.candidate_requests, rate))

    def interval(self, alpha: float) -> Interval:
        """The ratio that fits best, and all those that cannot be excluded at any look (1 - alpha)."""
        if self.hits.candidate_hits + self.hits.stable_hits == 0:
            return Interval(None, None, None)
        gains = np.array(self.gains[mixtures.POINTS : mixtures.POINTS + len(mixtures.EITHER_WAY)])
        level = float(mixtures.log_sum_exp(mixtures.EITHER_WAY_LOG_WEIGHTS + gains)) + math.log(alpha)
        kept = np.flatnonzero(gains > level)
        if not kept.size:
            return Interval(None, None, None)
        low, high, best = int(kept[0]), int(kept[-1]), int(gains.argmax())
        return Interval(
            ratio=math.exp(mixtures.EITHER_WAY[best]),
            low=math.exp(mixtures.EITHER_WAY[low]) if low else None,
            high=math.exp(mixtures.EITHER_WAY[high]) if high < len(gains) - 1 else None,
        )


def begun(margins: tuple[float, ...], capital: float = 0.5) -> Ratio:
    """A ratio before its first round. `capital` is the part that is bet now: all of it where no step will follow."""
    return Ratio(
        margins=margins,
        hits=Stratum(0, 0, 0, 0),
        gains=(0.0,) * len(_grid(margins)),
        waiting=(math.log(capital),) * mixtures.POINTS,
    )


def log_pass(ratio: Ratio, margin: float, negligible: float) -> float:
    """Log E that the canary is no worse: relative to stable, or too good by itself for that to matter.

    A ratio has no proof without errors: with none in either arm the relative E stays 1 for ever.
    """
    relative, alone = ratio.log_e_noninferior(margin), ratio.log_e_negligible(negligible)
    return float(np.logaddexp(relative, alone)) - math.log(2)


@lru_cache(maxsize=256)
def _grid(margins: tuple[float, ...]) -> mixtures.Array:
    return np.concatenate((mixtures.WORSE, mixtures.EITHER_WAY, *map(mixtures.noninferior_bets, margins)))


def _share(stratum: Stratum) -> float:
    total = stratum.candidate_requests + stratum.stable_requests
    return stratum.candidate_requests / total if total else 0.0
