"""Stable judged against itself on the traffic of a rollout at rest: how often the judge takes back the same model.

Once a minute stable's pods are counted, and in a few halvings one half is judged as a canary, by the code and at the
bars of a rollout (`selftest`). An hour of it is one rollout; then other halves begin anew. Each alarm is a false one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from modelrollout.judge.comparing import Comparing
from modelrollout.judge.differences import Origins, arm_stratum, origins_of, served_before
from modelrollout.judge.dispersion import ALIKE, Dispersion
from modelrollout.judge.samples import Sample
from modelrollout.judge.selftest import LEAST_PODS, alarms, halves, split
from modelrollout.judge.slowness import slow_pods
from modelrollout.judge.strata import ArmStratum, Stratified
from modelrollout.judge.trial import Trial, started

EVERY_SECONDS = 60.0
_IN_TIME = 0.9
"""Of that time: rounds come a little early or late."""
LONGEST = 60
"""Looks of one trial."""
HALVINGS = 4
"""Trials at a time; they share their requests."""


@dataclass(frozen=True, slots=True)
class SelfTested:
    """What all trials that came to their end have said."""

    trials: int = 0
    alarms: int = 0
    """Trials that would have rolled back: all of them false."""
    requests: int = 0
    """Of stable, in those trials; each counted once."""
    errors_dispersion: float = 1.0
    """What evidence about errors is divided by: 1 for requests that fail one by one."""
    latency_dispersion: float = 1.0


NOTHING_TESTED = SelfTested()


@dataclass(frozen=True, slots=True, eq=False)
class Halving:
    """One trial of stable's pods against its other pods."""

    canary: frozenset[str]
    trial: Trial
    fired: bool = False

    def plus(self, seen: Stratified, terms: Comparing) -> Self:
        trial = self.trial.plus(split(seen, self.canary))
        return replace(self, trial=trial, fired=self.fired or any(True for _ in alarms(trial, terms)))


@dataclass(frozen=True, slots=True)
class Steady:
    """The trials under way. Only kept in memory: a restart or a rollout ends them, and what was said stays."""

    tested: SelfTested = NOTHING_TESTED
    origins: Origins = field(default_factory=Origins)
    at: float | None = None
    """When stable was counted last, in seconds of the monotonic clock."""
    halvings: tuple[Halving, ...] = ()
    looks: int = 0
    requests: int = 0
    errors: Dispersion = ALIKE
    latency: Dispersion = ALIKE

    def anew(self) -> Self:
        """Without what was under way: pods come and go in a rollout."""
        return type(self)(self.tested, errors=self.errors, latency=self.latency)

    def plus(self, stable: Sequence[Sample], at: float, terms: Comparing) -> "Steady":
        """After a round; most of them come too soon to count."""
        if self.at is not None and at - self.at < _IN_TIME * EVERY_SECONDS:
            return self
        origins = origins_of(stable)
        arm = arm_stratum(stable, self.origins, origins)
        before = served_before(stable, self.origins, arm.edges_ms)
        known = replace(self, origins=origins, at=at)
        if len(set(arm.pods)) < LEAST_PODS:
            return known
        looked = _looked(known, Stratified(stable=arm, edges_ms=arm.edges_ms, before=before), terms)
        return _ended(looked) if looked.looks >= LONGEST else looked


def _looked(known: Steady, seen: Stratified, terms: Comparing) -> Steady:
    begun = known.halvings or _begun(known, seen.stable, terms)
    halvings = tuple(one.plus(seen, terms) for one in begun)
    return replace(
        known,
        halvings=halvings,
        looks=known.looks + 1,
        requests=known.requests + seen.stable.sums[0],
        errors=known.errors.plus((hits, requests) for requests, hits, _ in seen.stable.counts),
        latency=_slow(known.latency, seen.stable, halvings[0].trial),
    )


def _begun(known: Steady, stable: ArmStratum, terms: Comparing) -> tuple[Halving, ...]:
    drawn = halves(sorted(set(stable.pods)), HALVINGS, seed=known.tested.trials)
    return tuple(Halving(frozenset(one), started(terms)) for one in drawn)


def _slow(known: Dispersion, stable: ArmStratum, trial: Trial) -> Dispersion:
    slowness = trial.slowness
    if slowness is None or slowness.measure.edges_ms != stable.edges_ms:
        return known
    return known.plus(slow_pods(slowness.measure, stable))


def _ended(known: Steady) -> Steady:
    before = known.tested
    tested = SelfTested(
        trials=before.trials + len(known.halvings),
        alarms=before.alarms + sum(one.fired for one in known.halvings),
        requests=before.requests + known.requests,
        errors_dispersion=known.errors.factor,
        latency_dispersion=known.latency.factor,
    )
    return replace(known, tested=tested, halvings=(), looks=0, requests=0)
