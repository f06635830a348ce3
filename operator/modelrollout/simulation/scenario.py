"""A story to play: a first spec, how each version behaves, and what happens when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelrollout.api.status import ModelRolloutStatus, Phase, Stage
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.driver import Driver


class Happening(Protocol):
    """Something that happens to the world from outside."""

    def happen(self, driver: Driver) -> None:
        """Do it."""

    def __str__(self) -> str:
        """What a story says of it."""


@dataclass(frozen=True, slots=True)
class Until:
    """What the status must say before the next thing happens. What is left out is not asked for."""

    phase: Phase | None = None
    stage: Stage | None = None
    weight: int | None = None
    stable: str | None = None
    """Stable's version."""
    candidate: str | None = None
    """The candidate's version; "" for none."""
    reason: str | None = None
    """The reason of the condition Ready."""

    def met(self, status: ModelRolloutStatus) -> bool:
        candidate = status.candidate
        ready = next((one.reason for one in status.conditions if one.type == "Ready"), "")
        asked_and_found = (
            (self.phase, status.phase),
            (self.stage, candidate.stage if candidate is not None else None),
            (self.weight, candidate.weight if candidate is not None else None),
            (self.stable, status.stable.version if status.stable is not None else ""),
            (self.candidate, candidate.version if candidate is not None else ""),
            (self.reason, ready),
        )
        return all(asked is None or asked == found for asked, found in asked_and_found)


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happens: `after` seconds from when `until` is met and the moment before is over."""

    do: Happening
    until: Until = Until()
    after: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole story."""

    name: str
    spec: Mapping[str, Any]
    moments: tuple[Moment, ...] = ()
    models: Mapping[str, Behaviour] = field(default_factory=dict)
    """By version; those that are left out are good."""
    rate: int = 20
    """Requests a second."""
    scaled_to: float | None = None
    """Requests a second that an autoscaler gives each pod; None where there is none."""
    linger: int = 0
    """Seconds for which keep-alive clients stay on pods that have left."""
    room: int | None = None
    """Pods that the cluster has room for."""
    steady: bool = True
    """Whether capacity can be held to N at every second: no pod is lost and the size stays."""
    by_hand: bool = False
    """Whether somebody promotes, or lets promote, without evidence."""
    longest: int = 900
    """Seconds after which the story is over in any case."""
    quiet: int = 30
    """Seconds without a write after the last moment that end the story."""
    rollout: str = "churn"
    """The resource's name."""
