"""What a load's records come to: counts, losses, latency, and how long bad answers lasted."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from modelrollout.traffic.records import Kind, Record


@dataclass(frozen=True, slots=True)
class BadSpan:
    """From the first bad answer to the last one, over one sort of connection."""

    first: float
    last: float
    count: int

    @property
    def seconds(self) -> float:
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Summary:
    """The totals of some records."""

    requests: int
    kinds: Mapping[Kind, int]
    versions: Mapping[str, int]
    """Answers by model version."""
    lost: int
    """Requests that ended badly and not by a model's known failure."""
    connections: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    fresh: BadSpan | None
    """Bad answers on connections of their own; None where there were none."""
    kept: BadSpan | None
    """Bad answers on kept connections."""

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items())
        return (
            f"{self.requests} requests over {self.connections} connections: {counts or 'nothing'}; "
            f"p50 {self.p50_ms:.1f} ms, p95 {self.p95_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"
        )


def summarise(records: Sequence[Record]) -> Summary:
    latencies = sorted(one.latency_ms for one in records if one.kind is Kind.ANSWERED)
    return Summary(
        requests=len(records),
        kinds=dict(Counter(one.kind for one in records)),
        versions=dict(Counter(one.version for one in records if one.kind is Kind.ANSWERED)),
        lost=sum(one.lost for one in records),
        connections=len({one.connection for one in records if one.connection}),
        p50_ms=quantile(latencies, 0.5),
        p95_ms=quantile(latencies, 0.95),
        p99_ms=quantile(latencies, 0.99),
        fresh=bad_span(one for one in records if one.fresh),
        kept=bad_span(one for one in records if not one.fresh),
    )


def bad_span(records: Iterable[Record]) -> BadSpan | None:
    """The span of bad answers, the models' own failures included; None where there were none."""
    times = [one.answered for one in records if one.bad]
    return BadSpan(min(times), max(times), len(times)) if times else None


def losses(records: Iterable[Record]) -> list[Record]:
    """The requests that were lost, for a message that shows them."""
    return [one for one in records if one.lost]


def bad_per_connection(records: Iterable[Record], since: float) -> Mapping[int, int]:
    """Bad answers that were asked for after a moment, by connection."""
    return Counter(one.connection for one in records if one.bad and one.due >= since)


def quantile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed; nan for no values."""
    if not ascending:
        return math.nan
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]
