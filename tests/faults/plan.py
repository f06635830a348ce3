"""Which faults are injected where, and how many of each were: exact or by a seed, so that a failure happens again."""

import random
from collections import Counter
from dataclasses import dataclass, field

WRITES = frozenset({"create", "update", "status", "merge", "json-patch", "delete"})


@dataclass(frozen=True, slots=True)
class Point:
    """A place in one request where the process may die: before it is sent, or before its answer arrives."""

    verb: str
    plural: str
    after: bool

    @property
    def writes(self) -> bool:
        return self.verb in WRITES and self.plural != "events"

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.verb} {self.plural}"


@dataclass(slots=True)
class Plan:
    """The faults of one run. Nothing happens where nothing is said."""

    seed: int = 1
    die_at: frozenset[int] = frozenset()
    """Numbers of points, from 0, where the process dies."""
    die_share: float = 0.0
    """Share of the points at which the process dies."""
    refuse_at: frozenset[int] = frozenset()
    """Numbers of writes, from 0, that are answered with a conflict instead of being done."""
    refuse_share: float = 0.0
    """Share of the writes that are answered with a conflict."""
    lose_at: frozenset[int] = frozenset()
    """Numbers of writes that are done, and whose answer never comes."""
    lose_share: float = 0.0
    lag: int = 0
    """Versions that watches are behind."""
    travel: int = 0
    """Versions that the lists of a process that was started again are behind."""
    miss_share: float = 0.0
    """Share of the changes that kopf never tells of."""
    gone_share: float = 0.0
    """Share of the changes at which a watch of children breaks with 410."""
    points: list[Point] = field(default_factory=list)
    """Every point so far."""
    writes: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    quiet: bool = False
    """Whether the faults are over."""
    _dice: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311  # a plan that can be played again, no secret

    def dies(self, point: Point) -> bool:
        number = len(self.points)
        self.points.append(point)
        if number not in self.die_at and not self._falls(self.die_share):
            return False
        request = "a write" if point.writes else "another request"
        return self._count(f"crash {'after' if point.after else 'before'} {request}")

    def refuses(self) -> bool:
        """Whether this write, the next one, meets a conflict that nobody caused."""
        number, self.writes = self.writes, self.writes + 1
        return (number in self.refuse_at or self._falls(self.refuse_share)) and self._count("write answered by 409")

    def loses(self) -> bool:
        """Whether the answer to the write that was just done is lost."""
        number = self.writes - 1
        return (number in self.lose_at or self._falls(self.lose_share)) and self._count(
            "write applied, answered by a timeout"
        )

    def misses(self) -> bool:
        return self._falls(self.miss_share) and self._count("event missed")

    def breaks(self) -> bool:
        return self._falls(self.gone_share) and self._count("watch broken by 410")

    def lags(self) -> int:
        return 0 if self.quiet else self.lag

    def latency(self) -> float:
        """Seconds that one way of a request takes."""
        return self._dice.uniform(0.002, 0.02)

    def count(self, kind: str, times: int = 1) -> None:
        """A fault that the test injects by itself."""
        self.injected[kind] += times

    def _falls(self, share: float) -> bool:
        return not self.quiet and share > 0 and self._dice.random() < share

    def _count(self, kind: str) -> bool:
        self.injected[kind] += 1
        return True
