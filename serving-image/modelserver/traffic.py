"""What happened to the predict requests: monotone counters, and the requests that are under way.

The serving thread begins and finishes requests; the health thread reads, and counts what is overdue as an error
without waiting for it. One lock keeps the two from counting a request twice. Probes, metrics, warm-up and answers
while shutting down never come here.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from modelserver.buckets import bucket_of

WARM_UP_REQUESTS = 20
WARM_UP_SECONDS = 60.0


class Outcome(StrEnum):
    ANSWERED = "answered"
    REFUSED = "refused"
    """A 4xx: the request's fault, no error of the model."""
    FAILED = "failed"
    """An exception of the model, a time-out, a non-finite answer, any other 5xx."""


class Flight:
    """One request under way."""

    __slots__ = ("counted", "started")

    def __init__(self, started: float) -> None:
        self.started = started
        self.counted = False


@dataclass(frozen=True, slots=True)
class Counters:
    """Everything counted up to one moment; all of it only grows."""

    requests: int
    errors: int
    refusals: int
    latency_counts: tuple[int, ...]
    latency_sum_ms: float
    prediction_count: int
    prediction_sum: float
    prediction_sum_squares: float
    prediction_counts: tuple[int, ...]
    unusual_rows: int = 0
    """Predicted, though not like the sample in the model's bundle."""


class Traffic:
    """Counters of one process; times are seconds of the monotonic clock."""

    def __init__(
        self,
        edges_ms: tuple[float, ...],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.edges_ms = edges_ms
        self.clock = clock
        self._lock = threading.Lock()
        self._flights: dict[Flight, None] = {}  # in order of arrival
        self._opened_at = self._last_finished = clock()
        self._frozen = False
        self._requests = self._errors = self._refusals = 0
        self._latency_counts = [0] * (len(edges_ms) + 1)
        self._latency_sum_ms = 0.0
        self._prediction_count = self._unusual_rows = 0
        self._prediction_sum = self._prediction_sum_squares = 0.0
        self.use_prediction_edges(())

    def use_prediction_edges(self, edges: tuple[float, ...]) -> None:
        """Count predictions on these edges; to be called before the first request."""
        self.prediction_edges = edges
        self._prediction_counts = [0] * (len(edges) + 1) if edges else []

    def open(self) -> None:
        """The port opens now: the pod's warm-up begins."""
        self._opened_at = self.clock()

    def forget(self, flight: Flight) -> None:
        """The request will not be answered and its client is gone: it never happened."""
        with self._lock:
            self._flights.pop(flight, None)

    def freeze(self) -> None:
        """The server is shutting down: from here on nothing counts."""
        self._frozen = True

    def begin(self) -> Flight:
        flight = Flight(self.clock())
        with self._lock:
            self._flights[flight] = None
        return flight

    def finish(self, flight: Flight, outcome: Outcome, values: Sequence[float] = ()) -> None:
        """The request is answered; `values` are its predictions as numbers, one per row."""
        now = self.clock()
        with self._lock:
            self._flights.pop(flight, None)
            self._last_finished = now
            if self._count(flight, outcome, now):
                self._count_predictions(values)

    def count_overdue(self, timeout_s: float) -> None:
        """Count every request that has been under way for longer than the timeout as an error, once."""
        now = self.clock()
        with self._lock:
            for flight in self._flights:
                if now - flight.started <= timeout_s:
                    break
                self._count(flight, Outcome.FAILED, now)

    def snapshot(self) -> Counters:
        with self._lock:
            return Counters(
                requests=self._requests,
                errors=self._errors,
                refusals=self._refusals,
                latency_counts=tuple(self._latency_counts),
                latency_sum_ms=self._latency_sum_ms,
                prediction_count=self._prediction_count,
                prediction_sum=self._prediction_sum,
                prediction_sum_squares=self._prediction_sum_squares,
                prediction_counts=tuple(self._prediction_counts),
                unusual_rows=self._unusual_rows,
            )

    def count_unusual(self, rows: int) -> None:
        """So many of the rows just predicted have a value outside its column's usual range."""
        if not self._frozen:
            with self._lock:
                self._unusual_rows += rows

    def waiting(self) -> tuple[int, float, float]:
        """Requests under way, age of the oldest, and seconds in which none was finished while one waited."""
        now = self.clock()
        with self._lock:
            if not self._flights:
                return 0, 0.0, 0.0
            oldest = next(iter(self._flights)).started
            return len(self._flights), now - oldest, now - max(oldest, self._last_finished)

    def _count(self, flight: Flight, outcome: Outcome, now: float) -> bool:
        if flight.counted or self._frozen:
            return False
        flight.counted = True
        self._requests += 1
        self._errors += outcome is Outcome.FAILED
        self._refusals += outcome is Outcome.REFUSED
        # A refusal takes microseconds: among the latencies it would make a model that refuses look fast.
        if outcome is not Outcome.REFUSED and not self._warming_up(now):
            elapsed_ms = (now - flight.started) * 1000
            self._latency_counts[bucket_of(self.edges_ms, elapsed_ms)] += 1
            self._latency_sum_ms += elapsed_ms
        return True

    def _warming_up(self, now: float) -> bool:
        return self._requests <= WARM_UP_REQUESTS and now - self._opened_at < WARM_UP_SECONDS

    def _count_predictions(self, values: Sequence[float]) -> None:
        for value in values:
            self._prediction_count += 1
            self._prediction_sum += value
            self._prediction_sum_squares += value * value
            if self.prediction_edges:
                self._prediction_counts[bucket_of(self.prediction_edges, value)] += 1
