"""What the judge knows in one epoch: sums of differences of counters, and nothing that a restart would lose.

`observe` is the only way in. It never pools rounds for the comparison of the arms: the canary's share of the traffic
and the base rate both move during a rollout, and pooled counts would then reject healthy canaries (Simpson's
paradox). Each round is a stratum of its own.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from operator import add, sub
from typing import Self

from modelrollout.judge.eprocesses import NO_SPLIT, Stratum, split
from modelrollout.judge.limits import Rules
from modelrollout.judge.restarts import Memory, Restart, restarted
from modelrollout.judge.samples import Round, Sample
from modelrollout.judge.tallies import Tally, difference, nothing

LIMIT_MEMORY = Memory(span=4, most=32)
"""For the one-sample tests, which need a few numbers for each restart."""
SPLIT_MEMORY = Memory(span=1, most=4)
"""For the comparison, which needs 24 sums for each restart."""
PODS_KEPT = 8
"""Pods of an arm whose own sums are kept, to name the one to blame: those with the most trouble."""


NO_REQUESTS = Stratum(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Arm:
    """The sums of one arm in one epoch."""

    total: Tally
    restarts: tuple[Restart[Tally], ...]
    pods: tuple[tuple[str, Tally], ...] = ()
    """Sums of the most troubled pods, the worst first."""

    def plus(self, pods: Mapping[str, Tally]) -> Self:
        """The arm after one round; `pods` has what each pod counted in it."""
        total = sum(pods.values(), self.total)
        if total == self.total:
            return self
        sums = dict(self.pods)
        for pod, tally in pods.items():
            sums[pod] = sums[pod] + tally if pod in sums else tally
        return type(self)(total, restarted(self.restarts, total, LIMIT_MEMORY), _most_troubled(sums.items()))


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
        total = self.total + Comparison(stratum, split(stratum))
        if total.logs != self.total.logs:
            return type(self)(total, restarted(self.restarts, total, SPLIT_MEMORY))
        *older, newest = self.restarts
        if newest.index == 0:
            return type(self)(total, self.restarts)
        return type(self)(total, (*older, Restart(newest.index, total)))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything counted in one epoch; `fresh()` is none."""

    limits_ms: tuple[float, ...]
    """The latencies that slow requests were counted at. Under other limits the evidence starts anew."""
    candidate: Arm
    stable: Arm
    refusals: Compared = Compared()


@dataclass(frozen=True, slots=True)
class Origins:
    """The last round's counters, by pod and instance. Only kept in memory: after a restart every pod is an origin."""

    samples: Mapping[tuple[str, str], Sample] = field(default_factory=dict)


def fresh(limits_ms: tuple[float, ...] = ()) -> Evidence:
    """No evidence: how an epoch begins."""
    zero = nothing(limits_ms)
    arm = Arm(zero, (Restart(0, zero),))
    return Evidence(limits_ms, candidate=arm, stable=arm)


def observe(evidence: Evidence, origins: Origins, seen: Round, rules: Rules) -> tuple[Evidence, Origins]:
    """The evidence after one round, and the origins of the next.

    A pod counts when it was in this round and in the one before; a round that could not be scraped at all is an
    empty Round. Origins outlive an epoch: pass the old ones on beside `fresh()`.
    """
    known = evidence if evidence.limits_ms == rules.limits_ms else fresh(rules.limits_ms)
    candidate, stable = (_differences(arm, origins, rules.limits_ms) for arm in (seen.candidate, seen.stable))
    after = Evidence(
        limits_ms=rules.limits_ms,
        candidate=known.candidate.plus(candidate),
        stable=known.stable.plus(stable),
        refusals=known.refusals.plus(_refusals(candidate.values(), stable.values())),
    )
    return after, Origins({(one.pod, one.instance): one for one in (*seen.candidate, *seen.stable)})


def _differences(arm: Iterable[Sample], origins: Origins, limits_ms: tuple[float, ...]) -> Mapping[str, Tally]:
    """What each pod counted since the last round; pods that are origins are left out."""
    found: defaultdict[str, Tally] = defaultdict(lambda: nothing(limits_ms))
    for new in arm:
        old = origins.samples.get((new.pod, new.instance))
        counted = None if old is None else difference(old, new, limits_ms)
        if counted is not None:
            found[new.pod] += counted
    return found


def _refusals(candidate: Collection[Tally], stable: Collection[Tally]) -> Stratum:
    return Stratum(
        candidate_hits=sum(one.refusals for one in candidate),
        stable_hits=sum(one.refusals for one in stable),
        candidate_requests=sum(one.requests for one in candidate),
        stable_requests=sum(one.requests for one in stable),
    )


def _most_troubled(pods: Iterable[tuple[str, Tally]]) -> tuple[tuple[str, Tally], ...]:
    ranked = sorted(pods, key=lambda pod: (-pod[1].failures, -sum(pod[1].slow), pod[0]))
    return tuple(ranked[:PODS_KEPT])
