"""What the two threads know of each other: the phase, the model once it is loaded, and the counters.

Each field is written by one thread and replaced whole, so that the other one reads it without a lock.
"""

import time
from collections.abc import Callable
from enum import StrEnum

from modelserver.buckets import latency_edges_ms
from modelserver.models import Artifact
from modelserver.scores import prediction_edges
from modelserver.settings import Settings
from modelserver.sources import Fetched
from modelserver.traffic import Traffic


class Phase(StrEnum):
    LOADING = "loading"
    OK = "ok"
    DRAINING = "draining"


class State:
    def __init__(self, settings: Settings, clock: Callable[[], float] = time.perf_counter) -> None:
        self.settings = settings
        self.started_ns = time.time_ns()
        self.traffic = Traffic(latency_edges_ms(settings.latency_edges_ms), clock)
        self.phase = Phase.LOADING
        self.artifact: Artifact | None = None
        self.digest: str | None = None

    @property
    def instance(self) -> str:
        """Names this process among all that ever reported: counters start anew with it."""
        return f"{self.settings.pod_uid or self.settings.pod_name}:{self.started_ns}"

    @property
    def ready(self) -> bool:
        return self.phase is Phase.OK

    def loaded(self, fetched: Fetched, artifact: Artifact) -> None:
        self.digest = fetched.digest
        baseline = artifact.metadata.baseline
        own = baseline.edges if baseline is not None else ()
        self.traffic.use_prediction_edges(own or prediction_edges(artifact.metadata.classes))
        self.artifact = artifact

    def open(self) -> None:
        """The model is warm and the port listens."""
        if self.phase is Phase.LOADING:
            self.traffic.open()
            self.phase = Phase.OK

    def drain(self) -> None:
        """SIGTERM: unready at once, and nothing counts from here on."""
        self.traffic.freeze()
        self.phase = Phase.DRAINING
