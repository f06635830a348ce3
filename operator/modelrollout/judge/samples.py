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
class Predictions:
    """What a process has predicted since it started, as numbers: enough for their mean, spread and shape."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    """Sum of squares."""
    edges: tuple[float, ...] = ()
    """Ascending upper edges that came with the model's baseline; empty where it has none."""
    counts: tuple[int, ...] = ()
    """One more than edges, or none."""


NO_PREDICTIONS = Predictions()


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a model predicted on its validation set, as its artefact carries it."""

    count: int
    mean: float
    deviation: float
    """Standard deviation."""
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


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
    cpu_seconds: float = 0.0
    """Processor time since the process started; 0 where the server does not tell."""
    predictions: Predictions = NO_PREDICTIONS
    baseline: Baseline | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """All pods of one rollout scraped together; a pod whose scrape failed is absent."""

    candidate: tuple[Sample, ...] = ()
    stable: tuple[Sample, ...] = ()
