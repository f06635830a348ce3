"""What the operator counts about itself: the one door to prometheus_client.

Callables are handed out, so that no other part knows the library. One registry for a process; tests make their own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from modelrollout.api.status import ModelRolloutStatus, Phase
from modelrollout.core.holds import STABLE_UNHEALTHY
from modelrollout.core.lately import version_numbers
from modelrollout.judge import Recent
from modelrollout.rollouts import Held

CONTENT_TYPE = CONTENT_TYPE_LATEST
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counters, gauges and histograms of one operator."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # A time of birth beside each counter would double the page, and nobody asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry if registry is not None else CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._gauged: set[tuple[str, str]] = set()
        self._reconciles = self._counter("reconciles_total", "Turns of the loop, by result", ["result"])
        self._seconds = Histogram(
            "modelrollout_reconcile_seconds", "Length of a turn", buckets=_FAST, registry=self._registry
        )
        self._calls = self._counter("api_calls_total", "Calls to the API server", ["verb", "kind", "code"])
        self._scrapes = self._counter("scrapes_total", "Scrapes of pods, by result", ["result"])
        self._missed = self._counter("missed_events_total", "Changes that only the regular list found", [])
        self._registry_requests = self._counter(
            "registry_requests_total", "Requests to registries", ["registry", "result"]
        )
        self._phase = self._gauge("rollout_phase", "1 for the phase a rollout is in", ["namespace", "name", "phase"])
        self._judge = self._gauge(
            "rollout_judge",
            "The judge's numbers: evidence (log_e), ratios and latencies with their intervals, requests, drift",
            ["namespace", "name", "metric", "number"],
        )
        self._versions = self._gauge(
            "rollout_version",
            "What each version did in the last minute: requests, errors, refusals, latencies, cores, bytes of memory",
            ["namespace", "name", "arm", "version", "number"],
        )
        self._labels: dict[tuple[Gauge, str, str], set[tuple[str, ...]]] = {}
        self._unhealthy = self._gauge(
            "rollout_stable_unhealthy", "1 while stable is known to be unhealthy, whatever moves", ["namespace", "name"]
        )
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

    def registry_asked(self, registry: str, result: str) -> None:
        """One answer of a model registry: ok, or why there is none."""
        self._registry_requests.labels(registry, result).inc()

    def missed_event(self) -> None:
        self._missed.inc()

    def shown(self, held: Held, status: ModelRolloutStatus, recent: Sequence[Recent] = ()) -> None:
        """Where a rollout is now."""
        where = (held.rollout.namespace, held.rollout.name)
        self._gauged.add(where)
        for phase in Phase:
            self._phase.labels(*where, phase.value).set(phase is status.phase)
        unhealthy = any(one.type == STABLE_UNHEALTHY for one in status.conditions)
        self._unhealthy.labels(*where).set(unhealthy)
        weights = status.weights
        self._weight.labels(*where, "asked").set(weights.asked if weights else 0)
        self._weight.labels(*where, "pods").set(weights.pods if weights else 0)
        self._weight.labels(*where, "served").set(weights.served or 0 if weights else 0)

        self._show(self._judge, where, _judged(status) | _self_test(status))
        self._show(self._versions, where, dict(_lately(status, recent)))

    def _show(self, gauge: Gauge, where: tuple[str, str], numbers: Mapping[tuple[str, ...], float]) -> None:
        """Set a rollout's numbers by their labels; those that were shown before and are gone are removed."""
        for stale in self._labels.pop((gauge, *where), set()) - numbers.keys():
            gauge.remove(*where, *stale)
        if numbers:
            self._labels[(gauge, *where)] = set(numbers)
        for labels, value in numbers.items():
            gauge.labels(*where, *labels).set(value)

    def gone(self, key: str) -> None:
        """A rollout that is no more leaves no numbers behind."""
        namespace, _, name = key.partition("/")
        if (namespace, name) not in self._gauged:
            return
        self._gauged.discard((namespace, name))
        for gauge in (self._judge, self._versions):
            self._show(gauge, (namespace, name), {})
        for phase in Phase:
            self._phase.remove(namespace, name, phase.value)
        self._unhealthy.remove(namespace, name)
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


def _lately(status: ModelRolloutStatus, recent: Sequence[Recent]) -> Iterator[tuple[tuple[str, str, str], float]]:
    """What stable and the candidate did in the last minute, by arm, version and number."""
    seen = {one.revision: one for one in recent}
    for arm, revision in (("stable", status.stable), ("candidate", status.candidate)):
        if revision is None or revision.revision not in seen:
            continue
        for number, value in version_numbers(revision.version, seen[revision.revision]):
            if isinstance(value, int | float):
                yield (arm, revision.version, number), value


def _self_test(status: ModelRolloutStatus) -> dict[tuple[str, ...], float]:
    tested = status.self_test
    return {("self_test", number): value for number, value in tested} if tested is not None else {}


def _judged(status: ModelRolloutStatus) -> dict[tuple[str, ...], float]:
    """The judge's numbers by metric and number; those that are unknown are left out."""
    judged = status.judge
    if judged is None:
        return {}
    found: dict[tuple[str, ...], float | None] = {
        ("requests", "answered"): judged.requests,
        ("requests", "expected"): judged.expected_requests,
        ("requests", "expected_seconds"): judged.expected_seconds,
    }
    for one in judged.metrics:
        found |= {(one.metric, number): getattr(one, number) for number in _NUMBERS}
    for arm, latency in (("candidate", judged.candidate_latency), ("stable", judged.stable_latency)):
        for one_of in latency:
            values = {"ms": one_of.ms, "ms_low": one_of.low, "ms_high": one_of.high}
            found |= {(f"{arm}_{one_of.name}", number): value for number, value in values.items()}
    if judged.drift is not None:
        found |= {("drift", "deviations"): judged.drift.deviations, ("drift", "distance"): judged.drift.distance}
    found |= {("shape", "distance"): judged.shape}
    return {labels: value for labels, value in found.items() if value is not None}


_NUMBERS = ("log_e", "p", "log_e_noninferior", "ratio", "low", "high")
