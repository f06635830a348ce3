"""Rounds that can change nothing wait, and are judged together with the next one that can, as one stratum.

Counters only grow, so nothing is lost: the origins stay those of the last round that was judged. The promises stay,
too: where the canary's share of the requests stays, the gains of rounds in one stratum add up to those of each, and it
ends at a stopping time (a clock, a count, failures or slow answers that have come). By chance the share moves a little
from round to round; that changes the gains in second order, within half a minute, and a simulation of healthy rollouts
keeps the promise. A step, or a pod that comes or goes, where it moves most, always ends a stratum.

What is delayed: drift, a pass, and what is a little slower, by at most `MOST` rounds and `LONGEST` seconds. A failure
never is where it could matter, since each multiplies the evidence by a known factor at most; nor are answers that are
slow far too often. The first requests of a step are judged at once, so that a pass comes at most a tenth of its
requests later.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter, gt, sub
from typing import Self

from modelrollout.judge.alarms import limit_alarm
from modelrollout.judge.evidence import Evidence
from modelrollout.judge.limits import Rules
from modelrollout.judge.mixtures import STRONGEST
from modelrollout.judge.proofs import abstains
from modelrollout.judge.samples import Round, Sample
from modelrollout.judge.slowness import P95
from modelrollout.judge.strata import alike
from modelrollout.judge.verdicts import Verdict

MOST = 5
"""Rounds that wait for one."""
LONGEST = 30.0
"""Seconds after which a round is judged whatever it brings."""
YOUNG = 10
"""The evidence has at least so many times as many requests as what waits."""
TIMES_SLOWER = 3.0
"""What waits has at most so many times as many slow answers as stable had before."""
FEW_SLOW = 10
"""So few are not worth a look."""

Counts = tuple[int, int, int]
"""Requests, errors and refusals."""
_ERRORS = attrgetter("errors", "requests")


@dataclass(frozen=True, slots=True)
class Mark:
    """A latency, and the part of the answers that may be slower and still wait."""

    ms: float
    most: float


@dataclass(frozen=True, slots=True)
class Since:
    """What was counted since the last round that was judged."""

    candidate: Counts
    stable: Counts
    slow: tuple[int, ...] = ()
    """The candidate's answers that were slower than each mark."""

    def is_slow(self, marks: Sequence[Mark]) -> bool:
        """Whether answers were slow so often that they are worth a look at once."""
        worth = (max(FEW_SLOW, mark.most * self.candidate[0]) for mark in marks)
        return any(map(gt, self.slow, worth))


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rounds that are not judged yet. Only kept in memory: a restart loses them like all that is not checkpointed."""

    rounds: int = 0
    latest: Round | None = None
    """The last round, judged or not; None before the first one."""
    judged_at: float = 0.0
    """When the last one was judged, in seconds of the monotonic clock."""
    judged: Since = Since((0, 0, 0), (0, 0, 0))
    """The counters then."""
    marks: tuple[Mark, ...] = ()
    """Where an answer counts as slow."""

    def plus(self, seen: Round) -> Self:
        return replace(self, rounds=self.rounds + 1, latest=seen)

    def is_due(self, at: float) -> bool:
        """Whether a round at this time has to be judged."""
        return self.rounds >= MOST or at - self.judged_at >= LONGEST

    def goes_on(self, seen: Round) -> bool:
        """Whether a round has the processes of the one before, with counters and buckets that follow on."""
        before = self.latest
        return before is not None and _follow(before.candidate, seen.candidate) and _follow(before.stable, seen.stable)

    def since(self, seen: Round) -> Since:
        """What a round that goes on has counted more than the last one that was judged."""
        now, then = _counted(seen, self.marks), self.judged
        slow = tuple(map(sub, now.slow, then.slow))
        return Since(_more(now.candidate, then.candidate), _more(now.stable, then.stable), slow)


def begun(seen: Round, at: float, evidence: Evidence, rules: Rules) -> Waiting:
    """Nothing waits: this round was judged."""
    marks = tuple(_marks(evidence, rules))
    return Waiting(0, seen, at, _counted(seen, marks), marks)


def _marks(evidence: Evidence, rules: Rules) -> Iterator[Mark]:
    """Stable's p95 before the rollout, and each limit of latency."""
    if evidence.trial is not None and evidence.trial.slowness is not None:
        measure = evidence.trial.slowness.measure
        yield Mark(measure.edges_ms[measure.at[P95]], TIMES_SLOWER * measure.before[P95])
    for limit in rules.latency:
        yield Mark(limit.limit_ms, limit.share)


