"""Rounds that can change nothing wait, and are judged together after a while, as one stratum.

Counters only grow, so nothing is lost: the origins stay those of the last round that was judged. The promises stay,
too: where the canary's share of the requests stays, the gains of rounds in one stratum add up to those of each, and it
ends at a stopping time (a clock, a count, failures or slow answers that have come). By chance the share moves a little
from round to round; that changes the gains in second order, within a minute, and a simulation of healthy rollouts
keeps the promise. A step, or a pod that comes or goes, where it moves most, always ends a stratum.

What is delayed: drift, a pass, and what is a little slower, by at most `MOST` rounds and `LONGEST` seconds. A failure
never is where it matters: the tests of errors are asked what they would say. Nor are answers that are slow clearly more
often than stable's. What waits is a small part of what the step has shown, the smaller the nearer a pass is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter, sub
from typing import Self

from modelrollout.judge.alarms import limit_alarm
from modelrollout.judge.arms import Arm
from modelrollout.judge.eprocesses import Stratum
from modelrollout.judge.evidence import Evidence
from modelrollout.judge.limits import Rules
from modelrollout.judge.marks import Mark, marks_of
from modelrollout.judge.mixtures import highest, most_gained
from modelrollout.judge.proofs import abstains
from modelrollout.judge.restarts import Restart
from modelrollout.judge.samples import Round, Sample
from modelrollout.judge.strata import alike
from modelrollout.judge.tallies import Tally
from modelrollout.judge.verdicts import Verdict

MOST = 11
"""Rounds that wait for one."""
LONGEST = 60.0
"""Seconds after which a round is judged whatever it brings."""
YOUNG, NEAR = 3, 10
"""The evidence has at least so many times as many requests as what waits; `NEAR` where a pass may be near."""
NEXT = 0.25
"""Where a pass may take less than this part of the requests so far, each round is judged: proofs come and go."""
NEARLY = 1.0
"""Log E: rounds in one stratum differ by less from each by itself."""

Counts = tuple[int, int, int]
"""Requests, errors and refusals."""
_ERRORS = attrgetter("errors", "requests")


@dataclass(frozen=True, slots=True)
class Since:
    """What was counted since the last round that was judged."""

    candidate: Counts
    stable: Counts
    slow: tuple[int, ...] = ()
    """The candidate's answers that were slower than each mark."""

    def is_slow(self, marks: Sequence[Mark], until: Self) -> bool:
        """Whether so many are slow that it is worth a look: of all answers, or of those that came after `until`."""
        requests, latest = self.candidate[0], self.candidate[0] - until.candidate[0]
        for mark, slow, before in zip(marks, self.slow, until.slow or (0,) * len(marks), strict=True):
            if slow > mark.most(requests) or slow - before > mark.most(latest):
                return True
        return False


NOTHING = Since((0, 0, 0), (0, 0, 0))


@dataclass(frozen=True, slots=True)
class Judged:
    """The last round that was judged, and what is asked of those after it."""

    seen: Round = field(default_factory=Round)
    at: float = 0.0
    """When, in seconds of the monotonic clock."""
    counted: Since = NOTHING
    """All counters then."""
    marks: tuple[Mark, ...] = ()
    """Where an answer counts as slow."""
    level: float = 0.0
    """Log E that the limit of errors is broken; 0 for less."""
    worse: float = 0.0
    """The largest bet that the candidate fails more than stable, as a logarithm."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rounds that are not judged yet. Only kept in memory: a restart loses them like all that is not checkpointed."""

    last: Judged = Judged()
    at: float = 0.0
    """When the last round was, judged or not, in seconds of the monotonic clock."""
    rounds: int = 0
    """How many wait."""
    held: tuple[Round, ...] = ()
    """The last of them, and each after which the candidate failed a request; the oldest first."""
    passed: tuple[Counts, ...] = ()
    """What the candidate had counted since then after each of these."""
    newest: Since = NOTHING
    """What both had counted since then after the last of them."""

    @property
    def together(self) -> tuple[Round, ...]:
        """All that waits in one round: counters only grow."""
        return self.held[-1:]

    def plus(self, seen: Round, at: float, since: Since) -> Self:
        """With one more round. It stands for the one before, too, where the candidate has failed nothing since."""
        counted, rounds = since.candidate, self.rounds + 1
        if self.passed and counted[1] > self.passed[-1][1]:
            return type(self)(self.last, at, rounds, (*self.held, seen), (*self.passed, counted), since)
        return type(self)(self.last, at, rounds, (*self.held[:-1], seen), (*self.passed[:-1], counted), since)

    def is_due(self, at: float) -> bool:
        """Whether a round at this time has to be judged."""
        return self.rounds >= MOST or at - self.last.at >= LONGEST

    def since(self, seen: Round) -> Since | None:
        """What a round has counted more than the last one that was judged.

        None where it has other processes than the one before, or counters and buckets that do not follow on.
        """
        last, before = self.last, self.held[-1] if self.held else self.last.seen
        if not (_follow(before.candidate, seen.candidate) and _follow(before.stable, seen.stable)):
            return None
        now, then = _counted(seen, last.marks), last.counted
        slow = tuple(map(sub, now.slow, then.slow))
        return Since(_more(now.candidate, then.candidate), _more(now.stable, then.stable), slow)


