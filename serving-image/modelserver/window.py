"""The last minute, as a difference of two snapshots of the monotone counters."""

from collections import deque
from dataclasses import dataclass

from modelserver.buckets import quantile
from modelserver.models import Baseline
from modelserver.traffic import Counters

SECONDS = 60


@dataclass(frozen=True, slots=True)
class WindowStats:
    """One row of the window; latencies in milliseconds, None while nothing was measured."""

    seconds: int
    requests: int
    errors: int
    error_rate: float
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    prediction_drift: float | None = None
    """How far the mean prediction is from the baseline's, in its standard deviations; the judge uses its own."""


class Window:
    """Snapshots of the last minute, the oldest first."""

    def __init__(self, edges_ms: tuple[float, ...]) -> None:
        self._edges_ms = edges_ms
        self._snapshots: deque[tuple[float, Counters]] = deque()

    def add(self, now: float, counters: Counters) -> None:
        """Keep a snapshot; the newest one that is a minute old or older stays as the origin."""
        self._snapshots.append((now, counters))
        while len(self._snapshots) > 1 and self._snapshots[1][0] <= now - SECONDS:
            self._snapshots.popleft()

    def until(self, counters: Counters, baseline: Baseline | None = None) -> WindowStats:
        origin = self._snapshots[0][1] if self._snapshots else counters
        requests = counters.requests - origin.requests
        errors = counters.errors - origin.errors
        latencies = [new - old for new, old in zip(counters.latency_counts, origin.latency_counts, strict=True)]
        measured = sum(latencies)
        return WindowStats(
            seconds=SECONDS,
            requests=requests,
            errors=errors,
            error_rate=errors / requests if requests else 0.0,
            mean_ms=(counters.latency_sum_ms - origin.latency_sum_ms) / measured if measured else None,
            p50_ms=quantile(self._edges_ms, latencies, 0.50),
            p95_ms=quantile(self._edges_ms, latencies, 0.95),
            p99_ms=quantile(self._edges_ms, latencies, 0.99),
            prediction_drift=_drift(origin, counters, baseline),
        )


def _drift(origin: Counters, counters: Counters, baseline: Baseline | None) -> float | None:
    predicted = counters.prediction_count - origin.prediction_count
    if baseline is None or not predicted or not baseline.sd:
        return None
    mean = (counters.prediction_sum - origin.prediction_sum) / predicted
    return (mean - baseline.mean) / baseline.sd
