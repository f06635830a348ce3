"""One pod's life: it waits for room, loads, serves, crashes, is restarted, and ends."""

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import StrEnum

from modelrollout import names
from modelrollout.core.facts import PodTrouble
from modelrollout.judge import Baseline, Latency, Sample
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.scores import Predicted, counters

EDGES_MS = tuple(sorted({*(float(f"{5 * 1.1**i:.6g}") for i in range(60)), 50.0, 200.0, 500.0, 1000.0}))
"""The serving image's, from 5 ms to 1.4 s."""
GRACE = 3
"""Seconds between a pod's deletion and its end; it still answers in them."""
LIVENESS = 30
"""Seconds after which a process that hangs is killed."""
STUCK = 60 + LIVENESS
"""Seconds after which a process that finishes nothing is killed: its health port says so after 60 s."""
UNREADY = 3
"""Seconds after which a process that hangs is no longer ready."""
BACK_OFF = (2, 4, 8)
"""Seconds between a crash and the next start."""
SIDECAR_ENDED, GATE = "container mesh: exit code 0", "readiness gate example.com/load-balancer"
MESSAGE_NO_ROOM = "0/1 nodes are available: 1 Insufficient cpu"


class State(StrEnum):
    UNSCHEDULED = "Unscheduled"
    PULLING = "Pulling"
    LOADING = "Loading"
    RUNNING = "Running"
    STUCK = "Stuck"
    HANGING = "Hanging"
    BACK_OFF = "BackOff"


@dataclass(slots=True)
class Counters:
    """Monotone counters of one process."""

    requests: int = 0
    errors: int = 0
    refusals: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(EDGES_MS) + 1))
    predictions: Predicted = field(default_factory=Predicted)


