"""What the judge knows in one epoch: sums of differences of counters, and nothing that a restart would lose.

`observe` is the only way in. It never pools rounds for the comparison of the arms: the canary's share of the traffic
and the base rate both move during a rollout, and pooled counts would then reject healthy canaries (Simpson's
paradox). Each round is a stratum of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import add, sub
from typing import Self

from modelrollout.api.spec import Compare
from modelrollout.judge.comparing import Comparing, comparing
from modelrollout.judge.differences import Origins, origins_of, served_before, strata
from modelrollout.judge.eprocesses import NO_SPLIT, Stratum, split
from modelrollout.judge.limits import Rules
from modelrollout.judge.restarts import Memory, Restart, restarted
from modelrollout.judge.samples import Baseline, Round
from modelrollout.judge.strata import NO_BUCKETS, ArmStratum, Stratified
from modelrollout.judge.tallies import Tally, nothing
from modelrollout.judge.trial import Trial, started

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


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything counted in one epoch; `fresh()` is none."""

    limits_ms: tuple[float, ...]
    """The latencies that slow requests were counted at. Under other limits the evidence starts anew."""
    candidate: Arm
    stable: Arm
    refusals: Compared = Compared()
    trial: Trial | None = None
    """The comparison with stable, which outlives the epoch; None where nothing is compared."""


def fresh(limits_ms: tuple[float, ...] = ()) -> Evidence:
    """No evidence: how an epoch begins."""
    zero = nothing(limits_ms)
    arm = Arm(zero, (Restart(0, zero),))
    return Evidence(limits_ms, candidate=arm, stable=arm)


def onward(evidence: Evidence, *, is_new_step: bool) -> Evidence:
    """No evidence of the new epoch, and everything that the rollout has shown so far.

    In a new step a part of each bet begins anew, so that what it shows is not buried under the steps before.
    """
    trial = evidence.trial.restarted() if evidence.trial is not None and is_new_step else evidence.trial
    return replace(fresh(), trial=trial)


def observe(evidence: Evidence, origins: Origins, seen: Round, rules: Rules) -> tuple[Evidence, Origins]:
    """The evidence after one round, and the origins of the next.

    A pod counts when it was in this round and in the one before; a round that could not be scraped at all is an
    empty Round. Origins outlive an epoch: pass the old ones on beside `fresh()`.
    """
    limits_ms = rules.limits_ms
    known = evidence if evidence.limits_ms == limits_ms else fresh(limits_ms)
    now = origins_of((*seen.candidate, *seen.stable))
    candidate, stable = strata(seen, origins, now)
    after = Evidence(
        limits_ms=limits_ms,
        candidate=_counted(known.candidate, candidate, rules),
        stable=_counted(known.stable, stable, rules),
        refusals=known.refusals.plus(_refusals(candidate, stable)),
        trial=_tried(evidence.trial, Both(seen, candidate, stable, origins, _stand_in(evidence.trial, rules)), rules),
    )
    return after, now


@dataclass(frozen=True, slots=True)
class Both:
    """One round, and what it added to the one before."""

    seen: Round
    candidate: ArmStratum
    stable: ArmStratum
    origins: Origins
    frozen: Baseline | None
    """What stands in for a candidate's own baseline."""

    @property
    def baseline(self) -> Baseline | None:
        """The candidate's own, of a process that is counted."""
        counted = self.candidate.pods
        own = (one.baseline for one in self.seen.candidate if one.baseline and one.pod in counted)
        return next(own, self.frozen if counted else None)

    def stratum(self, *, shared: bool, measured: bool) -> Stratified:
        """As the comparison takes it; `measured` once stable's latency before the rollout is known."""
        if not shared:
            return Stratified(self.candidate, baseline=self.baseline)
        edges = self.stable.edges_ms
        before = NO_BUCKETS if measured else served_before(self.seen.stable, self.origins, edges)
        return Stratified(self.candidate, self.stable, edges, self.baseline, before)


def _counted(known: Arm, arm: ArmStratum, rules: Rules) -> Arm:
    whole, troubled = _tallies(arm, rules.limits_ms)
    after = known.plus(whole, troubled)
    return after.in_window(whole) if rules.window else after


def _tallies(arm: ArmStratum, limits_ms: tuple[float, ...]) -> tuple[Tally, Mapping[str, Tally]]:
    """What an arm counted since the last round, and what each pod that had trouble did."""
    timed, *slow = arm.slower(limits_ms)
    whole = Tally(*arm.sums, sum(timed), tuple(map(sum, slow)))
    found: dict[str, Tally] = {}
    if whole.failures or any(whole.slow):
        by_pod = zip(arm.pods, arm.counts, timed, *slow, strict=True)
        for pod, (requests, errors, refusals), of_pod, *slow_there in by_pod:
            tally = Tally(requests, errors, refusals, of_pod, tuple(slow_there))
            if tally.failures or any(slow_there):
                found[pod] = found[pod] + tally if pod in found else tally
    return whole, found


def _stand_in(known: Trial | None, rules: Rules) -> Baseline | None:
    """None once the candidate's own is known: a scrape that fails does not take it away."""
    has_own = known is not None and known.baseline not in {None, rules.frozen}
    return None if has_own else rules.frozen


def _tried(known: Trial | None, both: Both, rules: Rules) -> Trial | None:
    """The comparison after one round. Where requests are not spread by chance, stable's say nothing about the canary.

    Without a comparison only a model that carries a baseline is followed, for its drift.
    """
    if rules.compare is None and both.baseline is None:
        return known
    terms = rules.compare or _LIMITS_ONLY
    if known is None or (known.margins, known.tolerance) != (terms.margins, terms.tolerance):
        known = started(terms)
    return known.plus(both.stratum(shared=terms.shared, measured=known.slowness is not None))


_LIMITS_ONLY: Comparing = replace(comparing(Compare()), shared=False)


def _refusals(candidate: ArmStratum, stable: ArmStratum) -> Stratum:
    (requests, _, refusals), (of_stable, _, by_stable) = candidate.sums, stable.sums
    return Stratum(refusals, by_stable, requests, of_stable)


def _most_troubled(pods: Iterable[tuple[str, Tally]]) -> tuple[tuple[str, Tally], ...]:
    ranked = sorted(pods, key=lambda pod: (-pod[1].failures, -sum(pod[1].slow), pod[0]))
    return tuple(ranked[:PODS_KEPT])
