"""How strong the evidence is: the e-values of all restarts of a test, weighted and summed, and over which window.

An alarm carries the counts since the restart that speaks loudest. "50 of the last 50 requests failed" is what a person
needs to read; "50 of 20,050 failed (limit 5 %)" would look like a mistake.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from modelrollout.judge.arms import Arm, Compared
from modelrollout.judge.eprocesses import Stratum, log_sum_exp, one_sample, split_log_e
from modelrollout.judge.tallies import Tally

Counts = TypeVar("Counts")


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many requests."""

    hits: int
    requests: int


@dataclass(frozen=True, slots=True)
class Alarm(Generic[Counts]):
    """The value of one test over all its restarts."""

    log_e: float
    counts: Counts
    """Counts since the restart that contributes most."""
    whole: bool
    """Whether that restart is the epoch's beginning."""


def limit_alarm(arm: Arm, count: Callable[[Tally], tuple[int, int]], limit: float, bar: float) -> Alarm[Share] | None:
    """The evidence that more than `limit` of an arm's requests are hits; None where it cannot be at the bar.

    `count` takes hits and requests from a tally. A restart with a share up to the limit is skipped: none of its bets
    can be above 1, so it cannot help to fire.
    """
    hits, requests = count(arm.total)
    if not hits:
        return None
    parts = []
    for restart in arm.restarts:
        had, of = count(restart.at)
        if hits - had > limit * (requests - of):
            log_e = restart.log_weight + one_sample(hits - had, requests - of, limit)
            parts.append(Alarm(log_e, Share(hits - had, requests - of), restart.index == 0))
    return _together(parts, bar)


def window_alarm(arm: Arm, count: Callable[[Tally], tuple[int, int]], limit: float) -> Alarm[Share] | None:
    """Whether more than `limit` of the arm's latest requests are hits. A number and no evidence: E is left at 1."""
    if not arm.latest:
        return None
    hits, requests = map(sum, zip(*map(count, arm.latest), strict=True))
    whole = requests == count(arm.total)[1]
    return Alarm(0.0, Share(hits, requests), whole) if hits > limit * requests else None


def split_alarm(compared: Compared, bar: float) -> Alarm[Stratum] | None:
    """The evidence that the canary's requests are hits more often than stable's; None where it is below the bar."""
    total = compared.total
    if not total.hits.candidate_hits:
        return None
    parts = []
    for restart in compared.restarts:
        since = total - restart.at
        log_e = restart.log_weight + split_log_e(since.logs)
        parts.append(Alarm(log_e, since.hits, restart.index == 0))
    return _together(parts, bar)


def _together(parts: Iterable[Alarm[Counts]], bar: float) -> Alarm[Counts] | None:
    known = tuple(parts)
    log_e = log_sum_exp(part.log_e for part in known)
    if log_e < bar:
        return None
    loudest = max(known, key=lambda part: part.log_e)
    return Alarm(log_e, loudest.counts, loudest.whole)
