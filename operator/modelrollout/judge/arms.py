"""The sums of one epoch, by arm and of both compared: counts, and the moments at which each test was started anew."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import add, sub
from typing import Self

from modelrollout.judge.eprocesses import NO_SPLIT, Stratum, split
from modelrollout.judge.restarts import Memory, Restart, restarted
from modelrollout.judge.tallies import Tally

LIMIT_MEMORY = Memory(span=4, most=32)
"""For the one-sample tests, which need a few numbers for each restart."""
SPLIT_MEMORY = Memory(span=1, most=4)
"""For the comparison, which needs 24 sums for each restart."""
WINDOW = 200
"""Requests of a window, where `limits.rule` asks for one; a scrape is never taken apart."""
PODS_KEPT = 8
"""Pods of an arm whose own sums are kept, to name the one to blame: those with the most trouble."""
NO_REQUESTS = Stratum(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Arm:
    """The sums of one arm in one epoch."""

    total: Tally
    restarts: tuple[Restart[Tally], ...]
    pods: tuple[tuple[str, Tally], ...] = ()
    """Sums of the most troubled pods, the worst first, over the rounds in which they had trouble."""
    latest: tuple[Tally, ...] = ()
    """The last rounds, as many as it takes for a window. Only kept in memory, and only where a rule asks for it."""

    def plus(self, counted: Tally, troubled: Mapping[str, Tally]) -> Self:
        """The arm after one round; `troubled` has what each pod with failures or slow requests counted in it."""
        if not counted.requests and not counted.timed:
            return self
        total = self.total + counted
        pods = self.pods
        if troubled:
            sums = dict(pods)
            for pod, tally in troubled.items():
                sums[pod] = sums[pod] + tally if pod in sums else tally
            pods = _most_troubled(sums.items())
        return type(self)(total, restarted(self.restarts, total, LIMIT_MEMORY), pods, self.latest)

    def forgiven(self, left_out: Callable[[Tally], Tally]) -> Self:
        """With hits left out of the evidence, of what was counted since each restart but the newest.

        To the tests they came before they began.
        """
        *older, newest = self.restarts
        after = [Restart(one.index, one.at + left_out(self.total - one.at)) for one in older]
        return replace(self, restarts=(*after, newest))

    def in_window(self, counted: Tally) -> Self:
        """With one more round among the latest, and without those that a window does not reach any more."""
        latest = (counted, *self.latest) if counted.requests or counted.timed else self.latest
        newer = accumulate((one.requests for one in latest), initial=0)
        return replace(self, latest=tuple(one for one, since in zip(latest, newer, strict=False) if since < WINDOW))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The binomial-split test's sums: its 24 bets, and the counts that a message shows. Additive."""

    hits: Stratum = NO_REQUESTS
    logs: tuple[float, ...] = NO_SPLIT

    def __add__(self, other: Self) -> Self:
        hits = Stratum(*map(add, self.hits.row, other.hits.row))
        return type(self)(hits, tuple(map(add, self.logs, other.logs)))

    def __sub__(self, other: Self) -> Self:
        hits = Stratum(*map(sub, self.hits.row, other.hits.row))
        return type(self)(hits, tuple(map(sub, self.logs, other.logs)))


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison of the arms in one epoch, with its restarts."""

    total: Comparison = Comparison()
    restarts: tuple[Restart[Comparison], ...] = (Restart(0, Comparison()),)

    def plus(self, stratum: Stratum) -> Self:
        """The comparison after one more stratum.

        A stratum that moves no bet makes no restart; it only moves the window of the newest one on.
        """
        if stratum.candidate_hits + stratum.stable_hits:
            total = self.total + Comparison(stratum, split(stratum))
            if total.logs != self.total.logs:
                return type(self)(total, restarted(self.restarts, total, SPLIT_MEMORY))
        else:  # most rounds
            total = Comparison(Stratum(*map(add, self.total.hits.row, stratum.row)), self.total.logs)
        *older, newest = self.restarts
        if newest.index == 0:
            return type(self)(total, self.restarts)
        return type(self)(total, (*older, Restart(newest.index, total)))


NOTHING_COMPARED = Compared()


def _most_troubled(pods: Iterable[tuple[str, Tally]]) -> tuple[tuple[str, Tally], ...]:
    ranked = sorted(pods, key=lambda pod: (-pod[1].failures, -sum(pod[1].slow), pod[0]))
    return tuple(ranked[:PODS_KEPT])
