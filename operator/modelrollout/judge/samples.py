"""One scrape of one pod, as the judge takes it: monotone counters of one server process."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Latency:
    """Requests per latency bucket since the process started, the pod's warm-up left out."""

    edges_ms: tuple[float, ...] = ()
    """Ascending upper edges, in milliseconds."""
    counts: tuple[int, ...] = ()
    """One more than edges: counts[i] requests took at most edges_ms[i]; the last took longer than every edge."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The counters of one pod at one scrape."""

    pod: str
    """The pod's name."""
    instance: str
    """Pod uid and process start: a counter that falls under the same instance, too, is a new origin."""
    requests: int
    errors: int
    refusals: int
    latency: Latency = Latency()
    oldest_inflight_s: float = 0.0
    memory_bytes: int = 0
    """Memory in use; 0 where the server does not tell."""


@dataclass(frozen=True, slots=True)
class Round:
    """All pods of one rollout scraped together; a pod whose scrape failed is absent."""

    candidate: tuple[Sample, ...] = ()
    stable: tuple[Sample, ...] = ()
