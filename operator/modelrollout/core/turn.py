"""What every part of the core is given, and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import Alias, Candidate, HistoryEntry, ModelRolloutStatus, Outcome
from modelrollout.core import plan
from modelrollout.core.decision import Note
from modelrollout.core.facts import RegistryTrouble, Rollout, Seen

BAD = frozenset({Outcome.REJECTED, Outcome.ABORTED, Outcome.UNHEALTHY})
"""Outcomes after which a revision is not tried again by itself."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One look at one rollout with a spec that can be read."""

    rollout: Rollout
    """Its model names a version where the spec names an alias whose version is known."""
    spec: ModelRolloutSpec
    seen: Seen
    now: datetime
    alias: Alias | None = None
    """The alias that the spec names, with the version that it stands for now."""
    trouble: RegistryTrouble | None = None
    """Why the registry that the spec names could not be asked."""
    named: bool = True
    """Whether it is known which model the spec asks for."""

    @property
    def unfollowed(self) -> str:
        """Why the spec cannot be followed now, as a sentence; empty when it can."""
        waits = self.trouble.message if self.trouble is not None and not self.named else ""
        return self.rollout.invalid or waits


@dataclass(frozen=True, slots=True)
class Moved:
    """A status after one part of the core, and what is worth an Event."""

    status: ModelRolloutStatus
    notes: tuple[Note, ...] = ()

    def after(self, *notes: Note) -> "Moved":
        """The same with notes that come first."""
        return Moved(self.status, (*notes, *self.notes))


Part = Callable[[Turn, ModelRolloutStatus], Moved]


def chain(turn: Turn, start: ModelRolloutStatus, parts: tuple[Part, ...]) -> Moved:
    """Run parts one after the other, each on the status that the one before left."""
    moved = Moved(start)
    for part in parts:
        moved = part(turn, moved.status).after(*moved.notes)
    return moved


def stops_of(turn: Turn, status: ModelRolloutStatus) -> tuple[plan.Stop, ...]:
    return plan.stops(turn.spec, max(1, status.size))


def stop_of(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> plan.Stop:
    """The present stop. The weight says which, since the steps may have been edited under the candidate."""
    return plan.stop_at(turn.spec, max(1, status.size), candidate.weight)


def is_paused(turn: Turn, status: ModelRolloutStatus) -> bool:
    return turn.spec.paused or status.paused


def entry_of(status: ModelRolloutStatus, revision: str) -> HistoryEntry | None:
    return next((entry for entry in reversed(status.history) if entry.revision == revision), None)


def is_rejected(status: ModelRolloutStatus, revision: str) -> bool:
    """Whether a revision may not be tried again by itself."""
    entry = entry_of(status, revision)
    return entry is not None and entry.outcome in BAD


def asks_for_another(status: ModelRolloutStatus) -> bool:
    """Whether the spec asks for a model that is not stable and may be tried."""
    stable, current = status.stable, status.current
    if stable is None or current is None or current.revision == stable.revision:
        return False
    return not is_rejected(status, current.revision)


def keeps_size(turn: Turn, status: ModelRolloutStatus) -> bool:
    """Whether no pods are taken away: in a rollout, on a way back, and until what was measured in it is over."""
    early = status.smaller_from is not None and turn.now < status.smaller_from
    return early or status.candidate is not None or status.retreat is not None or asks_for_another(status)


def asked_size(spec: ModelRolloutSpec) -> int:
    """Pods that the spec asks for; 0 is asleep. A manifest that is applied again with an old number keeps the floor."""
    floor = spec.autoscaling.min_replicas if spec.autoscaling is not None else 0
    return max(spec.replicas, floor) if spec.replicas else 0


def is_healthy(status: ModelRolloutStatus, revision: str) -> bool:
    """Whether a revision was stable once and nothing is known against it."""
    entry = entry_of(status, revision)
    return entry is not None and entry.promoted is not None and entry.outcome is Outcome.PROMOTED


def recorded(status: ModelRolloutStatus, entry: HistoryEntry) -> ModelRolloutStatus:
    """The status with an outcome added; a revision has one entry, and keeps the time it was last promoted."""
    before = entry_of(status, entry.revision)
    if before is not None and entry.promoted is None:
        entry = entry.but(promoted=before.promoted)
    others = [one for one in status.history if one.revision != entry.revision]
    return status.but(history=[*others, entry])
