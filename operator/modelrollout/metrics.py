"""What the operator counts about itself: the one door to prometheus_client.

Callables are handed out, so that no other part knows the library. One registry for a process; tests make their own.
"""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from modelrollout.api.status import ModelRolloutStatus, Phase
from modelrollout.rollouts import Held

CONTENT_TYPE = CONTENT_TYPE_LATEST
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counters, gauges and histograms of one operator."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # A time of birth beside each counter would double the page, and nobody asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry if registry is not None else CollectorRegistry()
        self._gauged: set[tuple[str, str]] = set()
        self._reconciles = self._counter("reconciles_total", "Turns of the loop, by result", ["result"])
        self._seconds = Histogram(
            "modelrollout_reconcile_seconds", "Length of a turn", buckets=_FAST, registry=self._registry
        )
        self._calls = self._counter("api_calls_total", "Calls to the API server", ["verb", "kind", "code"])
        self._scrapes = self._counter("scrapes_total", "Scrapes of pods, by result", ["result"])
        self._missed = self._counter("missed_events_total", "Changes that only the regular list found", [])
        self._phase = self._gauge("rollout_phase", "1 for the phase a rollout is in", ["namespace", "name", "phase"])
        self._weight = self._gauge("rollout_weight", "The candidate's share in percent", ["namespace", "name", "kind"])

    def called(self, verb: str, kind: str, code: int) -> None:
        """One answer of the API server; code 0 is none."""
        self._calls.labels(verb, kind, str(code)).inc()

    def reconciled(self, result: str, seconds: float) -> None:
        """One turn of the loop: ok, conflict or error."""
        self._reconciles.labels(result).inc()
        self._seconds.observe(seconds)

    def scraped(self, result: str, count: int) -> None:
        """Scrapes that ended alike: answered, failed or unsent."""
        if count:
            self._scrapes.labels(result).inc(count)

    def missed_event(self) -> None:
        self._missed.inc()

    def shown(self, held: Held, status: ModelRolloutStatus) -> None:
        """Where a rollout is now."""
        where = (held.rollout.namespace, held.rollout.name)
        self._gauged.add(where)
        for phase in Phase:
            self._phase.labels(*where, phase.value).set(phase is status.phase)
        weights = status.weights
        self._weight.labels(*where, "asked").set(weights.asked if weights else 0)
        self._weight.labels(*where, "pods").set(weights.pods if weights else 0)
        self._weight.labels(*where, "served").set(weights.served or 0 if weights else 0)

    def gone(self, key: str) -> None:
        """A rollout that is no more leaves no numbers behind."""
        namespace, _, name = key.partition("/")
        if (namespace, name) not in self._gauged:
            return
        self._gauged.discard((namespace, name))
        for phase in Phase:
            self._phase.remove(namespace, name, phase.value)
        for kind in ("asked", "pods", "served"):
            self._weight.remove(namespace, name, kind)

    def follow(self, readings: Mapping[str, Callable[[], float]]) -> None:
        """Gauges that are read when they are asked for, by name."""
        for name, read in readings.items():
            self._gauge(name, name.replace("_", " "), []).set_function(read)

    def follow_each(self, name: str, readings: Mapping[str, Callable[[], float]]) -> None:
        """One gauge with a reading for each kind of object."""
        gauge = self._gauge(name, name.replace("_", " "), ["kind"])
        for kind, read in readings.items():
            gauge.labels(kind).set_function(read)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"modelrollout_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(f"modelrollout_{name}", text, labels, registry=self._registry)
