"""Counts of requests, and how two scrapes of one process become one: everything the judge sees is a difference.

A process that was not seen in the round before has nothing to be compared with: its counters are an origin and count
nothing. So are counters that fell (a restart under the same name) and buckets that changed.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from operator import add, gt
from typing import Self

from modelrollout.judge.samples import Latency, Sample


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests of one pod or arm over some time. Additive."""

    requests: int = 0
    """All of them, failed and refused ones too."""
    errors: int = 0
    refusals: int = 0
    timed: int = 0
    """Requests whose latency was counted: all but a pod's warm-up."""
    slow: tuple[int, ...] = ()
    """For each latency limit, the requests slower than it."""

    @property
    def failures(self) -> int:
        return self.errors + self.refusals

    @property
    def row(self) -> tuple[int, ...]:
        return (self.requests, self.errors, self.refusals, self.timed, *self.slow)

    @classmethod
    def of_row(cls, row: Iterable[int]) -> Self:
        requests, errors, refusals, timed, *slow = row
        return cls(requests, errors, refusals, timed, tuple(slow))

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.requests + other.requests,
            self.errors + other.errors,
            self.refusals + other.refusals,
            self.timed + other.timed,
            tuple(map(add, self.slow, other.slow)),
        )

    def __sub__(self, other: Self) -> Self:
        return self.of_row(mine - its for mine, its in zip(self.row, other.row, strict=True))


def nothing(limits_ms: tuple[float, ...]) -> Tally:
    return Tally(slow=(0,) * len(limits_ms))


def difference(old: Sample, new: Sample, limits_ms: tuple[float, ...]) -> Tally:
    """What a process counted between two scrapes, of which `new` is no origin.

    A scrape can fall between two counters of one request, so there are at least as many requests as failures.
    """
    errors, refusals = new.errors - old.errors, new.refusals - old.refusals
    return Tally(
        requests=max(new.requests - old.requests, errors + refusals),
        errors=errors,
        refusals=refusals,
        timed=sum(new.latency.counts) - sum(old.latency.counts),
        slow=tuple(slower(new.latency, limit) - slower(old.latency, limit) for limit in limits_ms),
    )


def slower(latency: Latency, limit_ms: float) -> int:
    """Requests slower than the limit; than the next edge above it where the pod's buckets have no such edge.

    So a missing edge can only make a pod look faster. Above the last edge nothing is known to be slower.
    """
    return sum(latency.counts[bisect_left(latency.edges_ms, limit_ms) + 1 :])


def is_origin(old: Sample, new: Sample) -> bool:
    """Whether counters cannot follow on earlier ones."""
    before, after = old.latency, new.latency
    if before.edges_ms != after.edges_ms or len(before.counts) != len(after.counts):
        return True
    fell = new.requests < old.requests or new.errors < old.errors or new.refusals < old.refusals
    return fell or any(map(gt, before.counts, after.counts))
