"""What each version did in the last minute, as the status shows it: it always changes, so it is written seldom."""

from datetime import timedelta

from modelrollout.api.status import LastMinute, ModelRolloutStatus, VersionNumbers
from modelrollout.core.turn import Turn
from modelrollout.judge.recent import Recent

ROLLING, SETTLED = timedelta(seconds=30), timedelta(minutes=5)
"""How old the numbers may be while a model rolls out, and while nothing moves."""
_DIGITS = 4


def last_minute(turn: Turn, status: ModelRolloutStatus) -> LastMinute | None:
    """The numbers of stable and of the candidate; those written before while they are young, or nothing is newer."""
    before = turn.rollout.status.last_minute
    arms = [one for one in (status.stable, status.candidate) if one is not None]
    seen = {one.revision: one for one in turn.seen.recent}
    found = [version_numbers(arm.version, seen[arm.revision]) for arm in arms if arm.revision in seen]
    if before is None:
        return LastMinute(time=turn.now, versions=found) if found else None
    known = {one.revision for one in before.versions}
    if not found:
        return before if known & {arm.revision for arm in arms} else None
    is_young = timedelta(0) <= turn.now - before.time < (SETTLED if status.candidate is None else ROLLING)
    if found == before.versions or (is_young and known == {one.revision for one in found}):
        return before
    return LastMinute(time=turn.now, versions=found)


def version_numbers(version: str, recent: Recent) -> VersionNumbers:
    """One version's numbers, rounded for people."""
    percentiles = {one.name: _rounded(one.value) for one in recent.percentiles}
    success = 100 * (recent.requests - recent.errors) / recent.requests if recent.requests else None
    return VersionNumbers(
        revision=recent.revision,
        version=version,
        pods=recent.pods,
        requests=recent.requests,
        errors=recent.errors,
        refusals=recent.refusals,
        success_percent=_rounded(success),
        mean_ms=_rounded(recent.mean_ms),
        p50_ms=percentiles.get("p50"),
        p95_ms=percentiles.get("p95"),
        p99_ms=percentiles.get("p99"),
        cpu_cores=_rounded(recent.cpu_cores),
        memory_bytes=recent.memory_bytes or None,
    )


def _rounded(value: float | None) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if value is not None else None
