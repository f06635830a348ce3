"""Rounds that can change nothing wait, and are judged together after half a minute, as one stratum.

Counters only grow, so nothing is lost: the origins stay those of the last round that was judged. The promises stay,
too: where the canary's share of the requests stays, the gains of rounds in one stratum add up to those of each, and it
ends at a stopping time (a clock, a count, failures or slow answers that have come). By chance the share moves a little
from round to round; that changes the gains in second order, within half a minute, and a simulation of healthy rollouts
keeps the promise. A step, or a pod that comes or goes, where it moves most, always ends a stratum.

What is delayed: drift, a pass, and what is a little slower, by at most `MOST` rounds and `LONGEST` seconds. A failure
never is where it matters: the tests of errors are asked what they would say. Nor are answers that are slow far too
often. The first requests of a step are judged at once, so that a pass comes at most a tenth of its requests later.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, gt, sub
from typing import Self

from modelrollout.judge.alarms import limit_alarm
from modelrollout.judge.eprocesses import Stratum
from modelrollout.judge.evidence import Arm, Evidence
from modelrollout.judge.limits import Rules
from modelrollout.judge.mixtures import STRONGEST, highest
from modelrollout.judge.proofs import abstains
from modelrollout.judge.restarts import Restart
from modelrollout.judge.samples import Round, Sample
from modelrollout.judge.slowness import P95
from modelrollout.judge.strata import alike
from modelrollout.judge.tallies import Tally
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
NEARLY = 1.0
"""Log E: rounds in one stratum differ by less from each by itself."""

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

    held: tuple[Round, ...] = ()
    """Those that wait, the oldest first."""
    before: Round | None = None
    """The last round that was judged; None before the first one."""
    at: float = 0.0
    """When the last round was, judged or not, in seconds of the monotonic clock."""
    judged_at: float = 0.0
    """When the last one was judged."""
    judged: Since = Since((0, 0, 0), (0, 0, 0))
    """The counters then."""
    marks: tuple[Mark, ...] = ()
    """Where an answer counts as slow."""
    level: float = 0.0
    """Log E then that the limit of errors is broken; 0 for less."""

    @property
    def rounds(self) -> int:
        return len(self.held)

    @property
    def together(self) -> tuple[Round, ...]:
        """All that waits in one round: counters only grow."""
        return self.held[-1:]

    @property
    def passed(self) -> list[Counts]:
        """What the candidate had counted since then after each of them."""
        return [_more(_sums(one.candidate), self.judged.candidate) for one in self.held]

    def plus(self, seen: Round, at: float) -> Self:
        """With one more round."""
        held = (*self.held, seen)
        return type(self)(held, self.before, at, self.judged_at, self.judged, self.marks, self.level)

    def is_due(self, at: float) -> bool:
        """Whether a round at this time has to be judged."""
        return len(self.held) >= MOST or at - self.judged_at >= LONGEST

    def goes_on(self, seen: Round) -> bool:
        """Whether a round has the processes of the one before, with counters and buckets that follow on."""
        before = self.held[-1] if self.held else self.before
        return before is not None and _follow(before.candidate, seen.candidate) and _follow(before.stable, seen.stable)

    def since(self, seen: Round) -> Since:
        """What a round that goes on has counted more than the last one that was judged."""
        now, then = _counted(seen, self.marks), self.judged
        slow = tuple(map(sub, now.slow, then.slow))
        return Since(_more(now.candidate, then.candidate), _more(now.stable, then.stable), slow)


def begun(seen: Round, at: float, evidence: Evidence, rules: Rules) -> Waiting:
    """Nothing waits: this round was judged."""
    marks = tuple(_marks(evidence, rules))
    return Waiting((), seen, at, at, _counted(seen, marks), marks, _level(evidence.candidate, rules))


def _level(arm: Arm, rules: Rules) -> float:
    found = limit_alarm(arm, _ERRORS, rules.error_rate, 0.0) if rules.error_rate is not None else None
    return found.log_e if found is not None else 0.0


def _marks(evidence: Evidence, rules: Rules) -> Iterator[Mark]:
    """Stable's p95 before the rollout, and each limit of latency."""
    if evidence.trial is not None and evidence.trial.slowness is not None:
        measure = evidence.trial.slowness.measure
        yield Mark(measure.edges_ms[measure.at[P95]], TIMES_SLOWER * measure.before[P95])
    for limit in rules.latency:
        yield Mark(limit.limit_ms, limit.share)


