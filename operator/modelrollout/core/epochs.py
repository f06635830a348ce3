"""Which evidence belongs together, and what the scraper should look at.

An epoch is a stretch whose evidence is judged as a whole: one stage of one step under the same limits, the watch over
stable, or one window after a way back. Evidence of another epoch is thrown away, so nothing learned at one weight, or
under other limits, speaks here.
"""

import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter

from modelrollout import revisions
from modelrollout.api.spec import Health
from modelrollout.api.status import Candidate, ModelRolloutStatus, Routing, Stage
from modelrollout.core.decision import Watch
from modelrollout.core.turn import Turn, is_paused, stop_of, stops_of
from modelrollout.judge.samples import Baseline

THINNED = timedelta(seconds=15)
"""How often a settled stable is looked at in the first hour after its promotion."""
PROVEN_AFTER, PROVEN_THINNED = timedelta(hours=1), timedelta(seconds=30)
"""After how long it is looked at more seldom, and how often."""
SELF_TESTED = timedelta(seconds=60)
"""How often stable is looked at where nothing but a test of the judge asks for it."""
LEAST_WINDOW = timedelta(seconds=10)
LONGEST_WINDOW = 8
STAGES_PER_STEP = 3
WATCH_SHARE = 1.0
_TERMS_DIGITS = 6
_PARTS = 5
"""Parts of a candidate's epoch: revision, weight, round, stage, terms."""
_REPLACED = "r"
"""Marks a round since a pod was replaced."""


def window(turn: Turn, before: int = 0) -> timedelta:
    """How long pods have to be healthy before a fault counts as over: ten looks, at least 10 s.

    `before` counts the windows that were not; each doubles the next, up to eight times, so that a lasting fault
    makes few writes.
    """
    doubled = min(LONGEST_WINDOW, 1 << max(0, before))
    return max(LEAST_WINDOW, 10 * turn.spec.health.interval) * doubled


LATER = (
    ("limits", "rule"),
    ("compare", "prediction_shape"),
    ("compare", "tolerated_error_ratio"),
    ("compare", "tolerated_latency_ratio"),
    ("compare", "warm_up"),
)
"""Fields that came after the first release: where they are left out, evidence of before them goes on."""


@lru_cache(maxsize=1024)
def terms(health: Health) -> str:
    """What evidence is judged by, as a few digits; how often it is looked at is no part of it."""
    judged_by = health.model_dump(
        mode="json", include={"limits", "compare", "min_samples"}, exclude={"compare": {"self_test"}}
    )
    for name, field in LATER:
        block = getattr(health, name)
        if block is not None and getattr(block, field) == type(block).model_fields[field].default:
            del judged_by[name][field]
    return hashlib.sha256(revisions.canonical(judged_by).encode()).hexdigest()[:_TERMS_DIGITS]


def terms_of(epoch: str) -> str:
    """The terms that a candidate's epoch was judged under."""
    return epoch.rpartition(".")[2]


def is_onward(before: str, after: str) -> bool:
    """Whether a candidate's epoch follows on another one of the same candidate, with the same pods and terms.

    With a pod replaced everything that was shown begins anew: numbers without those of one pod, chosen for its
    errors, would be no evidence of anything.
    """
    ours, theirs = before.split("."), after.split(".")
    if not len(ours) == len(theirs) == _PARTS:
        return False
    return all(of(ours) == of(theirs) for of in (itemgetter(0), _has_replaced, itemgetter(-1)))


def _has_replaced(parts: list[str]) -> bool:
    return parts[2].endswith(_REPLACED)


def is_new_step(before: str, after: str) -> bool:
    """Whether two epochs of one candidate belong to different steps."""
    return before.split(".")[1:2] != after.split(".")[1:2]


def of_candidate(turn: Turn, candidate: Candidate) -> str:
    parts = (
        candidate.revision,
        candidate.weight,
        f"{candidate.round}{_REPLACED if candidate.replaced is not None else ''}",
        candidate.stage.lower(),
        terms(turn.spec.health),
    )
    return ".".join(map(str, parts))


