"""Mixtures of bets on arrays: the one door to numpy, and the arithmetic behind every comparison with stable.

Each function takes counts whose last axis is 1 (or nothing) and gives natural logarithms along a last axis of bets, so
that the operator can ask for one rollout and the simulations for thousands at once. Nothing here knows pods or rules.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = float | Array

POINTS = 24
_WIDTH = math.log(4.0)
STRONGEST = math.log(32.0)
"""Logarithm of the largest ratio that is bet on."""


def _log_weights(at: Array, middle: float, width: float) -> Array:
    shape = np.exp(-0.5 * ((at - middle) / width) ** 2)
    logs: Array = np.log(shape / shape.sum())
    return logs


WORSE = np.linspace(math.log(1.1), STRONGEST, POINTS)
"""Logarithms of the rate ratios, canary to stable, that are bet on: 1.1 to 32 times worse."""
WORSE_LOG_WEIGHTS = _log_weights(WORSE, 0.0, _WIDTH)
EITHER_WAY = np.linspace(-STRONGEST, STRONGEST, 81)
"""Ratios that a confidence sequence is drawn from."""
EITHER_WAY_LOG_WEIGHTS = _log_weights(EITHER_WAY, 0.0, _WIDTH)


def log_sum_exp(logs: Array) -> Array:
    """log(sum(exp(x))) along the last axis, without overflow."""
    top = logs.max(axis=-1, keepdims=True)
    summed: Array = np.log(np.exp(logs - top).sum(axis=-1)) + top[..., 0]
    return summed


def log_sum(logs: Array) -> float:
    """The same over all of an array: one number, in a quarter of the time."""
    top = highest(logs)
    return top + math.log(np.exp(logs - top).ravel().dot(_ones(logs.size)))


@lru_cache(maxsize=16)
def _ones(size: int) -> Array:
    """What numbers are multiplied by to be summed: a product takes a third of the time of a sum."""
    return np.ones(size)


def highest(logs: Array) -> float:
    """The largest of all; `argmax` finds it in a quarter of the time of `max`."""
    found: float = logs.item(logs.argmax())
    return found


def log_mean(one: float, other: float) -> float:
    """log((exp(one) + exp(other)) / 2)."""
    high, low = max(one, other), min(one, other)
    return high + math.log1p(math.exp(low - high)) - math.log(2)


def noninferior_bets(margin: float) -> Array:
    """Logarithms of the ratios that speak for "at most `margin` times stable's", and the margin's as the last one."""
    middle = math.log(margin)
    return np.append(np.linspace(middle - 2.5, middle - 0.02, POINTS), middle)


def noninferior(gains: Array) -> Array:
    """Log E against "at least `margin` times stable's", from gains at `noninferior_bets(margin)`."""
    return log_sum_exp(NONINFERIOR_LOG_WEIGHTS + gains[..., :-1] - gains[..., -1:])


NONINFERIOR_LOG_WEIGHTS = _log_weights(np.linspace(-2.5, -0.02, POINTS), 0.0, 0.8)


def split_gains(
    candidate_hits: Numbers, hits: Numbers, share: Numbers, ratios: Array, times_less_one: Array | None = None
) -> Array:
    """What one stratum adds to each bet on "the canary's hit rate is exp(ratio) times stable's".

    `share` is the canary's part of the requests, `hits` counts both arms. Lindon and Malek, arXiv 2011.03567; the
    requests are finite, so the hits are hypergeometric: Hoeffding 1963, theorem 4. `times_less_one` is
    `expm1(ratios)` for those who ask often.
    """
    more = np.expm1(ratios) if times_less_one is None else times_less_one
    gained: Array = candidate_hits * ratios - hits * np.log1p(share * more)
    return gained


def worse_gains(candidate_hits: Numbers, hits: Numbers, share: Numbers, tolerated: float) -> Array:
    """The same for bets on ratios from 1.1 to 32 times a tolerated one (its logarithm), against up to that one.

    The likelihood ratio of a bet above the tolerated ratio grows with the canary's hits, so its expectation is largest
    at that ratio, where it is 1.
    """
    level = candidate_hits * tolerated - hits * np.log1p(share * math.expm1(tolerated))
    gained: Array = split_gains(candidate_hits, hits, share, tolerated + WORSE) - level
    return gained


def most_gained(candidate_hits: int, hits: int, share: float) -> float:
    """The most that `split_gains` can be, whatever the ratio is, from 1 up.

    The best one says of each hit what was seen: it gains `hits` times the divergence of the canary's part of them from
    its share of the requests.
    """
    if candidate_hits <= share * hits:
        return 0.0
    if not share:
        return math.inf
    part = candidate_hits / hits
    of_stable = (1 - part) * math.log((1 - part) / (1 - share)) if part < 1 else 0.0
    return hits * (part * math.log(part / share) + of_stable)