def changes_nothing(evidence: Evidence, verdict: Verdict, waiting: Waiting, seen: Round, rules: Rules) -> bool:
    """Whether what came since cannot take back a candidate, nor be much of all that it has shown."""
    since, total = waiting.since(seen), evidence.candidate.total
    requests, errors, refusals = since.candidate
    if rules.window or refusals or total.requests < max(rules.min_samples, YOUNG * requests):
        return False
    if verdict.candidate is not None or verdict.stable is not None or _is_deaf(evidence, rules):
        return False
    if since.is_slow(waiting.marks):
        return False
    return not errors or not (_may_break_limit(evidence, errors, rules) or _may_be_worse(evidence, since, rules))


def _is_deaf(evidence: Evidence, rules: Rules) -> bool:
    """Whether there is a comparison that says nothing now, and might when stable answers again, or has its floor."""
    compare, trial = rules.compare, evidence.trial
    if compare is None or not compare.shared:
        return False
    return trial is None or trial.canary.requests < rules.min_samples or bool(abstains(evidence, compare))


def _may_break_limit(evidence: Evidence, errors: int, rules: Rules) -> bool:
    """Whether so many more errors could show that the limit is broken, or raise a doubt."""
    limit, total = rules.error_rate, evidence.candidate.total
    if limit is None:
        return False
    if total.errors + errors > limit * total.requests:
        return True
    found = limit_alarm(evidence.candidate, _ERRORS, limit, 0.0)
    return _may_reach(found.log_e if found is not None else 0.0, -errors * math.log(limit), rules.limit_threshold)


def _may_be_worse(evidence: Evidence, since: Since, rules: Rules) -> bool:
    """Whether so many more errors could show that the candidate fails more than stable."""
    compare, trial = rules.compare, evidence.trial
    if compare is None or trial is None or not since.stable[0]:
        return False
    (requests, errors, _), (of_stable, _, _) = since.candidate, since.stable
    most = min(STRONGEST, math.log((max(requests, errors) + of_stable) / max(requests, errors)))
    return _may_reach(trial.errors.alarm, errors * most, compare.threshold("errors"))


def _may_reach(log_e: float, gain: float, bar: float) -> bool:
    """Whether E can be at the bar when it grows so much; what is bet anew until then is at most 1."""
    return max(log_e, 0.0) + math.log1p(math.exp(-abs(log_e))) + gain >= bar


def _follow(before: Sequence[Sample], now: Sequence[Sample]) -> bool:
    if len(before) != len(now):
        return False
    for old, new in zip(before, now, strict=True):
        if old.instance != new.instance or old.pod != new.pod or old.baseline != new.baseline:
            return False
        if old.requests > new.requests or old.errors > new.errors or old.refusals > new.refusals:
            return False
        earlier, later = old.latency, new.latency
        if len(earlier.counts) != len(later.counts) or not alike(earlier.edges_ms, later.edges_ms):
            return False
    return True


def _counted(seen: Round, marks: Sequence[Mark]) -> Since:
    slow = tuple([sum([_slower(one, mark.ms) for one in seen.candidate]) for mark in marks])
    return Since(_sums(seen.candidate), _sums(seen.stable), slow)


def _slower(sample: Sample, ms: float) -> int:
    """Answers in the buckets that begin at this latency or above it."""
    return sum(sample.latency.counts[bisect_left(sample.latency.edges_ms, ms) + 1 :])


def _sums(arm: Sequence[Sample]) -> Counts:
    requests = errors = refusals = 0
    for one in arm:
        requests, errors, refusals = requests + one.requests, errors + one.errors, refusals + one.refusals
    return requests, errors, refusals


def _more(now: Counts, before: Counts) -> Counts:
    return now[0] - before[0], now[1] - before[1], now[2] - before[2]
