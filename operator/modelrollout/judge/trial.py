"""What a whole rollout has shown about its candidate beside stable: the memory of the comparison.

Unlike the evidence of an epoch it is kept from step to step. A later step starts a part of each bet anew, so that a
fault that begins there is not buried (see `ratios`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from modelrollout.judge.comparing import Comparing
from modelrollout.judge.dispersion import Dispersion
from modelrollout.judge.eprocesses import Stratum
from modelrollout.judge.ratios import Ratio, begun
from modelrollout.judge.samples import Baseline, Predictions
from modelrollout.judge.slowness import P95, Slowness, slow_at, yardstick
from modelrollout.judge.strata import NOTHING_COUNTED, Counted, Stratified, together

PODS_KEPT = 8
"""Candidate pods whose absence is tried, to know whether one pod is all the evidence."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Sums since the rollout began; all of it additive but the yardstick, which is fixed once."""

    margins: tuple[float, ...]
    tolerance: float
    errors: Ratio
    refusals: Ratio
    slowness: Slowness | None = None
    """None until stable has answered enough to fix the edges."""
    canary: Counted = NOTHING_COUNTED
    stable: Counted = NOTHING_COUNTED
    baseline: Baseline | None = None
    without: tuple[tuple[str, Ratio], ...] = ()
    """The errors' evidence without one candidate pod, for each pod; only kept in memory."""
    last: Stratified | None = field(default=None, compare=False)
    """The last round, for the log of strata; only kept in memory."""

    def plus(self, seen: Stratified) -> Self:
        """After one round."""
        canary, stable = together(seen.canary.values()), together(seen.stable.values())
        known = replace(
            self,
            canary=together((self.canary, canary)),
            stable=together((self.stable, stable)),
            baseline=seen.baseline or self.baseline,
            slowness=self._slowness(seen, canary, stable),
            last=seen if self.slowness is None else replace(seen, before=()),
        )
        if not canary.requests or not stable.requests:
            return known
        errors = self.errors.dispersion.plus((one.errors, one.requests) for one in seen.stable.values())
        refusals = self.refusals.dispersion.plus((one.refusals, one.requests) for one in seen.stable.values())
        return replace(
            known,
            errors=self.errors.plus(_errors(canary, stable), errors),
            refusals=self.refusals.plus(_refusals(canary, stable), refusals),
            without=self._without(seen.canary, canary, stable, errors),
        )

    def restarted(self) -> Self:
        """At a later step."""
        return replace(
            self,
            errors=self.errors.restarted(),
            refusals=self.refusals.restarted(),
            slowness=self.slowness.restarted() if self.slowness is not None else None,
            without=tuple((pod, ratio.restarted()) for pod, ratio in self.without),
        )

    @property
    def only_pod(self) -> str:
        """The pod without which nothing would speak against the candidate; empty where several do."""
        if len(self.without) <= 1:
            return ""
        return next((pod for pod, ratio in self.without if ratio.alarm < 0.0), "")

    @property
    def predictions(self) -> Predictions:
        return self.canary.predictions

    def _slowness(self, seen: Stratified, canary: Counted, stable: Counted) -> Slowness | None:
        if self.slowness is None:
            measure = yardstick(seen.edges_ms, seen.before, self.tolerance)
            return self._measured(Slowness(measure), seen, canary, stable) if measure is not None else None
        return self._measured(self.slowness, seen, canary, stable)

    def _measured(self, known: Slowness, seen: Stratified, canary: Counted, stable: Counted) -> Slowness:
        if seen.edges_ms != known.measure.edges_ms or not canary.latency or not stable.latency:
            return known
        edge = known.measure.at[P95] + 1
        pods = ((sum(one.latency[edge:]), sum(one.latency)) for one in seen.stable.values() if one.latency)
        dispersion: Dispersion = known.dispersion.plus(pods)
        return known.plus(slow_at(known.measure, canary.latency, stable.latency), dispersion)

    def _without(
        self, pods: Mapping[str, Counted], canary: Counted, stable: Counted, dispersion: Dispersion
    ) -> tuple[tuple[str, Ratio], ...]:
        before = dict(self.without)
        names = list(dict.fromkeys((*before, *pods)))[:PODS_KEPT]
        return tuple(
            (name, before.get(name, self.errors).plus(_errors(_less(canary, pods.get(name)), stable), dispersion))
            for name in names
        )


def started(compare: Comparing, capital: float = 0.5) -> Trial:
    """A trial before its first round. `capital` is bet at once: all of it where no step will follow."""
    ratio = begun(compare.margins, capital)
    return Trial(compare.margins, compare.tolerance, errors=ratio, refusals=ratio)


def _less(arm: Counted, pod: Counted | None) -> Counted:
    if pod is None:
        return arm
    return Counted(arm.requests - pod.requests, arm.errors - pod.errors)


def _errors(canary: Counted, stable: Counted) -> Stratum:
    return Stratum(canary.errors, stable.errors, canary.requests, stable.requests)


def _refusals(canary: Counted, stable: Counted) -> Stratum:
    return Stratum(canary.refusals, stable.refusals, canary.requests, stable.requests)
