"""How a model behaves once it is in a pod. Every share is reached by counting, not by chance: runs repeat exactly."""

from dataclasses import dataclass

from modelrollout.core.facts import PodTrouble
from modelrollout.judge import Baseline


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One version of a model, good unless told otherwise."""

    load: int = 3
    """Seconds from a container's start until it is ready."""
    errors: float = 0.0
    """Share of the requests that fail."""
    refusals: float = 0.0
    """Share of the requests that are answered with a 4xx."""
    latency_ms: float = 20.0
    scores: tuple[float, ...] = ()
    """What it predicts, again and again in this order; empty for a server that counts no predictions."""
    baseline: Baseline | None = None
    """What its artefact says that it predicts."""
    oom_after: int | None = None
    """Requests that one process survives."""
    hangs_after: int | None = None
    """Requests after which a process answers nobody any more, its health port neither."""
    stuck_after: int | None = None
    """Requests after which a process finishes nothing any more while its health port goes on answering."""
    fails_to_load: PodTrouble | None = None
    words: str = ""
    """What the container says when it ends."""
    crashes_after: int | None = None
    """Seconds that a process lives once it is ready: a crash loop with a flapping Ready."""
    sidecar_ends_after: int | None = None
    """Seconds that a sidecar of its pods lives: while it waits to be started again the pod is out of service."""
    gate_opens_after: int = 0
    """Seconds after which somebody says that a readiness gate of its pods is met."""
    pullable: bool = True
    """Whether its image can be pulled."""
    never_ready: bool = False


GOOD = Behaviour()
