"""What became of each request: the facts that the load client writes down and the summaries read.

Times are seconds since the epoch, taken from the monotonic clock and one reading of the wall clock, so that they can
be compared with each other exactly and with Kubernetes' own times nearly.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class Kind(StrEnum):
    """How a request ended; the first two are no losses."""

    ANSWERED = "answered"
    """2xx."""
    EXPECTED = "expected"
    """A status that a model under test is known to give for this very row."""
    REFUSED = "refused"
    """4xx that nobody expected."""
    FAILED = "failed"
    """5xx (or 3xx, or no HTTP) that nobody expected."""
    NO_CONNECTION = "no connection"
    """The connection was refused or could not be made."""
    RESET = "reset"
    """The connection was reset before the answer was whole."""
    CLOSED = "closed"
    """The connection ended before the answer was whole, without a reset."""
    TIMEOUT = "timeout"
    """Not answered in time, sent or not."""


LOSSES = frozenset(Kind) - {Kind.ANSWERED, Kind.EXPECTED}


@dataclass(frozen=True, slots=True)
class Record:
    """One request."""

    number: int
    due: float
    """When it should have been sent; latency counts from here, so waiting for a connection counts."""
    answered: float
    """When the whole answer was there, or when it was given up."""
    kind: Kind
    connection: int
    """Counts the connections that were made; 0 where none was."""
    fresh: bool
    """Whether it had a connection of its own."""
    status: int = 0
    version: str = ""
    """`model_version` of the answer."""
    revision: str = ""
    """Revision that answered, from `prediction_id`."""
    process: str = ""
    """Server process that answered, from `prediction_id`; each pod's is another one."""
    closing: bool = False
    """Whether the answer ended its connection."""
    words: str = ""
    """Start of an answer that is no success, or the error's text."""

    @property
    def bad(self) -> bool:
        """Whether a person would call the answer bad, the model's own failures included."""
        return self.kind is not Kind.ANSWERED

    @property
    def lost(self) -> bool:
        return self.kind in LOSSES

    @property
    def latency_ms(self) -> float:
        return (self.answered - self.due) * 1000

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        return cls(**{**fields, "kind": Kind(fields["kind"])})
