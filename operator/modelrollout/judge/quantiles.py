"""Quantiles of latency from merged buckets, with an interval: for people, never for a verdict.

A bucket's width bounds the error at about 5 % for edges that grow by 1.1. The interval is that of order statistics,
by the normal approximation of the binomial: ranks between n q -+ 2 sqrt(n q (1 - q)).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

ASKED = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
_DEVIATIONS = 1.96


@dataclass(frozen=True, slots=True)
class Quantile:
    """One quantile in milliseconds, with the ends of its interval (95 %)."""

    name: str
    value: float
    low: float
    high: float


def quantiles(edges_ms: Sequence[float], upto: Sequence[int]) -> tuple[Quantile, ...]:
    """The p50, p95 and p99 of requests up to each edge, the last of which are all; none without requests."""
    if not edges_ms or not upto or not upto[-1]:
        return ()
    return tuple(_quantile(name, share, edges_ms, upto) for name, share in ASKED)


def mean(edges_ms: Sequence[float], counts: Sequence[int]) -> float | None:
    """The mean in milliseconds of the requests in each bucket; None without requests."""
    total = sum(counts)
    if not edges_ms or not total:
        return None
    return sum(count * _middle(edges_ms, bucket) for bucket, count in enumerate(counts) if count) / total


def _quantile(name: str, share: float, edges_ms: Sequence[float], upto: Sequence[int]) -> Quantile:
    total = upto[-1]
    margin = _DEVIATIONS * math.sqrt(total * share * (1 - share))
    low, value, high = (
        bisect_left(upto, min(total, max(1, math.ceil(total * share + side)))) for side in (-margin, 0, margin)
    )
    return Quantile(name, _middle(edges_ms, value), _lower(edges_ms, low), edges_ms[min(high, len(edges_ms) - 1)])


def _lower(edges_ms: Sequence[float], bucket: int) -> float:
    return edges_ms[min(bucket, len(edges_ms)) - 1] if bucket else 0.0


def _middle(edges_ms: Sequence[float], bucket: int) -> float:
    """The value in a bucket that is at most a factor sqrt(growth) from any other in it."""
    if bucket >= len(edges_ms):
        return edges_ms[-1]
    low, high = _lower(edges_ms, bucket), edges_ms[bucket]
    return 2 * low * high / (low + high) if low else high / 2
