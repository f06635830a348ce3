"""One pod's life: it waits for room, loads, serves, crashes, is restarted, and ends."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from operator import add, mul

from modelrollout import names
from modelrollout.core.facts import PodTrouble
from modelrollout.judge import Baseline, Latency, Predictions, Sample
from modelrollout.judge.samples import NO_PREDICTIONS
from modelrollout.simulation.behaviours import Behaviour

EDGES_MS = (50.0, 200.0, 500.0, 1000.0)
EDGES, MIDDLES = (0.2, 0.4, 0.6, 0.8), (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of predictions: the edges of fifths, and a value in each."""
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
    predicted: tuple[int, ...] = ()
    """In each fifth from 0 to 1."""
    baseline: tuple[int, ...] = ()


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
    trouble: PodTrouble | None = None
    words: str = ""
    ends: int | None = None
    """When a pod that is being deleted is gone."""
    waits: int = 0
    """Seconds for which its oldest request has been under way."""
    counters: Counters = field(default_factory=Counters)

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
            predictions=_predictions(counted.predicted),
            baseline=_baseline(counted.baseline),
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

    def _run(self, now: int, behaviour: Behaviour) -> None:
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
        if self.state is not State.RUNNING:
            return requests
        failed = _crossed(counted.requests, requests, behaviour.errors)
        refused = _crossed(counted.requests, requests, behaviour.refusals)
        counted.requests += requests
        counted.errors += failed
        counted.refusals += refused
        counted.latency[_bucket(behaviour.latency_ms)] += requests
        if behaviour.predicts:
            counted.baseline = tuple(100 * part for part in behaviour.baseline)
            shares = [part / sum(behaviour.predicts) for part in behaviour.predicts]
            more = [_crossed(counted.requests - requests, requests, share) for share in shares]
            counted.predicted = tuple(map(add, counted.predicted or (0,) * len(more), more))
        return failed + refused


def _crossed(before: int, more: int, share: float) -> int:
    """How many of the next requests are hits when each has this share: 3 of 4 at .75, one after the other."""
    return int((before + more) * share + 1e-9) - int(before * share + 1e-9)


def _predictions(counts: tuple[int, ...]) -> Predictions:
    if not counts:
        return NO_PREDICTIONS
    total, squares = (sum(map(mul, counts, values)) for values in (MIDDLES, [one * one for one in MIDDLES]))
    return Predictions(sum(counts), total, squares, EDGES, counts)


def _baseline(counts: tuple[int, ...]) -> Baseline | None:
    if not counts:
        return None
    seen = _predictions(counts)
    mean = seen.total / seen.count
    return Baseline(seen.count, mean, math.sqrt(max(0.0, seen.squares / seen.count - mean * mean)), EDGES, counts)


def _bucket(latency_ms: float) -> int:
    return next((index for index, edge in enumerate(EDGES_MS) if latency_ms <= edge), len(EDGES_MS))
