"""Plays a manifest through a plot until nothing more is to be expected.

A story of `simulation` ends when nothing was written for a while. A user's manifest may bake for five minutes and
wait an hour for evidence, so this one ends when the rollout has come to an end: promoted, rolled back, or held by
something that only a person or the world can change.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import Phase, Stage
from modelrollout.core.facts import Rollout
from modelrollout.core.holds import INCONCLUSIVE, WARNED_OF
from modelrollout.core.plan import stop_at, stops
from modelrollout.itinerary import size_of
from modelrollout.rehearsal.plots import Cast, Plot
from modelrollout.simulation.happenings import Command, Edit
from modelrollout.simulation.run import Run, begin
from modelrollout.simulation.scenario import Moment, Scenario, Until

STABLE = "previous"
"""What the old model is called, since a manifest names only the new one."""
UNNAMED = "candidate"
SETTLED_FOR = 15
"""Seconds for which an end has to last."""
PERSON_COMES_AFTER = 30
"""Seconds after which a person resumes a step that waits for one."""
LONGEST = 24 * 3600
_LATENCY_LIMIT_MS = 500.0


@dataclass(frozen=True, slots=True)
class Requests:
    """What clients sent and what became of it."""

    sent: int = 0
    failed: int = 0
    """Not answered well by a pod."""
    unserved: int = 0
    """Found no pod."""

    def __sub__(self, other: "Requests") -> "Requests":
        return Requests(self.sent - other.sent, self.failed - other.failed, self.unserved - other.unserved)


def sent(run: Run) -> Requests:
    load = run.world.cluster.load
    return Requests(load.sent, load.failed, load.unserved)


@dataclass(frozen=True, slots=True)
class Wait:
    """A state that lasts until somebody does something."""

    patience: int
    """Seconds for which it has to last until it is taken for what it seems."""
    for_a_person: bool = False
    """Whether a person is expected, who then comes."""


@dataclass(slots=True)
class Rehearsal:
    """A rehearsal in progress, or over."""

    plot: Plot
    run: Run
    spec: ModelRolloutSpec
    candidate: str
    """Its version."""
    wait: Wait | None = None
    """What the rollout is in now, where nothing more happens by itself."""
    since: int = 0
    """When that began."""
    began: int = 0
    """When the spec asked for the new model; all before is setting the stage."""
    before: Requests = Requests()
    """What was sent until then."""

    @property
    def seconds(self) -> int:
        return self.run.world.now

    @property
    def requests(self) -> Requests:
        """Since the spec asked for the new model."""
        return sent(self.run) - self.before


def rehearse(rollout: Rollout, plot: Plot, rate: int) -> Rehearsal:
    """Play to the end, with `rate` requests a second."""
    if rollout.spec is None:
        raise ValueError(f"{rollout.name} cannot be rehearsed: {rollout.invalid}")
    cast = _cast(rollout.spec)
    played = Rehearsal(plot, begin(_scenario(rollout, rollout.spec, plot, rate)), rollout.spec, cast.candidate)
    _set_the_stage(played)
    while played.seconds < LONGEST and not is_endless(played):
        played.run.tick()
        _notice(played)
        if played.wait is None or played.seconds - played.since < played.wait.patience:
            continue
        if not played.wait.for_a_person:
            break
        _resume(played)
    return played


def _set_the_stage(played: Rehearsal) -> None:
    """Until the old model serves and the spec asks for the new one."""
    first = played.run.waiting[0]
    while first in played.run.waiting and played.seconds < LONGEST:
        played.before, played.began = sent(played.run), played.seconds + 1
        played.run.tick()


def _cast(spec: ModelRolloutSpec) -> Cast:
    limits = spec.health.limits
    given = (limits.p50_latency_ms, limits.p95_latency_ms, limits.p99_latency_ms)
    return Cast(
        stable=STABLE,
        candidate=spec.model.version or UNNAMED,
        pods=size_of(spec),
        latency_limit_ms=min((one for one in given if one is not None), default=_LATENCY_LIMIT_MS),
    )


def _scenario(rollout: Rollout, spec: ModelRolloutSpec, plot: Plot, rate: int) -> Scenario:
    cast = _cast(spec)
    asked: dict[str, Any] = {"model": {**rollout.model, "version": cast.candidate}, "paused": spec.paused}
    before = {"model": {"uri": "https://models.example.com/previous.onnx", "version": STABLE}}
    settled = Until(reason="Stable")
    return Scenario(
        name=plot.name,
        spec={**spec.to_json(), **before, "server": rollout.server, "replicas": cast.pods, "paused": False},
        moments=(Moment(Edit(asked, f"the spec asks for {cast.candidate}"), settled, 3), *plot.cues(cast)),
        models=plot.models(cast),
        rate=rate if plot.traffic else 0,
        steady=False,
        by_hand=True,
        rollout=rollout.name,
    )


def _notice(played: Rehearsal) -> None:
    wait = _wait(played)
    if wait != played.wait:
        played.wait, played.since = wait, played.seconds


def is_endless(played: Rehearsal) -> bool:
    """Whether it goes round in circles: far more Events than the way to weight 100 has."""
    events = sum(1 for entry in played.run.world.entries if entry.kind == "note")
    return events >= 40 + 6 * len(stops(played.spec, size_of(played.spec)))


def _wait(played: Rehearsal) -> Wait | None:
    """The end, or a wait that only a person or the world can end; None while something is under way or to come."""
    status = played.run.world.resource.status
    if _is_at_a_pause_for_a_person(played):
        return Wait(PERSON_COMES_AFTER, for_a_person=True)
    if played.run.waiting:
        return None
    hold = status.hold
    if hold is not None and hold.reason in WARNED_OF - {INCONCLUSIVE}:
        return Wait(int((played.spec.progress_deadline + timedelta(seconds=60)).total_seconds()))
    held = hold is not None and hold.reason == INCONCLUSIVE
    paused = status.phase is Phase.PAUSED and played.spec.paused
    under_way = status.candidate is not None or status.retreat is not None
    ended = any(one.status == "True" for one in status.conditions if one.type in {"Ready", "Stalled"})
    return Wait(SETTLED_FOR) if held or paused or (ended and not under_way) else None


def _is_at_a_pause_for_a_person(played: Rehearsal) -> bool:
    candidate = played.run.world.resource.status.candidate
    if candidate is None or candidate.stage is not Stage.PAUSED or played.spec.paused:
        return False
    pause = stop_at(played.spec, size_of(played.spec), candidate.weight).pause
    return pause is not None and pause.duration is None


def _resume(played: Rehearsal) -> None:
    played.wait = None
    command = Command("resume", played.candidate, f"c{played.seconds}")
    played.run.world.happened(str(command))
    command.happen(played.run.driver)
