"""Fields that something else writes as often as the operator does: noticed after a few rounds, then left for a while.

An admission webhook that caps a size, a controller or a person that puts a value back: each write of ours would be
answered by theirs, for ever. Kept in memory only; after a restart the first rounds are played again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

MOST = 3
"""Writes of the same value to the same field after which it counts as a fight."""
AGAIN, OVER = 60.0, 600.0
"""Seconds until a lost field is written again, and after which a write is forgotten."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """Writes of one value to one field."""

    wanted: str
    count: int
    at: float
    """When the last one was, in seconds of the monotonic clock."""


@dataclass(slots=True)
class Fights:
    """The fields of one rollout's children that were written."""

    clock: Callable[[], float] = time.monotonic
    rounds: dict[str, Rounds] = field(default_factory=dict)
    """By the field, as people read it: "Deployment churn-7f: replicas"."""

    def may_write(self, where: str, wanted: object) -> bool:
        """Whether a value is to be written: not within a minute of one that did not stay, three times."""
        known = self._same(where, wanted)
        return known is None or known.count < MOST or self.clock() - known.at >= AGAIN

    def wrote(self, where: str, wanted: object) -> None:
        """Remember a write."""
        known = self._same(where, wanted)
        self.rounds[where] = Rounds(str(wanted), known.count + 1 if known is not None else 1, self.clock())

    def begins(self, where: str) -> None:
        """Forget the writes to an object that was made anew."""
        self.rounds.pop(where, None)

    def lost(self) -> tuple[str, ...]:
        """The fields that do not stay as they are written, as sentences."""
        return tuple(
            f"{where}: {one.wanted} was written {one.count} times and did not stay; look for an admission webhook, an "
            "autoscaler or another controller that writes it"
            for where, one in self.rounds.items()
            if one.count >= MOST and self.clock() - one.at < OVER
        )

    def _same(self, where: str, wanted: object) -> Rounds | None:
        known = self.rounds.get(where)
        same = known is not None and known.wanted == str(wanted) and self.clock() - known.at < OVER
        return known if same else None
