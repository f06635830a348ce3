"""The two tests, as e-processes: numbers that a healthy model pushes above 1/a, ever, with probability at most a.

Everything is a natural logarithm, so that thousands of failures neither overflow nor vanish. Plain `math` on 24
values is faster here than an array library, since most looks need no value at all (see `findings`). This module
knows neither pods nor limits, only counts.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

_POINTS = 24
_LOW = 0.05


def log_sum_exp(logs: Iterable[float]) -> float:
    """log(sum(exp(x))) without overflow; minus infinity for no values."""
    values = tuple(logs)
    top = max(values, default=-math.inf)
    if math.isinf(top):
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def _linspace(first: float, last: float) -> tuple[float, ...]:
    return tuple(first + (last - first) * step / (_POINTS - 1) for step in range(_POINTS))


def _geomspace(first: float, last: float) -> tuple[float, ...]:
    return tuple(math.exp(x) for x in _linspace(math.log(first), math.log(last)))


def _bets(limit: float) -> tuple[float, ...]:
    """Rates above the limit that are bet on.

    The lowest of the first grid is .03 above the limit, which suits limits from 5 % on. A limit of 1 % would let
    through a rate of 2 % for ever (its lowest bet is 3.9 %), so a lower limit has its bets nearer and spread evenly
    in the logarithm: from 1.6 times the limit.
    """
    spread = _linspace(0.03, 4.0) if limit >= _LOW else _geomspace(0.6 * limit, 4.0)
    return tuple(1 - (1 - limit) * math.exp(-x) for x in spread)


@lru_cache(maxsize=64)
def _gains(limit: float) -> tuple[tuple[float, float], ...]:
    """What one failure and one success add to each of the 24 bets: rates p_j from just above `limit` to nearly 1."""
    return tuple((math.log(p / limit), math.log((1 - p) / (1 - limit))) for p in _bets(limit))


def one_sample(failures: int, trials: int, limit: float) -> float:
    """Natural logarithm of E, the mean of 24 likelihood ratios, against "each trial fails at most so often".

    Every bet has p_j > limit, so each factor has expectation at most 1 whatever the true rate up to the limit, also
    where the rate moves from trial to trial. It depends on nothing but the two counts.
    """
    successes = trials - failures
    bets = (failures * lost + successes * won for lost, won in _gains(limit))
    return log_sum_exp(bets) - math.log(_POINTS)


@dataclass(frozen=True, slots=True)
class Stratum:
    """One scrape of both arms: how many of the requests were hits (errors, or refusals) in each."""

    candidate_hits: int
    stable_hits: int
    candidate_requests: int
    stable_requests: int

    @property
    def row(self) -> tuple[int, int, int, int]:
        return (self.candidate_hits, self.stable_hits, self.candidate_requests, self.stable_requests)


RATIOS = _linspace(math.log(1.1), math.log(32.0))
"""Logarithms of the rate ratios, canary to stable, that the split test bets on."""
_SHAPE = tuple(math.exp(-0.5 * (delta / math.log(4.0)) ** 2) for delta in RATIOS)
_LOG_WEIGHTS = tuple(math.log(one / math.fsum(_SHAPE)) for one in _SHAPE)
NO_SPLIT = (0.0,) * _POINTS
"""The split test before its first stratum."""


def split(stratum: Stratum, ratios: Sequence[float] = RATIOS) -> tuple[float, ...]:
    """What one stratum adds to each bet on "the canary's hit rate is exp(ratio) times stable's".

    Given all hits of a stratum, the canary's share of them is its share of the requests when both arms are alike
    (Lindon and Malek, arXiv 2011.03567; Hoeffding 1963, theorem 4, since the requests are finite). An arm without
    requests adds nothing, and so does a stratum without hits: no base rate and no minimum sample are needed.
    """
    requests = stratum.candidate_requests + stratum.stable_requests
    hits = stratum.candidate_hits + stratum.stable_hits
    if not requests or not hits:
        return (0.0,) * len(ratios)
    share = stratum.candidate_requests / requests
    return tuple(stratum.candidate_hits * delta - hits * math.log1p(share * math.expm1(delta)) for delta in ratios)


def split_log_e(logs: Sequence[float]) -> float:
    """Natural logarithm of E for the sums of `split` over strata, for the default bets."""
    return log_sum_exp(weight + value for weight, value in zip(_LOG_WEIGHTS, logs, strict=True))
