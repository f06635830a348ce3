"""What one request adds to the tests of errors: the split test, the proof of being no worse, and the limits.

The grids are those of the judge (docs: the split test of Lindon and Malek, arXiv 2011.03567, over ratios 1.1 to 32;
the proof against a margin; the one-sample tests). A hit is an error; given a hit, it is the canary's with probability
theta, and its share of the requests is rho.
"""

import math

from modelrollout.forecast.bets import Bet

POINTS = 24


def spaced(first: float, last: float) -> tuple[float, ...]:
    """The judge's grids: 24 points from first to last."""
    return tuple(first + (last - first) * step / (POINTS - 1) for step in range(POINTS))


def _bell(grid: tuple[float, ...], centre: float, width: float) -> tuple[float, ...]:
    """Logarithms of weights that fall off like a bell and sum to 1."""
    logs = [-0.5 * ((one - centre) / width) ** 2 for one in grid]
    total = math.log(math.fsum(math.exp(one) for one in logs))
    return tuple(one - total for one in logs)


RATIOS = spaced(math.log(1.1), math.log(32.0))
"""Logarithms of the ratios, canary to stable, that are bet on."""
RATIO_WEIGHTS = _bell(RATIOS, 0.0, math.log(4.0))


def worse(rate: float, ratio: float, share: float) -> tuple[Bet, ...]:
    """The split test, when the canary's error rate is `ratio` times stable's `rate`; its share is 0 to 1."""
    hits = rate * (share * ratio + 1 - share)
    theta = share * ratio / (share * ratio + 1 - share)
    pairs = ((delta, _dilution(delta, share)) for delta in RATIOS)
    steps = ((delta - cost, -cost) for delta, cost in pairs)
    return tuple(_on_hits(weight, hits, theta, step) for weight, step in zip(RATIO_WEIGHTS, steps, strict=True))


def no_worse(rate: float, share: float, margin: float) -> tuple[Bet, ...]:
    """The proof that the ratio is below `margin`, when both arms have the same error rate."""
    least = math.log(margin)
    grid = spaced(least - 2.5, least - 0.02)
    bound = _dilution(least, share)
    weights = _bell(grid, least, 0.8)
    costs = ((delta, _dilution(delta, share) - bound) for delta in grid)
    steps = ((delta - least - cost, -cost) for delta, cost in costs)
    return tuple(_on_hits(weight, rate, share, step) for weight, step in zip(weights, steps, strict=True))


def below(rate: float, share: float, limit: float) -> tuple[Bet, ...]:
    """The proof that the canary by itself is below `limit`, for a canary at `rate`."""
    lower = [limit * math.exp(-x) for x in spaced(0.1, 6.0)]
    return tuple(_on_trials(rate, share, (math.log(q / limit), math.log((1 - q) / (1 - limit)))) for q in lower)


def above(rate: float, share: float, limit: float) -> tuple[Bet, ...]:
    """The one-sample test of a limit on a share of requests, for a canary at `rate`."""
    higher = [1 - (1 - limit) * math.exp(-x) for x in spaced(0.03, 4.0)]
    return tuple(_on_trials(rate, share, (math.log(p / limit), math.log((1 - p) / (1 - limit)))) for p in higher)


def _dilution(delta: float, share: float) -> float:
    return math.log1p(share * math.expm1(delta))


def _on_hits(log_weight: float, hits: float, theta: float, step: tuple[float, float]) -> Bet:
    """Only a hit adds anything: step[0] when it is the canary's, step[1] when it is stable's."""
    mean = theta * step[0] + (1 - theta) * step[1]
    square = theta * step[0] ** 2 + (1 - theta) * step[1] ** 2
    return Bet(log_weight, hits * mean, hits * square - (hits * mean) ** 2)


def _on_trials(rate: float, share: float, step: tuple[float, float]) -> Bet:
    """Each of the canary's requests adds step[0] when it is a hit and step[1] when it is not."""
    mean = rate * step[0] + (1 - rate) * step[1]
    square = rate * step[0] ** 2 + (1 - rate) * step[1] ** 2
    # Without hits nothing is left to chance but which arm a request goes to, and that is not counted as chance.
    return Bet(-math.log(POINTS), share * mean, share * (square - mean**2))
