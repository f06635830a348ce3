"""The verdict: whether an arm breaks a limit, or the canary refuses what stable answers, as far as evidence says.

A flat list of checks in the order in which a person would want to hear of them; the first that fires is the finding.
Stable is held to the same limits on its own data, since a limit that stable breaks too says nothing about the canary.
Whether anything is rolled back is not decided here.

Below `min_samples` requests of an arm only a total failure is judged: every request failed, or the canary refused
every request while stable answered some. Then, too, the test must have fired: at a limit of 5 % that takes three
requests. Slowness is no failure and waits for the floor.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import attrgetter

from modelrollout.judge.alarms import Alarm, Share, limit_alarm, split_alarm, window_alarm
from modelrollout.judge.arms import Arm
from modelrollout.judge.blame import BLAMED, suspect
from modelrollout.judge.comparisons import worse_than_stable
from modelrollout.judge.doubts import doubt
from modelrollout.judge.evidence import Evidence
from modelrollout.judge.limits import LatencyLimit, Rules
from modelrollout.judge.proofs import unproven
from modelrollout.judge.sharing import lenient
from modelrollout.judge.tallies import Tally
from modelrollout.judge.verdicts import NOTHING_SEEN, Finding, Verdict

_ERRORS = attrgetter("errors", "requests")


def verdict(evidence: Evidence, rules: Rules) -> Verdict:
    """What the evidence of one epoch says now. A candidate without requests has no finding and is never `enough`."""
    candidate, stable = evidence.candidate.total, evidence.stable.total
    if not candidate.requests and not stable.requests:
        return NOTHING_SEEN
    missing, expected = unproven(evidence, rules)
    against = _put_on_a_pod(_first(_against_candidate(evidence, rules)), evidence, rules)
    return Verdict(
        candidate=against,
        stable=_first(_limits_broken(evidence.stable, evidence.limits_ms, rules))
        or evidence.alone.finding
        or _shared(evidence, rules, against),
        enough=candidate.requests >= rules.min_samples,
        doubt=doubt(evidence, rules),
        unproven=missing,
        expected=expected,
        requests=candidate.requests,
        failures=candidate.failures,
        summary=_summary(candidate, rules) if candidate.requests else f"stable: {_summary(stable, rules)}",
    )


def _first(findings: Iterator[Finding | None]) -> Finding | None:
    return next(filter(None, findings), None)


def _put_on_a_pod(found: Finding | None, evidence: Evidence, rules: Rules) -> Finding | None:
    if found is None or found.metric not in BLAMED:
        return found
    return replace(found, suspect=suspect(evidence, rules))


def _shared(evidence: Evidence, rules: Rules, against: Finding | None) -> Finding | None:
    """What speaks against stable, too, at a lower bar, once the candidate has broken the same limit.

    When everything fails at once one arm's test fires first, perhaps by a single scrape: the other arm has more good
    requests behind it, or is below the floor. 3 failures of 3, or 19 of 20, are then enough to blame nobody.
    """
    if against is None:
        return None
    found = _limits_broken(evidence.stable, evidence.limits_ms, lenient(rules))
    return next((one for one in found if one is not None and one.metric == against.metric), None)


def _against_candidate(evidence: Evidence, rules: Rules) -> Iterator[Finding | None]:
    broken = _limits_broken(evidence.candidate, evidence.limits_ms, rules)
    yield next(broken)  # the error rate; refusals come before latency: an answer refused at once looks fast
    yield _refusals_above_stable(evidence, rules)
    yield from broken
    yield from worse_than_stable(evidence, rules)


def _limits_broken(arm: Arm, limits_ms: tuple[float, ...], rules: Rules) -> Iterator[Finding | None]:
    yield _error_rate_above_limit(arm, rules)
    if limits_ms != rules.limits_ms or arm.total.requests < rules.min_samples:
        return
    for index, limit in enumerate(rules.latency):
        yield _slower_than_limit(arm, index, limit, rules)


def _error_rate_above_limit(arm: Arm, rules: Rules) -> Finding | None:
    total = arm.total
    if rules.error_rate is None or (total.requests < rules.min_samples and total.errors < total.requests):
        return None
    alarm = _above(arm, _ERRORS, rules.error_rate, rules)
    if alarm is None:
        return None
    pod, where = _blame(arm, lambda tally: tally.errors)
    message = f"{_share(alarm)} failed (limit {_percent(rules.error_rate)}){where}"
    return Finding("errorRate", message, alarm.log_e, pod)


def _above(arm: Arm, count: Callable[[Tally], tuple[int, int]], limit: float, rules: Rules) -> Alarm[Share] | None:
    """By the rule that the user chose; below the floor a total failure is always tested."""
    if rules.window and arm.total.requests >= rules.min_samples:
        return window_alarm(arm, count, limit)
    return limit_alarm(arm, count, limit, rules.limit_threshold)


def _slower_than_limit(arm: Arm, index: int, limit: LatencyLimit, rules: Rules) -> Finding | None:
    alarm = _above(arm, lambda tally: (tally.slow[index], tally.timed), limit.share, rules)
    if alarm is None:
        return None
    pod, where = _blame(arm, lambda tally: tally.slow[index])
    message = f"{_share(alarm)} were slower than {limit.limit_ms:g} ms (limit {_percent(limit.share)}){where}"
    return Finding(limit.metric, message, alarm.log_e, pod)


def _refusals_above_stable(evidence: Evidence, rules: Rules) -> Finding | None:
    candidate, stable = evidence.candidate.total, evidence.stable.total
    total_failure = candidate.refusals == candidate.requests and stable.refusals < stable.requests
    if candidate.requests < rules.min_samples and not total_failure:
        return None
    alarm = split_alarm(evidence.refusals, rules.refusal_threshold)
    if alarm is None:
        return None
    pod, _ = _blame(evidence.candidate, lambda tally: tally.refusals)
    hits = alarm.counts
    refused = _share(Alarm(alarm.log_e, Share(hits.candidate_hits, hits.candidate_requests), alarm.whole))
    message = f"{refused} were refused, stable refused {hits.stable_hits} of {hits.stable_requests}"
    return Finding("refusals", message, alarm.log_e, pod)


def _blame(arm: Arm, hits: Callable[[Tally], int]) -> tuple[str, str]:
    """The pod with most hits in the epoch, and how a message says so; nothing where no pod is remembered."""
    if not arm.pods:
        return "", ""
    pod, tally = max(arm.pods, key=lambda one: hits(one[1]))
    if hits(tally) == hits(arm.total):
        return pod, f", all on {pod}"
    if 2 * hits(tally) > hits(arm.total):
        return pod, f", most on {pod}"
    return pod, ", on several pods"


def _share(alarm: Alarm[Share]) -> str:
    return f"{alarm.counts.hits} of {'' if alarm.whole else 'the last '}{alarm.counts.requests} requests"


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _summary(total: Tally, rules: Rules) -> str:
    """The epoch's numbers for `kubectl get`; latencies only where they are above their limit."""
    words = [f"{total.errors} of {total.requests} failed"]
    if total.refusals:
        words.append(f"{total.refusals} refused")
    words += [
        f"{slow} slower than {limit.limit_ms:g} ms"
        for slow, limit in zip(total.slow, rules.latency, strict=False)
        if slow > limit.share * total.timed
    ]
    return ", ".join(words)