def may_wait(evidence: Evidence, verdict: Verdict, since: Since, rules: Rules) -> bool:
    """Whether this is a time for waiting: the candidate has shown much more than what waits, and nothing is wrong."""
    if rules.window or evidence.candidate.total.requests < max(1, rules.min_samples, YOUNG * since.candidate[0]):
        return False
    return verdict.candidate is None and verdict.stable is None and not _is_deaf(evidence, rules)


def matters(evidence: Evidence, waiting: Waiting, since: Since, rules: Rules) -> bool:
    """Whether what came since could take back a candidate."""
    _, errors, refusals = since.candidate
    if refusals or since.is_slow(waiting.marks):
        return True
    if not errors:
        return False
    return _breaks_limit(evidence.candidate, waiting, since, rules) or _is_worse(evidence, since, rules)


def stands_out(waiting: Waiting, since: Since, rules: Rules) -> bool:
    """Whether the candidate is above the limit since one of the rounds that wait, where the test begins anew."""
    requests, errors, _ = since.candidate
    if rules.error_rate is None or not errors:
        return False
    return any(errors - had > rules.error_rate * (requests - of) for of, had, _ in waiting.passed)


def _is_deaf(evidence: Evidence, rules: Rules) -> bool:
    """Whether there is a comparison that says nothing now, and might when stable answers again, or has its floor."""
    compare, trial = rules.compare, evidence.trial
    if compare is None or not compare.shared:
        return False
    return trial is None or trial.canary.requests < rules.min_samples or bool(abstains(evidence, compare))


def _breaks_limit(arm: Arm, waiting: Waiting, since: Since, rules: Rules) -> bool:
    """Whether the limit counts as broken, or a doubt is raised, by all that the candidate has counted by now.

    The test is started anew after each round, those that wait, too: a fault is not buried under the rounds before it.
    """
    limit, last = rules.error_rate, arm.restarts[-1].index
    if limit is None:
        return False
    total = arm.total + Tally(*since.candidate)
    if total.errors > limit * total.requests:
        return True
    # An error multiplies E by so much at most, and what is bet anew until now is at most 1.
    if (
        waiting.level + math.log1p(math.exp(-waiting.level)) - since.candidate[1] * math.log(limit)
        < rules.limit_threshold
    ):
        return False
    passed = [arm.total + Tally(*one) for one in waiting.passed]
    anew = [Restart(last + number, tally) for number, tally in enumerate(passed, 1)]
    return limit_alarm(Arm(total, (*arm.restarts, *anew)), _ERRORS, limit, rules.limit_threshold) is not None


def _is_worse(evidence: Evidence, since: Since, rules: Rules) -> bool:
    """Whether the candidate fails more than stable, or nearly so, by all that both have counted by now."""
    compare, trial = rules.compare, evidence.trial
    if compare is None or trial is None or not since.stable[0]:
        return False
    (requests, errors, _), (of_stable, by_stable, _) = since.candidate, since.stable
    bar = compare.threshold("errors") - NEARLY
    # A mean is at most the largest, and each error multiplies a bet by so much at most.
    most = min(STRONGEST, math.log((max(requests, errors) + of_stable) / max(requests, errors)))
    if max(0.0, highest(trial.errors.capital)) + errors * most < bar:
        return False
    return trial.errors.plus(Stratum(errors, by_stable, requests, of_stable)).alarm >= bar


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
