"""The same counters for Prometheus, made when it asks; the one module that imports prometheus_client."""

from collections.abc import Iterator, Sequence

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from modelserver import __version__, libraries
from modelserver.state import State
from modelserver.traffic import Counters

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EVERY_NTH_EDGE = 8
"""153 buckets are for the judge; a Prometheus gets every eighth edge, and those that limits use."""

Metric = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily


class TrafficCollector(Collector):
    """Reads the counters at scrape time; labels are constant, so that series do not grow."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._labels = [state.settings.name, state.settings.version, state.settings.revision]
        edges = state.traffic.edges_ms
        exact = {50.0, 200.0, 500.0, *state.settings.latency_edges_ms}
        self._shown = [i for i, edge in enumerate(edges) if i % EVERY_NTH_EDGE == 0 or edge in exact]

    def collect(self) -> Iterator[Metric]:
        traffic = self._state.traffic
        counters = traffic.snapshot()
        yield self._requests(counters)
        yield self._latency(counters, traffic.edges_ms)
        inflight, _, _ = traffic.waiting()
        yield self._gauge("model_requests_in_flight", "Predict requests under way.", inflight)
        yield self._gauge("model_ready", "1 while requests should come here.", int(self._state.ready))
        predictions = CounterMetricFamily("model_predictions", "Rows predicted.", labels=_NAMES)
        predictions.add_metric(self._labels, counters.prediction_count)
        yield predictions
        unusual = CounterMetricFamily(
            "model_rows_outside_usual_ranges", "Rows predicted that are not like the bundle's sample.", labels=_NAMES
        )
        unusual.add_metric(self._labels, counters.unusual_rows)
        yield unusual
        info = InfoMetricFamily("model", "The model that is served.")
        info.add_metric([], {"name": self._labels[0], "version": self._labels[1], "revision": self._labels[2],
                             "digest": self._state.digest or ""})  # fmt: skip
        yield info
        built = InfoMetricFamily("model_server_build", "What serves it, with the packages that read models.")
        packages = {name.replace("-", "_"): version for name, version in libraries.everything().items()}
        built.add_metric([], {"version": __version__, **packages})
        yield built

    def _requests(self, counters: Counters) -> CounterMetricFamily:
        family = CounterMetricFamily("model_requests", "Predict requests by outcome.", labels=[*_NAMES, "outcome"])
        answered = counters.requests - counters.errors - counters.refusals
        family.add_metric([*self._labels, "answered"], answered)
        family.add_metric([*self._labels, "refused"], counters.refusals)
        family.add_metric([*self._labels, "failed"], counters.errors)
        return family

    def _latency(self, counters: Counters, edges: Sequence[float]) -> HistogramMetricFamily:
        buckets, below, done = [], 0, 0
        for i in self._shown:
            below += sum(counters.latency_counts[done : i + 1])
            done = i + 1
            buckets.append((f"{edges[i] / 1000:g}", float(below)))
        buckets.append(("+Inf", float(sum(counters.latency_counts))))
        family = HistogramMetricFamily(
            "model_request_duration_seconds", "Latency of predict requests inside the server.", labels=_NAMES
        )
        family.add_metric(self._labels, buckets, counters.latency_sum_ms / 1000)
        return family

    def _gauge(self, name: str, text: str, value: float) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=_NAMES)
        family.add_metric(self._labels, value)
        return family


_NAMES = ("model", "version", "revision")


class Metrics:
    """The pages of /metrics: the process's own, and the model's."""

    def __init__(self, state: State) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(TrafficCollector(state))

    def page(self) -> bytes:
        return generate_latest(REGISTRY) + generate_latest(self._registry)