@lru_cache(maxsize=256)
def _below_gains(rate: float) -> Array:
    """What each bet gains by a hit and by a miss, and the logarithm of its part of the capital."""
    rates = rate * np.exp(-np.linspace(0.1, 6.0, POINTS))
    return np.array((np.log(rates / rate), np.log((1 - rates) / (1 - rate)), np.full(POINTS, -math.log(POINTS))))


def below(hits: Numbers, trials: Numbers, rate: float) -> Array:
    """Log E against "each trial is a hit at least so often": what shows an arm by itself to be below `rate`."""
    lost, won, part = _below_gains(rate)
    return log_sum_exp(hits * lost + (trials - hits) * won + part)


def bets_below(hits: int, trials: int, rate: float) -> Array:
    """The same for one arm, bet by bet: each with its part of the capital."""
    found: Array = np.array((hits, trials - hits, 1.0)).dot(_below_gains(rate))
    return found


def is_half_at(bar: float, bets: Array) -> bool:
    """Whether half of a single bet is at the bar: then the mean of these bets and any others is, too."""
    return highest(bets) >= bar + math.log(2)


def short_of(bar: float, one: Array, other: Array) -> float | None:
    """The `log_mean` of the sums of two mixtures where it is below the bar; None where it is not."""
    if is_half_at(bar, one) or is_half_at(bar, other):
        return None
    found = log_mean(log_sum(one), log_sum(other))
    return found if found < bar else None


def pooled_share(hits: Numbers, trials: Numbers, before: Numbers) -> Array:
    """The share of hits in both arms so far, held to what it was before the rollout by 5 requests' worth."""
    return np.minimum(np.maximum((hits + 5 * before) / (trials + 5), 1e-4), 0.95)


def table_gains(
    treated: tuple[Numbers, Numbers], control: tuple[Numbers, Numbers], pooled: Numbers, ratios: Array = WORSE
) -> Array:
    """What one stratum, as a table of (hits, requests) of two arms, adds to each bet on the treated arm's ratio.

    `pooled` is the share of hits expected from earlier strata. Turner, Ly and Gruenwald, arXiv 2106.02693: the bet
    divides the expected hits by the ratio, and is measured against the one rate that both arms would then share.
    """
    (hits, trials), (other_hits, other_trials) = treated, control
    total, together = trials + other_trials, hits + other_hits
    counts = np.array((hits, other_hits, -together, trials - hits, other_trials - other_hits, together - total))
    return _products(counts, trials / total, pooled, ratios)


def tables_gains(tables: Array, pooled: Array) -> Array:
    """The same of several tables at once, for `WORSE`: a row each.

    `tables` has four rows, and a column for each table: hits and requests of the treated arm, then of the control arm.
    """
    share = tables[1] / (tables[1] + tables[3])
    return _products(_TERMS.dot(tables)[:, :, None], share[:, None], pooled[:, None], WORSE)


_TERMS = np.array(((1, 0, 0, 0), (0, 0, 1, 0), (-1, 0, -1, 0), (-1, 1, 0, 0), (0, 0, -1, 1), (1, -1, 1, -1)), float)
"""Hits of the treated arm, of the control arm, and of both, negative; then the same of what was no hit."""


def _products(counts: Array, share: Numbers, pooled: Numbers, ratios: Array) -> Array:
    """The sum over six terms of counts times logarithms of rates."""
    times, more = (_WORSE_TIMES, _WORSE_MORE) if ratios is WORSE else (np.exp(ratios), np.expm1(ratios))
    of_control = pooled / (1 + share * more)
    of_treated = np.minimum(of_control * times, 1 - 1e-6)
    rates = np.empty((6, *of_control.shape))
    rates[0], rates[1], rates[2] = of_treated, of_control, of_control + share * (of_treated - of_control)
    np.subtract(1, rates[:3], out=rates[3:])
    gained: Array = np.einsum("t...,t...->...", counts, np.log(rates, out=rates))  # one call instead of one a term
    return gained


_WORSE_TIMES, _WORSE_MORE = np.exp(WORSE), np.expm1(WORSE)


def mean_radius(deviation: Numbers, trials: Numbers, alpha: float, best_at: int = 500) -> Array:
    """Half the width of an asymptotic confidence sequence for a mean, tightest at `best_at` trials.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, arXiv 2103.06476.
    """
    spread = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / best_at
    scaled = np.multiply(trials, spread) + 1
    radius: Array = deviation * np.sqrt(2 * scaled / (np.square(trials) * spread) * np.log(np.sqrt(scaled) / alpha))
    return radius
