"""What speaks against a candidate beside stable: more errors, slower answers, or predictions that drifted.

Like the limits these are flat checks in the order in which a person would want to hear of them.
"""

from collections.abc import Iterator

from modelrollout.judge import drift
from modelrollout.judge.comparing import Comparing
from modelrollout.judge.evidence import Evidence
from modelrollout.judge.limits import Rules
from modelrollout.judge.proofs import abstains
from modelrollout.judge.ratios import Interval
from modelrollout.judge.slowness import SHARES
from modelrollout.judge.trial import Trial
from modelrollout.judge.verdicts import Finding

FROZEN = "what stable predicted until it was promoted"


def worse_than_stable(evidence: Evidence, rules: Rules) -> Iterator[Finding | None]:
    """The findings of the comparison; nothing below `min_samples` requests."""
    trial, compare = evidence.trial, rules.compare
    if trial is None or trial.canary.requests < rules.min_samples:
        return
    if compare is not None and not abstains(evidence, compare):
        yield _more_errors(trial, compare)
        yield _slower(trial, compare)
        yield _other_shape(trial, compare, rules.drift_alpha)
    yield drifted(trial, rules)


def drifted(trial: Trial, rules: Rules) -> Finding | None:
    """Predictions that are not those of the model's own baseline; a baseline that is none says nothing."""
    if trial.baseline is None or rules.drift is None or drift.unusable(trial.baseline):
        return None
    whose = FROZEN if trial.baseline == rules.frozen else drift.OWN
    found = drift.moved(trial.predictions, trial.baseline, rules.drift, rules.drift_alpha, whose=whose)
    return Finding("predictionDrift", found.message) if found.answer is drift.Answer.DRIFTED else None


def _other_shape(trial: Trial, compare: Comparing, alpha: float) -> Finding | None:
    if compare.shape is None:
        return None
    found = drift.apart(trial.predictions, trial.stable.predictions, compare.shape, alpha)
    return Finding("predictionShape", found.message) if found.answer is drift.Answer.DRIFTED else None


def _more_errors(trial: Trial, compare: Comparing) -> Finding | None:
    if not trial.errors.is_alarm(compare.threshold("errors")):
        return None
    hits, found = trial.errors.hits, trial.errors.interval(compare.alpha)
    message = (
        f"{hits.candidate_hits} of {hits.candidate_requests} requests failed, stable failed {hits.stable_hits} of "
        f"{hits.stable_requests}{_times(found)}{_where(trial)}"
    )
    return Finding("errorRatio", message, trial.errors.alarm, trial.only_pod)


def _slower(trial: Trial, compare: Comparing) -> Finding | None:
    slowness = trial.slowness
    if slowness is None or not slowness.is_alarm(compare.threshold("latency")):
        return None
    edge, seen, measure = slowness.worst, slowness.seen, slowness.measure
    ms, beyond = measure.edges_ms[measure.at[edge]], measure.edges_ms[measure.above(seen.tolerated)[edge]]
    message = (
        f"{seen.candidate[edge]} of {seen.candidate_requests} requests took longer than {beyond:.3g} ms, stable's "
        f"{seen.stable[edge]} of {seen.stable_requests} longer than {ms:.3g} ms (its p{SHARES[edge] * 100:g} before)"
        f"{_alone(trial)}"
    )
    return Finding("latencyRatio", message, slowness.alarm)


def _times(found: Interval) -> str:
    """How many times as many. Where stable has none, or hardly any, only the least of it is known."""
    low, high = found.low, found.high
    if found.ratio is None:
        return f", at least {low:.2g} times as many" if low is not None else ""
    times = f", {found.ratio:.2g} times as many"
    if low is None:
        return times if high is None else f"{times} (at most {high:.2g})"
    return f"{times} ({low:.2g} or more)" if high is None else f"{times} ({low:.2g} to {high:.2g})"


def _where(trial: Trial) -> str:
    if trial.only_pod:
        return f"; without {trial.only_pod} nothing would speak against it"
    return _alone(trial)


def _alone(trial: Trial) -> str:
    return "; it has one pod: model or node" if len(trial.without.pods) == 1 else ""