@dataclass(slots=True)
class Pod:
    """One pod of one revision."""

    name: str
    uid: str
    revision: str
    version: str
    labels: names.Labels
    mark: str = ""
    state: State = State.UNSCHEDULED
    since: int = 0
    ready: bool = False
    was_ready: bool = False
    restarts: int = 0
    """Of the server."""
    sidecar_restarts: int = 0
    sidecar_since: int = 0
    """When its sidecar started or ended last."""
    trouble: PodTrouble | None = None
    words: str = ""
    node: str = ""
    ends: int | None = None
    """When a pod that is being deleted is gone."""
    answered: int = 0
    """Requests that it was ever sent, over restarts."""
    waits: int = 0
    """Seconds for which its oldest request has been under way."""
    counters: Counters = field(default_factory=Counters)
    baseline: Baseline | None = None
    """Of the model that is loaded."""

    @property
    def ending(self) -> bool:
        return self.ends is not None

    @property
    def answers(self) -> bool:
        """Whether its health port does."""
        return self.state in {State.RUNNING, State.STUCK}

    def matches(self, selector: names.Labels) -> bool:
        return bool(selector) and selector.items() <= self.labels.items()

    def sample(self) -> Sample:
        counted = self.counters
        return Sample(
            pod=self.name,
            instance=f"{self.uid}:{self.restarts}",
            requests=counted.requests,
            errors=counted.errors,
            refusals=counted.refusals,
            latency=Latency(EDGES_MS, tuple(counted.latency)),
            oldest_inflight_s=float(self.waits),
            predictions=counted.predictions.seen(),
            baseline=self.baseline,
        )

    def step(self, now: int, behaviour: Behaviour) -> None:
        """One second later."""
        if self.state is State.PULLING:
            self._pull(now, behaviour)
        elif self.state is State.LOADING:
            self._load(now, behaviour)
        elif self.state is State.RUNNING:
            self._run(now, behaviour)
        elif self.state is State.STUCK:
            self._wait(now, behaviour)
        elif self.state is State.HANGING:
            self._hang(now)
        elif self.state is State.BACK_OFF and now - self.since >= BACK_OFF[min(self.restarts, len(BACK_OFF)) - 1]:
            self._enter(State.LOADING, now)

    def _enter(self, state: State, now: int) -> None:
        self.state, self.since = state, now

    def schedule(self, now: int) -> None:
        self.trouble, self.words = None, ""
        self._enter(State.PULLING, now)

    def wait_for_room(self) -> None:
        self.trouble, self.words = PodTrouble.UNSCHEDULABLE, MESSAGE_NO_ROOM

    def _pull(self, now: int, behaviour: Behaviour) -> None:
        if not behaviour.pullable:
            self.trouble, self.words = PodTrouble.CANNOT_PULL, "Back-off pulling image"
            return
        self.trouble, self.words = None, ""
        self._enter(State.LOADING, now)

    def _load(self, now: int, behaviour: Behaviour) -> None:
        if behaviour.never_ready or now - self.since < behaviour.load:
            return
        if behaviour.fails_to_load is not None:
            self.crash(now, behaviour.fails_to_load, behaviour.words)
            return
        self._enter(State.RUNNING, now)
        self.ready = self.was_ready = True
        self.sidecar_since = now
        if behaviour.gate_opens_after:
            self._out_of_service(PodTrouble.READINESS_GATE, GATE)
        self.baseline = behaviour.baseline
        self.counters.predictions = counters(behaviour.baseline)

    def _out_of_service(self, trouble: PodTrouble, words: str) -> None:
        """Its server goes on: only the pod is not ready."""
        self.ready, self.trouble, self.words = False, trouble, words

    def _in_service(self) -> None:
        self.ready, self.trouble, self.words = True, None, ""

    def _beside(self, now: int, behaviour: Behaviour) -> None:
        """What is not its server's: a readiness gate and a sidecar."""
        if self.trouble is PodTrouble.READINESS_GATE and now - self.since >= behaviour.gate_opens_after:
            self._in_service()
        lives, ago = behaviour.sidecar_ends_after, now - self.sidecar_since
        if lives is not None and self.ready and ago >= lives:
            self.sidecar_restarts, self.sidecar_since = self.sidecar_restarts + 1, now
            self._out_of_service(PodTrouble.CRASHED, SIDECAR_ENDED)
        elif self.words == SIDECAR_ENDED and ago >= BACK_OFF[min(self.sidecar_restarts, len(BACK_OFF)) - 1]:
            self.sidecar_since = now
            self._in_service()

    def _run(self, now: int, behaviour: Behaviour) -> None:
        self._beside(now, behaviour)
        if behaviour.oom_after is not None and self.counters.requests >= behaviour.oom_after:
            self.crash(now, PodTrouble.OOM_KILLED, "limit 2Gi")
        elif behaviour.hangs_after is not None and self.counters.requests >= behaviour.hangs_after:
            self._enter(State.HANGING, now)
        elif behaviour.stuck_after is not None and self.counters.requests >= behaviour.stuck_after:
            self._enter(State.STUCK, now)
        elif behaviour.crashes_after is not None and now - self.since >= behaviour.crashes_after:
            self.crash(now, PodTrouble.CRASHED, behaviour.words)

    def _wait(self, now: int, behaviour: Behaviour) -> None:
        """One request under way keeps all others, until what it waits for is there again."""
        if behaviour.stuck_after is None:
            self.waits = 0
            self._enter(State.RUNNING, now)
            return
        self.waits = now - self.since
        if self.waits >= STUCK:
            self.crash(now, PodTrouble.KILLED_BY_LIVENESS, "")

    def _hang(self, now: int) -> None:
        if now - self.since >= UNREADY:
            self.ready = False
        if now - self.since >= LIVENESS:
            self.crash(now, PodTrouble.KILLED_BY_LIVENESS, "")

    def crash(self, now: int, trouble: PodTrouble, words: str) -> None:
        """The container ends; the kubelet starts it again after a while."""
        self.ready, self.trouble, self.words = False, trouble, words
        self.restarts += 1
        self.waits = 0
        self.counters = Counters()
        self._enter(State.BACK_OFF, now)

    def answer(self, requests: int, behaviour: Behaviour) -> int:
        """Take so many requests; gives how many were not answered well."""
        counted = self.counters
        self.answered += requests
        if self.state is not State.RUNNING:
            return requests
        failed = _crossed(counted.requests, requests, behaviour.errors)
        refused = _crossed(counted.requests, requests, behaviour.refusals)
        counted.requests += requests
        counted.errors += failed
        counted.refusals += refused
        counted.latency[_bucket(behaviour.latency_ms)] += requests
        counted.predictions.add(behaviour.scores, requests - failed - refused)
        return failed + refused


def _crossed(before: int, more: int, share: float) -> int:
    """How many of the next requests are hits when each has this share: 3 of 4 at .75, one after the other."""
    return int((before + more) * share + 1e-9) - int(before * share + 1e-9)


def _bucket(latency_ms: float) -> int:
    return bisect_left(EDGES_MS, latency_ms)
