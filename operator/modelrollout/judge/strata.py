"""One round as a stratum: what the processes of each arm counted since the round before, nothing about earlier ones.

The same value comes from scrapes, from a log of strata that is replayed, and from a simulation. Buckets are arrays with
a row for each process: with a thousand rollouts under way they are most of what there is to count.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from operator import sub

import numpy as np
from numpy.typing import NDArray

from modelrollout.judge.drift import merged
from modelrollout.judge.samples import NO_PREDICTIONS, Baseline, Predictions

Buckets = NDArray[np.int64]
Edges = tuple[float, ...]

NO_BUCKETS: Buckets = np.zeros(0, dtype=np.int64)
_NO_ROWS: Buckets = np.zeros((0, 0), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ArmStratum:
    """What the processes of one arm counted in one round, in one order."""

    pods: tuple[str, ...] = ()
    counts: tuple[tuple[int, int, int], ...] = ()
    """Requests, errors and refusals of each."""
    edges_ms: Edges = ()
    upto: Buckets = field(default_factory=lambda: _NO_ROWS)
    """Timed requests up to each edge: a row for each process, whose last number is all of them."""
    predictions: tuple[Predictions, ...] = ()
    ages: tuple[float, ...] = ()
    """Seconds since each was first scraped; none where nobody knows, and then all count as old."""
    sums: tuple[int, int, int] = field(init=False)
    """Requests, errors and refusals of all."""

    def __post_init__(self) -> None:
        sums = tuple(map(sum, zip(*self.counts, strict=True)))
        object.__setattr__(self, "sums", sums or (0, 0, 0))

    def at(self, edges_ms: Edges) -> Buckets:
        """The same rows at other edges: a new model may come with other limits, which are edges.

        A bucket goes where it begins, so an edge that a pod lacks can only make it look faster.
        """
        if not edges_ms or not self.edges_ms or not len(self.upto):
            return _NO_ROWS
        return self.upto if alike(self.edges_ms, edges_ms) else self.upto[:, columns(self.edges_ms, edges_ms)]

    def column(self, at: int) -> list[int]:
        """Timed requests of each process up to one edge; up to the last one it is all of them."""
        found: list[int] = self.upto[:, at].tolist()
        return found

    def slower(self, limits_ms: Sequence[float]) -> list[list[int]]:
        """By process: the timed requests, then for each limit those slower than it.

        Slower than the next edge above it where there is no such edge: that can only make a pod look faster. Above the
        last edge nothing is known to be slower.
        """
        if not self.upto.size:
            return [[0] * len(self.pods)] * (1 + len(limits_ms))
        last, timed = self.upto.shape[1] - 1, self.column(-1)
        edges = (min(last, bisect_left(self.edges_ms, limit)) for limit in limits_ms)
        return [timed, *(list(map(sub, timed, self.column(at))) for at in edges)]


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Sums over processes and rounds."""

    requests: int = 0
    errors: int = 0
    refusals: int = 0
    upto: Buckets = field(default_factory=lambda: NO_BUCKETS)
    """Timed requests up to each edge; empty where none were timed at the edges of the stratum."""
    predictions: Predictions = NO_PREDICTIONS

    @property
    def latency(self) -> tuple[int, ...]:
        """Timed requests per bucket."""
        counts = self.upto.copy()
        counts[1:] -= self.upto[:-1]
        return tuple(counts.tolist())

    def plus(self, other: "Counted") -> "Counted":
        requests, errors, refusals = (
            self.requests + other.requests,
            self.errors + other.errors,
            self.refusals + other.refusals,
        )
        upto = self.upto + other.upto if self.upto.size and other.upto.size else max(self.upto, other.upto, key=len)
        return Counted(requests, errors, refusals, upto, merged(self.predictions, other.predictions))


NOTHING_COUNTED = Counted()


@dataclass(frozen=True, slots=True, eq=False)
class Stratified:
    """One round of both arms."""

    canary: ArmStratum = ArmStratum()
    stable: ArmStratum = ArmStratum()
    edges_ms: Edges = ()
    """Those that latency is compared at: stable's."""
    baseline: Baseline | None = None
    """The candidate's own, where its artefact carries one."""
    before: Buckets = field(default_factory=lambda: NO_BUCKETS)
    """Requests up to each edge that stable's processes have counted since they started."""


def together(arm: ArmStratum, edges_ms: Edges) -> Counted:
    """The sum of an arm's processes, with latencies at these edges."""
    rows = arm.at(edges_ms)
    predictions = NO_PREDICTIONS
    for one in arm.predictions:
        predictions = merged(predictions, one)
    return Counted(*arm.sums, rows.sum(axis=0) if rows.size else NO_BUCKETS, predictions)


def upto(counts: Iterable[Sequence[int]]) -> Buckets:
    """Rows of counts per bucket as requests up to each edge."""
    rows = list(counts)
    if not rows:
        return _NO_ROWS
    width = len(rows[0])
    found: Buckets = np.fromiter(chain.from_iterable(rows), np.int64, width * len(rows)).reshape(-1, width)
    return found.cumsum(axis=1)


def alike(one: Edges, other: Edges) -> bool:
    """Whether edges are the same. All pods of an image have one object of them, which is seen without a comparison."""
    return one is other or one == other


@lru_cache(maxsize=1024)
def columns(own: Edges, edges_ms: Edges) -> tuple[int, ...]:
    """For each of the edges, and beyond the last one, the last of the own buckets that begins below it."""
    places = (0, *(bisect_right(edges_ms, begins) for begins in own))
    return tuple(bisect_right(places, bucket) - 1 for bucket in range(len(edges_ms) + 1))


def logarithms(arm: ArmStratum) -> list[tuple[float, float, float]]:
    """By process: the timed requests, the sum of the logarithms of what they took, and the sum of their squares."""
    if not arm.upto.size or not arm.edges_ms:
        return []
    counts = np.diff(arm.upto, axis=1, prepend=0)
    found: list[tuple[float, float, float]] = (counts @ _powers(arm.edges_ms)).tolist()
    return found


@lru_cache(maxsize=64)
def _powers(edges_ms: Edges) -> NDArray[np.float64]:
    """For each bucket 1, the logarithm of its middle, and its square."""
    edges = np.maximum(np.array(edges_ms), 1e-6)
    middles = np.log(np.sqrt(np.append(edges[:1], edges) * np.append(edges, edges[-1:])))
    return np.stack((np.ones(len(middles)), middles, middles**2), axis=1)
