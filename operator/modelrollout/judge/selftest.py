"""Stable judged against itself: how often the judge would take back a model that is the same model.

Stable's pods in a log of strata are split in halves, and one half is judged as a canary by the code and at the bars of
a rollout. Every alarm is a false one. Few pods have few halvings, and halvings share their requests, so the share of
alarms is a check of the promise on real traffic and no estimate to three digits.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from math import comb

from modelrollout.judge.comparing import Comparing
from modelrollout.judge.dispersion import ALIKE
from modelrollout.judge.replay import StratumLine, read, stratum_of
from modelrollout.judge.slowness import slow_pods
from modelrollout.judge.strata import ArmStratum, Stratified
from modelrollout.judge.trial import Trial, started

LEAST_PODS = 2
METRICS = ("errors", "refusals", "latency")


class NothingToSplit(ValueError):  # noqa: N818  # says what is missing in a log
    """A log in which stable has too few pods."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a log says about the judge on this traffic."""

    strata: int
    pods: int
    requests: int
    """Of stable, in the whole log."""
    halvings: int
    alarms: Mapping[str, int]
    """Halvings in which a metric would have rolled back."""
    any_alarm: int
    """Halvings in which any of them would have."""
    dispersion: Mapping[str, float]
    """What evidence is divided by, by metric: 1 for requests that fail one by one, up to 20 for bursts."""

    @property
    def rate(self) -> float:
        """The share of halvings with a false alarm."""
        return self.any_alarm / self.halvings


def selftest(lines: Iterable[str], terms: Comparing, most: int) -> SelfTest:
    """Judge stable against itself in up to `most` halvings of its pods.

    Raises:
        BadStratum: for a line that is none, with its number.
        NothingToSplit: where stable never has two pods.

    """
    log = list(read(lines))
    pods = sorted({pod for line in log for pod in line.stable.pods})
    if len(pods) < LEAST_PODS:
        raise NothingToSplit(
            "stable has fewer than two pods in this log; a self-test splits them, so write the log of a rollout with "
            "two or more (--strata-log names each pod)"
        )
    trials = [_judged(log, frozenset(half), terms) for half in halves(pods, most)]
    return SelfTest(
        strata=len(log),
        pods=len(pods),
        requests=sum(line.stable.requests for line in log),
        halvings=len(trials),
        alarms={metric: sum(metric in one.fired for one in trials) for metric in METRICS},
        any_alarm=sum(bool(one.fired) for one in trials),
        dispersion=_dispersion(log, trials[-1].trial),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    trial: Trial
    fired: frozenset[str]


def halves(pods: Sequence[str], most: int, seed: int = 1) -> Iterator[tuple[str, ...]]:
    """Halves that play the canary: all of them where they are few, else drawn with a seed."""
    size = len(pods) // 2
    if comb(len(pods), size) <= most:
        return combinations(pods, size)
    draw = random.Random(seed)  # noqa: S311  # no secret
    return islice(iter(lambda: tuple(draw.sample(pods, size)), ()), most)


def _judged(log: Iterable[StratumLine], canary: frozenset[str], terms: Comparing) -> _Judged:
    """One trial over the log, looked at after every round as in a rollout."""
    trial, fired, step = started(terms), set[str](), None
    for line in log:
        if step is not None and line.step != step:
            trial = trial.restarted()
        step = line.step
        trial = trial.plus(split(stratum_of(line, trial), canary))
        fired |= set(alarms(trial, terms))
    return _Judged(trial, frozenset(fired))


def alarms(trial: Trial, terms: Comparing) -> Iterator[str]:
    """The metrics that would roll back."""
    tests = zip(METRICS, (trial.errors, trial.refusals, trial.slowness), strict=True)
    return (metric for metric, test in tests if test is not None and test.is_alarm(terms.threshold(metric)))


def split(seen: Stratified, canary: frozenset[str]) -> Stratified:
    """A round of stable with some of its pods as the canary."""
    ours = [at for at, pod in enumerate(seen.stable.pods) if pod in canary]
    others = [at for at, pod in enumerate(seen.stable.pods) if pod not in canary]
    return replace(seen, canary=_some(seen.stable, ours), stable=_some(seen.stable, others), baseline=None)


def _some(arm: ArmStratum, at: Sequence[int]) -> ArmStratum:
    return ArmStratum(
        pods=tuple(arm.pods[one] for one in at),
        counts=tuple(arm.counts[one] for one in at),
        edges_ms=arm.edges_ms,
        upto=arm.upto[list(at)] if len(arm.upto) else arm.upto,
        predictions=tuple(arm.predictions[one] for one in at),
    )


def _dispersion(log: Iterable[StratumLine], trial: Trial) -> Mapping[str, float]:
    """From the spread between all of stable's pods, as a rollout would measure it."""
    errors = refusals = latency = ALIKE
    measure = trial.slowness.measure if trial.slowness is not None else None
    for line in log:
        stable = stratum_of(line, trial).stable
        errors = errors.plus((hits, requests) for requests, hits, _ in stable.counts)
        refusals = refusals.plus((hits, requests) for requests, _, hits in stable.counts)
        if measure is not None and stable.edges_ms == measure.edges_ms:
            latency = latency.plus(slow_pods(measure, stable))
    return dict(zip(METRICS, (errors.factor, refusals.factor, latency.factor), strict=True))
