"""What one request adds to the tests of latency: exceedances at the edges nearest stable's own quantiles.

(2x2 e-variables of Turner, Ly and Gruenwald, arXiv 2106.02693.) How soon a slowdown shows depends on how wide the
latencies are spread: 1.2 times slower is plain among equal requests and hidden among unequal ones. Nothing is known
of that before a rollout, so latencies are taken as log-normal with SPREAD.
"""

import math
from statistics import NormalDist

from modelrollout.forecast.bets import Bet, mixed
from modelrollout.forecast.errors import RATIO_WEIGHTS, RATIOS

SPREAD = 0.6
"""Standard deviation of the logarithm: p95 is 2.7 times the median, p99 4 times."""
EXCEEDANCES = (0.5, 0.25, 0.10, 0.05, 0.01)
"""Share of stable's requests beyond its p50, p75, p90, p95 and p99."""
PASSES_AT = 0.05
"""The edge at which a canary is shown to be no slower: stable's p95."""
_MOST = 1 - 1e-6
_NORMAL = NormalDist()


def slower(ratio: float, share: float, spread: float = SPREAD) -> tuple[Bet, ...]:
    """The test over all edges, for a canary whose every request takes `ratio` times as long."""
    return mixed(*(_edge(_beyond(one, ratio, spread), one, share) for one in EXCEEDANCES))


def no_slower(ratio: float, share: float, spread: float = SPREAD) -> tuple[Bet, ...]:
    """The same test with the arms swapped and the canary's edges `ratio` higher, for a canary as fast as stable."""
    return _edge(PASSES_AT, _beyond(PASSES_AT, 1 / ratio, spread), 1 - share)


def _beyond(exceedance: float, ratio: float, spread: float) -> float:
    """Share of requests beyond an edge that `exceedance` of stable's are beyond, when all take `ratio` as long."""
    return 1 - _NORMAL.cdf(_NORMAL.inv_cdf(1 - exceedance) - math.log(ratio) / spread)


def _edge(treated: float, control: float, share: float) -> tuple[Bet, ...]:
    """One edge: exceedances of the treated and of the control arm, and the treated arm's share of the requests."""
    pooled = share * treated + (1 - share) * control
    return tuple(
        _bet(weight, delta, (treated, control), (share, pooled))
        for weight, delta in zip(RATIO_WEIGHTS, RATIOS, strict=True)
    )


def _bet(log_weight: float, delta: float, truth: tuple[float, float], of: tuple[float, float]) -> Bet:
    share, pooled = of
    control = pooled / (share * math.exp(delta) + 1 - share)
    treated = min(control * math.exp(delta), _MOST)
    null = share * treated + (1 - share) * control
    outcomes = (
        (share * truth[0], math.log(treated / null)),
        (share * (1 - truth[0]), math.log((1 - treated) / (1 - null))),
        ((1 - share) * truth[1], math.log(control / null)),
        ((1 - share) * (1 - truth[1]), math.log((1 - control) / (1 - null))),
    )
    mean = math.fsum(chance * step for chance, step in outcomes)
    square = math.fsum(chance * step**2 for chance, step in outcomes)
    return Bet(log_weight, mean, square - mean**2)
