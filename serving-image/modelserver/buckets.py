"""Latency buckets: fixed edges, so that any two pods' counts can be added, subtracted and compared.

Edges grow by 1.1 from .05 ms to about 100 s; limits that somebody judges by are edges of their own, so that
"slower than 200 ms" is counted and not interpolated. Bucket i holds values in (edge i-1, edge i].
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

FIRST_MS = 0.05
GROWTH = 1.1
COUNT = 153
ALWAYS_EXACT_MS = (50.0, 200.0, 500.0)


def latency_edges_ms(extra: Iterable[float] = ()) -> tuple[float, ...]:
    """Ascending edges in milliseconds, to six significant digits, with the extra ones exact."""
    grown = (float(f"{FIRST_MS * GROWTH**i:.6g}") for i in range(COUNT))
    return tuple(sorted({*grown, *ALWAYS_EXACT_MS, *extra}))


def bucket_of(edges: Sequence[float], value: float) -> int:
    return bisect_left(edges, value)


def quantile(edges: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The value below which `share` of the counted ones lie, linear inside its bucket; None without any."""
    total = sum(counts)
    if not total:
        return None
    wanted, seen = share * total, 0
    for i, count in enumerate(counts):
        if count and seen + count >= wanted:
            low, high = _bounds(edges, i)
            return low + (high - low) * (wanted - seen) / count
        seen += count
    return edges[-1]


def _bounds(edges: Sequence[float], bucket: int) -> tuple[float, float]:
    if bucket == len(edges):
        return edges[-1], edges[-1]
    return (edges[bucket - 1] if bucket else 0.0), edges[bucket]
