"""What the judge knows in one epoch: sums of differences of counters, and nothing that a restart would lose.

`observe` is the only way in. It never pools rounds for the comparison of the arms: the canary's share of the traffic
and the base rate both move during a rollout, and pooled counts would then reject healthy canaries (Simpson's
paradox). Each round is a stratum of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from modelrollout.api.spec import Compare
from modelrollout.judge.alone import Alone
from modelrollout.judge.arms import NOTHING_COMPARED, Arm, Compared
from modelrollout.judge.comparing import Comparing, comparing
from modelrollout.judge.differences import Origins, aged, origins_of, served_before, strata
from modelrollout.judge.eprocesses import Stratum
from modelrollout.judge.limits import Rules
from modelrollout.judge.restarts import Restart
from modelrollout.judge.samples import Baseline, Round
from modelrollout.judge.sharing import unshared
from modelrollout.judge.strata import NO_BUCKETS, ArmStratum, Stratified
from modelrollout.judge.tallies import Tally, nothing
from modelrollout.judge.trial import Trial, started


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything counted in one epoch; `fresh()` is none."""

    limits_ms: tuple[float, ...]
    """The latencies that slow requests were counted at. Under other limits the evidence starts anew."""
    candidate: Arm
    stable: Arm
    refusals: Compared = NOTHING_COMPARED
    trial: Trial | None = None
    """The comparison with stable, which outlives the epoch; None where nothing is compared."""
    alone: Alone = field(default_factory=Alone)
    """Stable's own predictions while it serves without a candidate."""


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


def observe(
    evidence: Evidence, origins: Origins, seen: Round, rules: Rules, at: float | None = None
) -> tuple[Evidence, Origins]:
    """The evidence after one round, and the origins of the next.

    A pod counts when it was in this round and in the one before; a round that could not be scraped at all is an
    empty Round. Origins outlive an epoch: pass the old ones on beside `fresh()`. `at` is when the round was, in seconds
    of the monotonic clock.
    """
    limits_ms = rules.limits_ms
    known = evidence if evidence.limits_ms == limits_ms else fresh(limits_ms)
    now = aged(origins_of((*seen.candidate, *seen.stable)), origins, at)
    candidate, stable = strata(seen, origins, now)
    both = tuple(_tallies(arm, limits_ms) for arm in (candidate, stable))
    ours, theirs = _counted(known.candidate, both[0], rules), _counted(known.stable, both[1], rules)
    after = Evidence(
        limits_ms=limits_ms,
        candidate=unshared(ours, (known.stable, theirs), (both[0][0], both[1][0]), rules),
        stable=theirs,
        refusals=known.refusals.plus(_refusals(candidate, stable)),
        trial=_tried(evidence.trial, Both(seen, candidate, stable, origins, _stand_in(evidence.trial, rules)), rules),
        alone=_alone(known.alone, seen, stable, rules),
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


def _alone(known: Alone, seen: Round, stable: ArmStratum, rules: Rules) -> Alone:
    if not rules.alone or rules.drift is None:
        return known
    own = next((one.baseline for one in seen.stable if one.baseline and one.pod in stable.pods), None)
    return known.plus(stable.predictions, own, rules.drift, rules.drift_alpha)


def _counted(known: Arm, tallies: tuple[Tally, Mapping[str, Tally]], rules: Rules) -> Arm:
    whole, troubled = tallies
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
    if known is None or (known.margins, known.tolerance, known.worse) != (terms.margins, terms.tolerance, terms.worse):
        known = started(terms)
    return known.plus(both.stratum(shared=terms.shared, measured=known.slowness is not None))


_LIMITS_ONLY: Comparing = replace(comparing(Compare()), shared=False)


def _refusals(candidate: ArmStratum, stable: ArmStratum) -> Stratum:
    (requests, _, refusals), (of_stable, _, by_stable) = candidate.sums, stable.sums
    return Stratum(refusals, by_stable, requests, of_stable)
