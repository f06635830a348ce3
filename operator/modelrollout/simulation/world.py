"""Cluster, resource and clock together, with every write numbered, so that an operator can be killed after each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from modelrollout.api.status import ModelRolloutStatus
from modelrollout.core.decision import Action, Note
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.invariants import Guard
from modelrollout.simulation.resource import Resource
from modelrollout.simulation.writes import carry_out

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class Killed(Exception):  # noqa: N818  # an event of the scenario, not an error
    """The operator's process ended right after a write."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of what happened."""

    at: int
    kind: str
    """write, commit, note or happening."""
    text: str
    status: ModelRolloutStatus | None = None
    warning: bool = False
    """Of a note: whether its Event is a warning."""


@dataclass(slots=True)
class World:
    """Everything there is in one run."""

    cluster: Cluster
    resource: Resource
    default_image: str
    guard: Guard
    kill_after: frozenset[int] = frozenset()
    """Numbers of writes, from 1, after which the operator is killed."""
    writes: int = 0
    wrote_at: int = 0
    """When there was a write or a happening last: what follows takes its time."""
    entries: list[Entry] = field(default_factory=list)

    @property
    def now(self) -> int:
        """Seconds since the beginning."""
        return self.cluster.now

    @property
    def time(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.now)

    def commit(self, status: ModelRolloutStatus, version: int) -> None:
        """Write the status.

        Raises:
            Stale: the resource has changed since that version.
            Unwritten: the API server does not take it.
            Killed: the scenario ends the operator here.

        """
        before = self.resource.status
        self.resource.commit(status, version)
        self.guard.committed(self.cluster, before, self.resource.status)
        with self._numbered():
            self.entries.append(Entry(self.now, "commit", str(status.phase), self.resource.status))

    def carry_out(self, action: Action) -> bool:
        """Do one action; gives whether it took a write.

        Raises:
            Stale: a compare-and-swap failed.
            Killed: the scenario ends the operator here.

        """
        ready = self.guard.ready(self.cluster)
        if not carry_out(action, self.cluster):
            return False
        self.guard.wrote(action, ready, self.cluster, self.resource.status)
        with self._numbered():
            self.entries.append(Entry(self.now, "write", str(action)))
        return True

    def note(self, note: Note) -> None:
        self.guard.noted(note)
        text = f"{note.reason}: {note.message}"
        self.entries.append(Entry(self.now, "note", text, self.resource.status, note.warning))

    def happened(self, text: str) -> None:
        self.wrote_at = self.now
        self.entries.append(Entry(self.now, "happening", text))

    @contextmanager
    def _numbered(self) -> Iterator[None]:
        yield
        self.writes += 1
        self.wrote_at = self.now
        if self.writes in self.kill_after:
            raise Killed
