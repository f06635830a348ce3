"""The judge's numbers for people: status, gauges and `modelrollout judge` show them; nothing is decided here."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from modelrollout.judge import drift
from modelrollout.judge.comparing import Comparing
from modelrollout.judge.evidence import Evidence
from modelrollout.judge.limits import Rules
from modelrollout.judge.proofs import abstains, expected_requests
from modelrollout.judge.quantiles import Quantile, quantiles
from modelrollout.judge.ratios import Interval, Ratio, log_pass
from modelrollout.judge.slowness import Slowness
from modelrollout.judge.trial import Trial

UNBOUNDED = Interval(None, None, None)


class Answer(StrEnum):
    ROLL_BACK = "rollBack"
    PASS = "pass"  # noqa: S105  # no password
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric of the comparison."""

    metric: str
    """errors, refusals or latency."""
    answer: Answer
    log_e: float
    """That the candidate is worse; natural logarithm, without restarts."""
    p: float
    log_e_noninferior: float
    """That it is no worse than the margin allows, relative to stable."""
    log_e_pass: float
    """The same, or too good by itself for that to matter: what a pass is decided by."""
    ratio: Interval = UNBOUNDED


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is known about a candidate beside stable."""

    requests: int = 0
    """Candidate requests since the rollout began."""
    readings: tuple[Reading, ...] = ()
    candidate_ms: tuple[Quantile, ...] = ()
    stable_ms: tuple[Quantile, ...] = ()
    moved: drift.Moved | None = None
    shape: float | None = None
    """Distance of the shape of the predictions from stable's; None where it is not known."""
    abstains: str = ""
    """Why nothing is compared now; empty when it is."""
    unusable_baseline: str = ""
    stable_error_rate: float = 0.0
    """Errors per request of stable since the rollout began; 0 without requests."""
    expected_requests: int | None = None
    """Candidate requests until a pass, at the present rates; None where that cannot be said."""


def report(evidence: Evidence, rules: Rules) -> Report | None:
    """The numbers of a rollout; None where nothing is compared and no model carries a baseline."""
    trial, compare = evidence.trial, rules.compare
    if trial is None:
        return None
    slowness, found = trial.slowness, tuple(readings(trial, compare)) if compare is not None else ()
    edges = slowness.measure.edges_ms if slowness is not None else ()
    return Report(
        requests=trial.canary.requests,
        readings=found,
        candidate_ms=quantiles(edges, trial.canary.upto.tolist()),
        stable_ms=quantiles(edges, trial.stable.upto.tolist()),
        moved=_drift(trial, rules),
        shape=drift.apart(trial.predictions, trial.stable.predictions, 1.0, rules.drift_alpha).distance,
        abstains=abstains(evidence, compare) if compare is not None else "",
        unusable_baseline=drift.unusable(trial.baseline) if trial.baseline is not None else "",
        stable_error_rate=trial.stable.errors / max(1, trial.stable.requests),
        expected_requests=expected_requests(evidence, rules, {one.metric: one.log_e_pass for one in found}),
    )


def readings(trial: Trial, compare: Comparing) -> Iterator[Reading]:
    """Each metric with its numbers."""
    yield _ratio("errors", trial.errors, compare)
    yield _ratio("refusals", trial.refusals, compare)
    if trial.slowness is not None:
        yield _slowness(trial.slowness, compare)


def _ratio(metric: str, ratio: Ratio, compare: Comparing) -> Reading:
    passed = log_pass(ratio, compare.margin, compare.negligible)
    return Reading(
        metric=metric,
        answer=_answer(ratio.is_alarm(compare.threshold(metric)), passed >= compare.proof),
        log_e=ratio.log_e,
        p=ratio.p,
        log_e_noninferior=ratio.log_e_noninferior(compare.margin),
        log_e_pass=passed,
        ratio=ratio.interval(compare.alpha),
    )


def _slowness(slowness: Slowness, compare: Comparing) -> Reading:
    passed = slowness.log_pass(compare.negligible)
    return Reading(
        metric="latency",
        answer=_answer(slowness.is_alarm(compare.threshold("latency")), passed >= compare.proof),
        log_e=slowness.log_e,
        p=slowness.p,
        log_e_noninferior=slowness.log_e_noninferior,
        log_e_pass=passed,
    )


def _drift(trial: Trial, rules: Rules) -> drift.Moved | None:
    if trial.baseline is None or rules.drift is None or drift.unusable(trial.baseline):
        return None
    return drift.moved(trial.predictions, trial.baseline, rules.drift, rules.drift_alpha)


def _answer(worse: object, no_worse: object) -> Answer:
    if worse:
        return Answer.ROLL_BACK
    return Answer.PASS if no_worse else Answer.UNDECIDED
