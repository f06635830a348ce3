"""What has to be shown before a candidate passes a step: not that nothing was noticed, but that it is no worse.

Beside stable each metric needs a proof relative to it. Where an arm has no traffic, or stable itself is broken, there
is nothing to compare with: the absolute limits have to be shown to be kept, on the data of this epoch alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modelrollout.judge import drift, mixtures
from modelrollout.judge.comparing import Comparing
from modelrollout.judge.evidence import Evidence
from modelrollout.judge.limits import Rules
from modelrollout.judge.ratios import short_of
from modelrollout.judge.trial import Trial

BROKEN = 0.5
"""A stable that answers more errors than this is nothing to compare with."""
NOTHING_KNOWN: Mapping[str, float] = MappingProxyType({})
_A_START = 0.2
"""Below this log E there is no telling how many requests a proof will take."""


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that is not shown yet."""

    claim: str
    log_e: float
    requests: int
    """Candidate requests behind it."""

    def expected(self, proof: float) -> int | None:
        """Candidate requests still to come if they are like those so far; None where nothing can be said."""
        if self.log_e < _A_START:
            return None
        return max(1, round(self.requests * (proof / self.log_e - 1)))


def abstains(evidence: Evidence, compare: Comparing) -> str:
    """Why the candidate cannot be compared with stable now; empty when it can."""
    stable = evidence.stable.total
    if not compare.shared:
        return "requests are not shared with stable"
    if not stable.requests:
        return "stable answers no requests"
    if stable.errors > BROKEN * stable.requests:
        return f"stable fails {stable.errors} of {stable.requests} requests"
    return ""


def missing(evidence: Evidence, rules: Rules, passes: Mapping[str, float] = NOTHING_KNOWN) -> Iterator[Missing]:
    """Everything that is not shown yet; empty when the candidate may pass, or where nothing is compared.

    `passes` has the `log_pass` of each metric that is known already.
    """
    compare, trial = rules.compare, evidence.trial
    if compare is None:
        return
    alone = trial is None or abstains(evidence, compare)
    if alone or trial is None:
        yield from (one for one in _absolute(evidence, rules) if one.log_e < compare.proof)
    else:
        yield from _relative(trial, compare, passes)
        yield from _shape(trial, compare, rules.drift_alpha)
    yield from _drift(trial, rules)


def unproven(evidence: Evidence, rules: Rules) -> tuple[str, int | None]:
    """The first thing that is missing, as a sentence, and the candidate requests that it takes; "" and 0 for nothing.

    They are those at the present rates; None where nothing can be said.
    """
    first = next(missing(evidence, rules), None)
    if first is None or rules.compare is None:
        return "", 0
    expected = first.expected(rules.compare.proof)
    about = f"; about {expected} more requests" if expected is not None else ""
    return f"{first.claim} is not shown yet{about}", expected


def expected_requests(evidence: Evidence, rules: Rules, passes: Mapping[str, float] = NOTHING_KNOWN) -> int | None:
    """Candidate requests until everything is shown, at the present rates; 0 when it is, None for unknown."""
    if rules.compare is None:
        return None
    each = [one.expected(rules.compare.proof) for one in missing(evidence, rules, passes)]
    known = [one for one in each if one is not None]
    return max(known, default=0) if len(known) == len(each) else None


def _relative(trial: Trial, compare: Comparing, passes: Mapping[str, float]) -> Iterator[Missing]:
    times, bar, slowness = f"at most {compare.margin:g} times stable's", compare.proof, trial.slowness
    for metric, what, ratio in (
        ("errors", "an error rate", trial.errors),
        ("refusals", "a refusal rate", trial.refusals),
    ):
        log_e = passes[metric] if metric in passes else short_of(bar, ratio, compare.margin, compare.negligible)
        if log_e is not None and log_e < bar:
            yield Missing(f"{what} of {times}", log_e, ratio.hits.candidate_requests)
    slower = f"a latency of at most {compare.tolerance:g} times stable's"
    if slowness is None:
        yield Missing(slower, 0.0, 0)
        return
    log_e = passes["latency"] if "latency" in passes else slowness.short_of(bar, compare.negligible)
    if log_e is not None and log_e < bar:
        yield Missing(slower, log_e, slowness.seen.proof.timed)


def _shape(trial: Trial, compare: Comparing, alpha: float) -> Iterator[Missing]:
    if compare.shape is None:
        return
    ours, theirs = trial.predictions, trial.stable.predictions
    if drift.apart(ours, theirs, compare.shape, alpha).answer is drift.Answer.CLEAR:
        return
    edges = "" if drift.comparable(ours, theirs) else " (predictions of both arms on the same edges)"
    yield Missing(f"a shape of the predictions within {compare.shape:g} of stable's{edges}", 0.0, ours.count)


def _absolute(evidence: Evidence, rules: Rules) -> Iterator[Missing]:
    total = evidence.candidate.total
    if rules.error_rate is not None:
        log_e = float(mixtures.below(total.errors, total.requests, rules.error_rate))
        yield Missing(f"an error rate below {rules.error_rate * 100:g} %", log_e, total.requests)
    if evidence.limits_ms != rules.limits_ms:
        return
    for limit, slow in zip(rules.latency, total.slow, strict=True):
        log_e = float(mixtures.below(slow, total.timed, limit.share))
        yield Missing(f"{limit.metric} below {limit.limit_ms:g} ms", log_e, total.timed)


def _drift(trial: Trial | None, rules: Rules) -> Iterator[Missing]:
    if trial is None or trial.baseline is None or rules.drift is None or drift.unusable(trial.baseline):
        return
    moved = drift.moved(trial.predictions, trial.baseline, rules.drift, rules.drift_alpha)
    if moved.answer is drift.Answer.UNDECIDED:
        yield Missing("that predictions stay near the model's baseline", 0.0, trial.predictions.count)
