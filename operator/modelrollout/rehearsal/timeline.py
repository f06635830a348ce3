"""The timeline of a rehearsal: what a person who watches the resource and its Events would see."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from modelrollout.api.status import ModelRolloutStatus
from modelrollout.rehearsal.play import Rehearsal
from modelrollout.simulation.world import Entry


@dataclass(frozen=True, slots=True)
class Line:
    """One line: something that happened, an Event, or a change of where the rollout stands."""

    seconds: int
    kind: str
    """happening (from outside), event, change, or write (what the operator did)."""
    phase: str
    step: str
    asked: int | None
    """Percent of the requests that the spec asks for."""
    pods: float | None
    """Percent that the ready pods make."""
    text: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def timeline(played: Rehearsal) -> tuple[Line, ...]:
    """From the moment at which the spec asks for the new model, which is second 0."""
    return tuple(line for line in _lines(played) if line.seconds >= 0)


def _lines(played: Rehearsal) -> Iterator[Line]:
    entries = played.run.world.entries
    status, shown = ModelRolloutStatus(), ""
    for entry, following in zip_longest(entries, entries[1:]):
        status = entry.status if entry.status is not None else status
        if entry.kind == "commit":
            told = following is not None and following.kind == "note"
            if told or _where(status) == shown:
                continue
        if entry.kind in {"commit", "note"}:
            shown = _where(status)
        yield _line(entry, status, played.began)


_KINDS = {"note": "event", "commit": "change"}


def _line(entry: Entry, status: ModelRolloutStatus, began: int) -> Line:
    weights = status.weights
    return Line(
        seconds=entry.at - began,
        kind=_KINDS.get(entry.kind, entry.kind),
        phase=str(status.phase),
        step=status.step,
        asked=weights.asked if weights is not None else None,
        pods=weights.pods if weights is not None else None,
        text=status.message if entry.kind == "commit" else entry.text,
    )


def _where(status: ModelRolloutStatus) -> str:
    weights = status.weights
    made = (weights.asked, weights.pods) if weights is not None else None
    return f"{status.phase} {status.step} {made}"
