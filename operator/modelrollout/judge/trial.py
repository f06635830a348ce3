"""What a whole rollout has shown about its candidate beside stable: the memory of the comparison.

Unlike the evidence of an epoch it is kept from step to step. A later step starts a part of each bet anew, so that a
fault that begins there is not buried (see `ratios`).
"""

from dataclasses import dataclass, field, replace
from typing import Self

from modelrollout.judge.absences import Absences
from modelrollout.judge.ages import grown_up
from modelrollout.judge.comparing import Comparing, Worse
from modelrollout.judge.eprocesses import Stratum
from modelrollout.judge.ratios import Ratio, begun
from modelrollout.judge.samples import Baseline, Predictions
from modelrollout.judge.slowness import Slowness, slow_at, slow_pods, yardstick
from modelrollout.judge.spread import NO_SPREAD, Spread, tolerated
from modelrollout.judge.stakes import ROLLOUT, Stakes
from modelrollout.judge.strata import NOTHING_COUNTED, ArmStratum, Counted, Stratified, alike, logarithms, together


@dataclass(frozen=True, slots=True)
class Spreads:
    """How much stable's pods differ for good, in each metric."""

    errors: Spread = NO_SPREAD
    refusals: Spread = NO_SPREAD
    speed: Spread = NO_SPREAD
    """Of the logarithms of latencies."""

    def plus(self, stable: ArmStratum) -> Self:
        """After one round."""
        counted = list(zip(stable.pods, stable.counts, strict=True))
        return type(self)(
            errors=self.errors.plus((pod, (requests, hits, 0.0)) for pod, (requests, hits, _) in counted),
            refusals=self.refusals.plus((pod, (requests, hits, 0.0)) for pod, (requests, _, hits) in counted),
            speed=self.speed.plus(zip(stable.pods, logarithms(stable), strict=False)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Sums since the rollout began; all of it additive but the yardstick, which is fixed once."""

    margins: tuple[float, ...]
    tolerance: float
    worse: Worse
    errors: Ratio
    refusals: Ratio
    slowness: Slowness | None = None
    """None until stable has answered enough to fix the edges."""
    canary: Counted = NOTHING_COUNTED
    stable: Counted = NOTHING_COUNTED
    baseline: Baseline | None = None
    without: Absences = field(default_factory=Absences)
    spreads: Spreads = field(default_factory=Spreads)
    last: Stratified | None = None
    """What came last, for the log of strata and whose pods are here; only kept in memory."""

    def plus(self, seen: Stratified) -> Self:
        """After one round."""
        canary, stable = (together(arm, seen.edges_ms) for arm in (seen.canary, seen.stable))
        errors, refusals, without, spreads = self.errors, self.refusals, self.without, self.spreads
        if canary.requests and stable.requests:
            among_errors = errors.dispersion.plus((hits, requests) for requests, hits, _ in seen.stable.counts)
            among_refusals = refusals.dispersion.plus((hits, requests) for requests, _, hits in seen.stable.counts)
            allowed, refused = self._tolerated(spreads.errors, seen), self._tolerated(spreads.refusals, seen)
            without = without.plus((seen.canary, seen.stable), errors.capital, among_errors, allowed)
            if hits := canary.errors + stable.errors:
                without = without.restarted(errors.log_part(hits))
            errors = errors.plus(_errors(canary, stable), among_errors, allowed)
            refusals = refusals.plus(_refusals(canary, stable), among_refusals, refused)
            spreads = spreads.plus(seen.stable)
        elif canary.requests:  # nothing to compare with, but they show how good it is by itself
            errors, refusals = errors.plus(_errors(canary, stable)), refusals.plus(_refusals(canary, stable))
        return type(self)(
            margins=self.margins,
            tolerance=self.tolerance,
            worse=self.worse,
            errors=errors,
            refusals=refusals,
            slowness=self._slowness(seen, canary, stable),
            canary=self.canary.plus(canary),
            stable=self.stable.plus(stable),
            baseline=seen.baseline or self.baseline,
            without=without,
            spreads=spreads,
            last=seen,
        )

    def restarted(self) -> Self:
        """At a later step."""
        return replace(
            self,
            errors=self.errors.restarted(),
            refusals=self.refusals.restarted(),
            slowness=self.slowness.restarted() if self.slowness is not None else None,
            without=self.without.restarted(self.errors.stakes.at_step(self.errors.steps + 1)),
        )

    @property
    def only_pod(self) -> str:
        """The pod without which nothing would speak against the candidate; empty where several do."""
        return self.without.only_pod

    @property
    def predictions(self) -> Predictions:
        return self.canary.predictions

    def _tolerated(self, spread: Spread, seen: Stratified) -> float:
        return tolerated(self.worse.errors, spread.of_rates(), len(seen.canary.pods), len(seen.stable.pods))

    def _slowness(self, seen: Stratified, canary: Counted, stable: Counted) -> Slowness | None:
        if self.slowness is None:
            measure = yardstick(seen.edges_ms, seen.before.tolist(), self.tolerance)
            return self._measured(Slowness(measure), seen, canary, stable) if measure is not None else None
        return self._measured(self.slowness, seen, canary, stable)

    def _measured(self, known: Slowness, seen: Stratified, canary: Counted, stable: Counted) -> Slowness:
        if not alike(seen.edges_ms, known.measure.edges_ms) or not canary.upto.size or not stable.upto.size:
            return known
        dispersion = known.dispersion.plus(slow_pods(known.measure, seen.stable))
        proof = known.measure.proof(canary.upto, stable.upto)
        ours, theirs = (grown_up(arm, self.worse.warm_up_s, seen.edges_ms) for arm in (seen.canary, seen.stable))
        allowed = tolerated(self.worse.latency, self.spreads.speed.of_means(), ours.pods, theirs.pods)
        slow = slow_at(known.measure, (ours.upto, theirs.upto), proof, max(allowed, ours.tolerated))
        return known.plus(slow, dispersion)


def started(compare: Comparing, stakes: Stakes = ROLLOUT) -> Trial:
    """A trial before its first round."""
    ratio = begun(compare.margins, stakes)
    return Trial(compare.margins, compare.tolerance, compare.worse, errors=ratio, refusals=ratio)


def _errors(canary: Counted, stable: Counted) -> Stratum:
    return Stratum(canary.errors, stable.errors, canary.requests, stable.requests)


def _refusals(canary: Counted, stable: Counted) -> Stratum:
    return Stratum(canary.refusals, stable.refusals, canary.requests, stable.requests)
