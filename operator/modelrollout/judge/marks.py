"""Where an answer counts as slow, and how many slow ones may wait to be judged with later rounds."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from modelrollout.judge.evidence import Evidence
from modelrollout.judge.limits import Rules
from modelrollout.judge.samples import Latency
from modelrollout.judge.slowness import P95, Slowness

TIMES_SLOWER, DEVIATIONS = 1.25, 3.0
"""What waits has at most so many times stable's usual share of slow answers, or so much more as happens by chance."""
FEW_SLOW = 5
"""So few are not worth a look."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A latency, and how many answers may be slower and still wait."""

    ms: float
    share: float
    """Part of the answers that is slower as a rule, or may be."""
    times: float = 1.0
    """So many times as many."""
    deviations: float = 0.0
    """So many standard deviations more than that part."""

    def most(self, requests: int) -> float:
        usual = self.share * requests
        return max(FEW_SLOW, self.times * usual, usual + self.deviations * math.sqrt(usual))

    def slower(self, latency: Latency) -> int:
        """Answers in the buckets that begin at the mark or above it."""
        return sum(latency.counts[bisect_left(latency.edges_ms, self.ms) + 1 :])


def marks_of(evidence: Evidence, rules: Rules) -> Iterator[Mark]:
    """Stable's p95 before the rollout, and each limit of latency."""
    if evidence.trial is not None and evidence.trial.slowness is not None:
        slowness = evidence.trial.slowness
        ms = slowness.measure.edges_ms[slowness.measure.at[P95]]
        yield Mark(ms, _usually(slowness), TIMES_SLOWER, DEVIATIONS)
    for limit in rules.latency:
        yield Mark(limit.limit_ms, limit.share)


def _usually(slowness: Slowness) -> float:
    """Stable's share of slow answers, before the rollout or since: it is slower at other times of the day."""
    seen, before = slowness.seen, slowness.measure.before[P95]
    return max(before, seen.stable[P95] / seen.stable_requests) if seen.stable_requests else before
