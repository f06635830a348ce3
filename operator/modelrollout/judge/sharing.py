"""What both arms fail is nobody's evidence: a limit that stable breaks, too, says nothing about the candidate.

Of each round the candidate's failed and slow requests are left out as far as stable's share in it accounts for them,
where that is above the limit. While stable itself counts as breaking the limit everything is kept, so that the verdict
can say of both that they do, and nothing is taken back. Once stable keeps it again the candidate begins at the limit:
what it had above it came in the same time. Leaving hits out can only make an alarm rarer, so the promise stays.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from modelrollout.judge.alarms import limit_alarm
from modelrollout.judge.arms import Arm
from modelrollout.judge.limits import Rules
from modelrollout.judge.tallies import Tally

LENIENT = 0.25
"""The probability of a false alarm at which stable's trouble is taken for the same as the candidate's."""
AT_LEAST, DEVIATIONS = 3, 3.0
"""Stable's hits in a round, at least, that say that a limit is broken in both arms, and what chance is allowed."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One limit, as the tests take it."""

    share: float
    """Of requests that may be hits."""
    count: Callable[[Tally], tuple[int, int]]
    """Hits, and the requests they are among."""
    hits: Callable[[int], Tally]
    """So many hits and nothing else."""
    bar: float
    """The log E at which stable counts as breaking it."""

    def is_broken(self, arm: Arm) -> bool:
        return limit_alarm(arm, self.count, self.share, self.bar) is not None

    def excess(self, since: Tally) -> Tally:
        """The hits above the limit."""
        hits, requests = self.count(since)
        return self.hits(max(0, hits - math.floor(self.share * requests)))

    def awaited(self, candidate: Tally, stable: Tally) -> Tally:
        """The candidate's hits in a round that stable's share accounts for, and what chance may do to both."""
        (hits, requests), (by_stable, of_stable) = self.count(candidate), self.count(stable)
        if not hits or by_stable < AT_LEAST or by_stable <= self.share * of_stable:
            return self.hits(0)
        rate = by_stable / of_stable
        chance = DEVIATIONS * math.sqrt(rate * (1 - rate) * (1 / requests + 1 / of_stable))
        return self.hits(min(hits, math.ceil(requests * (rate + chance))))


def unshared(candidate: Arm, stables: tuple[Arm, Arm], counted: tuple[Tally, Tally], rules: Rules) -> Arm:
    """The candidate's evidence after a round without what stable accounts for.

    Stable's is that before and after the round; `counted` is what both brought in it.
    """
    before, after = stables
    if not _in_trouble(candidate) or not _in_trouble(after):
        return candidate
    for limit in limits_of(rules):
        if not limit.count(candidate.total)[0] or not limit.count(after.total)[0] or limit.is_broken(after):
            continue
        if limit.is_broken(before):
            candidate = candidate.forgiven(limit.excess)
        elif limit.count(left_out := limit.awaited(*counted))[0]:
            candidate = candidate.forgiven(_always(left_out))
    return candidate


def _always(left_out: Tally) -> Callable[[Tally], Tally]:
    return lambda _: left_out


def _in_trouble(arm: Arm) -> bool:
    return bool(arm.total.errors) or any(arm.total.slow)


def limits_of(rules: Rules) -> Iterator[Kept]:
    """Those that are set."""
    bar = lenient(rules).limit_threshold
    if rules.error_rate is not None:
        yield Kept(rules.error_rate, lambda tally: (tally.errors, tally.requests), _errors(rules), bar)
    for index, limit in enumerate(rules.latency):
        yield Kept(limit.share, _slow_in(index), _slow(index, rules), bar)


def lenient(rules: Rules) -> Rules:
    """The rules at which stable counts as breaking a limit that the candidate breaks, too."""
    return replace(rules, min_samples=1, alpha=LENIENT)


def _errors(rules: Rules) -> Callable[[int], Tally]:
    none = (0,) * len(rules.latency)
    return lambda hits: Tally(errors=hits, slow=none)


def _slow_in(index: int) -> Callable[[Tally], tuple[int, int]]:
    return lambda tally: (tally.slow[index], tally.timed)


def _slow(index: int, rules: Rules) -> Callable[[int], Tally]:
    before, after = (0,) * index, (0,) * (len(rules.latency) - index - 1)
    return lambda hits: Tally(slow=(*before, hits, *after))
