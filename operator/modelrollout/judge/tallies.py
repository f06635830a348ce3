"""Counts of requests of one pod or arm: what the limits and refusals of an epoch are judged by."""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import add
from typing import Self


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