def of_stable(status: ModelRolloutStatus) -> str:
    revision = status.stable.revision if status.stable is not None else ""
    if status.fault is not None:
        return f"{revision}.window.{status.fault.round}"
    since = int(status.stable_since.timestamp()) if status.stable_since is not None else 0
    return f"{revision}.watch.{since}"


def present(turn: Turn, status: ModelRolloutStatus) -> str:
    """The epoch that the status is in; empty where nothing is judged."""
    if status.candidate is not None:
        return of_candidate(turn, status.candidate)
    return of_stable(status) if status.stable is not None else ""


def watched_for(turn: Turn, candidate: Candidate) -> timedelta:
    """Time watched in the candidate's present epoch; evidence of another one is worth nothing."""
    return turn.seen.watched if turn.seen.epoch == of_candidate(turn, candidate) else timedelta(0)


def requests_of(turn: Turn, candidate: Candidate) -> int:
    """Requests that the candidate answered in its present epoch."""
    return turn.seen.verdict.requests if turn.seen.epoch == of_candidate(turn, candidate) else 0


def watch(turn: Turn, status: ModelRolloutStatus) -> Watch | None:
    """What the scraper should do until the next decision; None where nothing is judged."""
    if turn.spec.replicas == 0:
        return None
    stable = status.stable.revision if status.stable is not None else ""
    candidate = status.candidate
    if candidate is not None and not stable:
        return None
    if candidate is not None:
        outside = (stable,) if candidate.stage is Stage.DRAINING else ()
        epochs = len(stops_of(turn, status)) * STAGES_PER_STEP + 2
        return Watch(
            turn.spec.health.interval,
            candidate.revision,
            stable,
            outside,
            of_candidate(turn, candidate),
            1 / epochs,
            counts=not (is_paused(turn, status) or turn.unfollowed),
            # Without a ready pod of stable the candidate has every request, and there is nobody to compare it with.
            shared=candidate.routing is Routing.SHARED and turn.seen.ready(stable) > 0,
            margins=_margins(turn, status, candidate),
            baseline=_baseline(status),
        )
    if not watched(turn, status):
        compare = turn.spec.health.compare
        if compare is None or not compare.self_test or not stable:
            return None
        return Watch(max(turn.spec.health.interval, SELF_TESTED), "", stable, (), of_stable(status), WATCH_SHARE)
    return Watch(_interval(turn, status), "", stable, (), of_stable(status), WATCH_SHARE)


def _margins(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> tuple[float, ...]:
    """The error ratio of the present stop, then those of all stops."""
    compare = turn.spec.health.compare
    if compare is None:
        return ()
    stops = (stop_of(turn, status, candidate), *stops_of(turn, status))
    return tuple(stop.error_ratio or compare.error_ratio for stop in stops)


def _baseline(status: ModelRolloutStatus) -> Baseline | None:
    """What stable predicted until it was promoted, where the one in the status is its."""
    known, stable = status.baseline, status.stable
    if known is None or stable is None or known.revision != stable.revision:
        return None
    return Baseline(known.count, known.mean, known.deviation)


def watched(turn: Turn, status: ModelRolloutStatus) -> bool:
    """Whether stable is still taken back by itself."""
    if status.stable is None:
        return False
    ends = watch_ends(turn, status)
    return ends is None or turn.now < ends or status.fault is not None


def watch_ends(turn: Turn, status: ModelRolloutStatus) -> datetime | None:
    """When stable stops being watched; None where it is watched for as long as it serves."""
    length, since = turn.spec.rollback.watch, status.stable_since
    return since + length if length is not None and since is not None else None


def _interval(turn: Turn, status: ModelRolloutStatus) -> timedelta:
    interval = turn.spec.health.interval
    close = status.previous is not None or status.fault is not None or status.retreat is not None
    if close:
        return interval
    since = status.stable_since
    proven = since is not None and turn.now - since >= PROVEN_AFTER
    return max(interval, PROVEN_THINNED if proven else THINNED)
