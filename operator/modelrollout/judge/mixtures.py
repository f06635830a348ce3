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
_STRONGEST = math.log(32.0)


def _log_weights(at: Array, middle: float, width: float) -> Array:
    shape = np.exp(-0.5 * ((at - middle) / width) ** 2)
    logs: Array = np.log(shape / shape.sum())
    return logs


WORSE = np.linspace(math.log(1.1), _STRONGEST, POINTS)
"""Logarithms of the rate ratios, canary to stable, that are bet on: 1.1 to 32 times worse."""
WORSE_LOG_WEIGHTS = _log_weights(WORSE, 0.0, _WIDTH)
EITHER_WAY = np.linspace(-_STRONGEST, _STRONGEST, 81)
"""Ratios that a confidence sequence is drawn from."""
EITHER_WAY_LOG_WEIGHTS = _log_weights(EITHER_WAY, 0.0, _WIDTH)


def log_sum_exp(logs: Array) -> Array:
    """log(sum(exp(x))) along the last axis, without overflow."""
    if logs.ndim == 1:  # one rollout: a third of the time
        highest = logs.max()
        return np.asarray(np.log(np.exp(logs - highest).sum()) + highest)
    top = logs.max(axis=-1, keepdims=True)
    summed: Array = np.log(np.exp(logs - top).sum(axis=-1)) + top[..., 0]
    return summed


def noninferior_bets(margin: float) -> Array:
    """Logarithms of the ratios that speak for "at most `margin` times stable's", and the margin's as the last one."""
    middle = math.log(margin)
    return np.append(np.linspace(middle - 2.5, middle - 0.02, POINTS), middle)


def noninferior(gains: Array) -> Array:
    """Log E against "at least `margin` times stable's", from gains at `noninferior_bets(margin)`."""
    weights = _NONINFERIOR_LOG_WEIGHTS
    return log_sum_exp(weights + gains[..., :-1] - gains[..., -1:])


_NONINFERIOR_LOG_WEIGHTS = _log_weights(np.linspace(-2.5, -0.02, POINTS), 0.0, 0.8)


def split_gains(candidate_hits: Numbers, hits: Numbers, share: Numbers, ratios: Array) -> Array:
    """What one stratum adds to each bet on "the canary's hit rate is exp(ratio) times stable's".

    `share` is the canary's part of the requests, `hits` counts both arms. Lindon and Malek, arXiv 2011.03567; the
    requests are finite, so the hits are hypergeometric: Hoeffding 1963, theorem 4.
    """
    gained: Array = np.multiply(candidate_hits, ratios) - hits * np.log1p(np.multiply(share, np.expm1(ratios)))
    return gained


@lru_cache(maxsize=256)
def _below_gains(rate: float) -> tuple[Array, Array]:
    rates = rate * np.exp(-np.linspace(0.1, 6.0, POINTS))
    return np.log(rates / rate), np.log((1 - rates) / (1 - rate))


def below(hits: Numbers, trials: Numbers, rate: float) -> Array:
    """Log E against "each trial is a hit at least so often": what shows an arm by itself to be below `rate`."""
    lost, won = _below_gains(rate)
    gains = np.multiply(hits, lost) + np.multiply(np.subtract(trials, hits), won)
    return log_sum_exp(gains) - math.log(POINTS)


def pooled_share(hits: Numbers, trials: Numbers, before: Numbers) -> Array:
    """The share of hits in both arms so far, held to what it was before the rollout by 5 requests' worth."""
    return np.clip(np.add(hits, np.multiply(5, before)) / np.add(trials, 5), 1e-4, 0.95)


def table_gains(
    treated: tuple[Numbers, Numbers], control: tuple[Numbers, Numbers], pooled: Numbers, ratios: Array = WORSE
) -> Array:
    """What one stratum, as a table of (hits, requests) of two arms, adds to each bet on the treated arm's ratio.

    `pooled` is the share of hits expected from earlier strata. Turner, Ly and Gruenwald, arXiv 2106.02693: the bet
    divides the expected hits by the ratio, and is measured against the one rate that both arms would then share.
    """
    (hits, trials), (other_hits, other_trials) = treated, control
    times, total = np.exp(ratios), np.add(trials, other_trials)
    of_control = pooled * total / (trials * times + other_trials)
    of_treated = np.minimum(of_control * times, 1 - 1e-6)
    shared = (trials * of_treated + other_trials * of_control) / total
    gained: Array = (
        hits * np.log(of_treated / shared)
        + np.subtract(trials, hits) * np.log((1 - of_treated) / (1 - shared))
        + other_hits * np.log(of_control / shared)
        + np.subtract(other_trials, other_hits) * np.log((1 - of_control) / (1 - shared))
    )
    return gained


def mean_radius(deviation: Numbers, trials: Numbers, alpha: float, best_at: int = 500) -> Array:
    """Half the width of an asymptotic confidence sequence for a mean, tightest at `best_at` trials.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, arXiv 2103.06476.
    """
    spread = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / best_at
    scaled = np.multiply(trials, spread) + 1
    radius: Array = deviation * np.sqrt(2 * scaled / (np.square(trials) * spread) * np.log(np.sqrt(scaled) / alpha))
    return radius
