"""Latencies as the serving image counts them: lognormal around 20 ms, in buckets that grow by 1.1."""

import math
from collections.abc import Callable

import numpy as np

from bench.judge.worlds import Array, Draw
from modelrollout.judge.slowness import Yardstick, yardstick

EDGES_MS = tuple(float(f"{0.05 * 1.1**i:.6g}") for i in range(153))
MEDIAN_MS, SPREAD = 20.0, 0.5
Above = Callable[[float], float]
"""The share of requests slower than so many milliseconds."""


def as_fast(value: float) -> float:
    """Stable's latencies."""
    return 0.5 * math.erfc(math.log(value / MEDIAN_MS) / SPREAD / math.sqrt(2))


def slowed(times: float) -> Above:
    """Every request takes so many times as long."""
    return lambda value: as_fast(value / times)


def _top_decile_doubled(value: float) -> float:
    at = MEDIAN_MS * math.exp(SPREAD * 1.2815515655446004)
    return as_fast(value) if value < at else min(0.1, as_fast(value / 2))


top_decile_doubled: Above = _top_decile_doubled


def cells(above: Above) -> Array:
    """The share of the requests in each bucket."""
    shares = np.array([1.0, *map(above, EDGES_MS), 0.0])
    found: Array = shares[:-1] - shares[1:]
    return found


def measure() -> Yardstick:
    """The yardstick that 20,000 requests of stable give."""
    counts = np.rint(20_000 * cells(as_fast)).astype(int)
    found = yardstick(EDGES_MS, counts.cumsum().tolist(), 1.2)
    if found is None:
        raise RuntimeError("20,000 requests give no yardstick")
    return found


def drawn(requests: Array, shares: Array, draw: Draw) -> Array:
    """Counts per bucket (last axis) of so many requests of each rollout."""
    counts: Array = draw.multinomial(requests.astype(int), shares).astype(float)
    return counts