def begun(seen: Round, at: float, evidence: Evidence, rules: Rules) -> Waiting:
    """Nothing waits: this round was judged."""
    marks = tuple(marks_of(evidence, rules))
    last = Judged(
        seen=seen,
        at=at,
        counted=_counted(seen, marks),
        marks=marks,
        level=_level(evidence.candidate, rules),
        worse=highest(evidence.trial.errors.capital) if evidence.trial is not None else 0.0,
    )
    return Waiting(last, at)


def _level(arm: Arm, rules: Rules) -> float:
    found = limit_alarm(arm, _ERRORS, rules.error_rate, 0.0) if rules.error_rate is not None else None
    return found.log_e if found is not None else 0.0


def may_wait(evidence: Evidence, verdict: Verdict, since: Since, rules: Rules) -> bool:
    """Whether this is a time for waiting: the candidate has shown much more than what waits, and nothing is wrong."""
    requests = evidence.candidate.total.requests
    if rules.window or verdict.candidate is not None or verdict.stable is not None or requests < rules.min_samples:
        return False
    return since.candidate[0] <= _may_wait(verdict, requests, rules) and not _is_deaf(evidence, rules)


def _may_wait(verdict: Verdict, requests: int, rules: Rules) -> float:
    """So many requests of the candidate: the fewer, the sooner it may pass, as far as that can be foreseen."""
    if rules.compare is None or not rules.compare.shared or verdict.doubt:
        return requests / NEAR
    if not verdict.expected or verdict.expected >= requests:
        return requests / YOUNG
    return requests / NEAR if verdict.expected >= NEXT * requests else -1.0


def matters(evidence: Evidence, waiting: Waiting, since: Since, rules: Rules) -> bool:
    """Whether what came since could take back a candidate."""
    _, errors, refusals = since.candidate
    if refusals or since.is_slow(waiting.last.marks, waiting.newest):
        return True
    if not errors:
        return False
    return _breaks_limit(evidence.candidate, waiting, since, rules) or _is_worse(evidence, waiting, since, rules)


def stands_out(waiting: Waiting, since: Since, rules: Rules) -> bool:
    """Whether the candidate is above the limit since one of the rounds that wait, where the test begins anew."""
    requests, errors, _ = since.candidate
    limit = rules.error_rate
    if limit is None or not errors:
        return False
    return any(errors - had > limit * (requests - of) for of, had, _ in waiting.passed)


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
    (requests, errors, _), limit, last = since.candidate, rules.error_rate, arm.restarts[-1].index
    if limit is None:
        return False
    if arm.total.errors + errors > limit * (arm.total.requests + requests):
        return True
    level = waiting.last.level
    # Up to the limit no bet gains, and what is bet anew until now is at most 1.
    if (
        level + math.log1p(math.exp(-level)) < rules.limit_threshold
        and errors <= limit * requests
        and not stands_out(waiting, since, rules)
    ):
        return False
    passed = [arm.total + Tally(*one) for one in waiting.passed]
    anew = [Restart(last + number, tally) for number, tally in enumerate(passed, 1)]
    found = Arm(arm.total + Tally(*since.candidate), (*arm.restarts, *anew))
    return limit_alarm(found, _ERRORS, limit, rules.limit_threshold) is not None


def _is_worse(evidence: Evidence, waiting: Waiting, since: Since, rules: Rules) -> bool:
    """Whether the candidate fails more than stable, or nearly so, by all that both have counted by now."""
    compare, trial = rules.compare, evidence.trial
    if compare is None or trial is None or not since.stable[0]:
        return False
    (requests, errors, _), (of_stable, by_stable, _) = since.candidate, since.stable
    bar, share = compare.threshold("errors") - NEARLY, requests / (requests + of_stable)
    # A mean is at most the largest, and with what is bet anew now, at most 1, it is at most twice as much.
    if max(0.0, waiting.last.worse + most_gained(errors, errors + by_stable, share)) + math.log(2) < bar:
        return False
    return trial.errors.plus(Stratum(errors, by_stable, requests, of_stable)).alarm >= bar


def _follow(before: Sequence[Sample], now: Sequence[Sample]) -> bool:
    if len(before) != len(now):
        return False
    for old, new in zip(before, now, strict=True):
        earlier, later = old.latency, new.latency
        if (
            old.instance != new.instance
            or old.pod != new.pod
            or old.requests > new.requests
            or old.errors > new.errors
            or old.refusals > new.refusals
            or len(earlier.counts) != len(later.counts)
            or not alike(earlier.edges_ms, later.edges_ms)
            or old.baseline != new.baseline
        ):
            return False
    return True


def _counted(seen: Round, marks: Sequence[Mark]) -> Since:
    latencies = [one.latency for one in seen.candidate]
    slow = [sum([mark.slower(one) for one in latencies]) for mark in marks]
    return Since(_sums(seen.candidate), _sums(seen.stable), tuple(slow))


def _sums(arm: Sequence[Sample]) -> Counts:
    requests = errors = refusals = 0
    for one in arm:
        requests, errors, refusals = requests + one.requests, errors + one.errors, refusals + one.refusals
    return requests, errors, refusals


def _more(now: Counts, before: Counts) -> Counts:
    return now[0] - before[0], now[1] - before[1], now[2] - before[2]
