"""Why nothing moves forward, and what a pause does to the deadlines."""

from datetime import timedelta

from modelrollout.api.status import Candidate, Hold, ModelRolloutStatus, Stage
from modelrollout.core.decision import Note
from modelrollout.core.foreign import NAME_TAKEN
from modelrollout.core.turn import Moved, Turn
from modelrollout.core.words import cut, seconds

PAUSED = "Paused"
ASLEEP = "Asleep"
PROGRESSING = "Progressing"
INCONCLUSIVE = "Inconclusive"
STABLE_UNHEALTHY = "StableUnhealthy"
SCRAPE_BLOCKED = "ScrapeBlocked"
SCRAPE_FAILING = "ScrapeFailing"
WAITING_FOR_CLUSTER = "WaitingForCluster"

WARNED_OF = frozenset({INCONCLUSIVE, STABLE_UNHEALTHY, SCRAPE_BLOCKED, WAITING_FOR_CLUSTER})
"""Holds that are worth an Event when they begin, and a condition while they last."""


def hold(turn: Turn, status: ModelRolloutStatus, reason: str, message: str) -> Moved:
    """Stay, and say why; the time of a hold is kept while its reason stays."""
    message = cut(message)
    before = status.hold
    if before is not None and before.reason == reason:
        return Moved(status.but(hold=before.but(message=message)))
    held = status.but(hold=Hold(reason=reason, message=message, since=turn.now))
    return Moved(held, (Note(reason, message, warning=True),) if reason in WARNED_OF else ())


def hold_paused(turn: Turn, status: ModelRolloutStatus, extra: str = "") -> Moved:
    """Stay because a person or the spec says so."""
    said = "paused by spec.paused; set it to false to go on" if turn.spec.paused else "paused by a person; resume it"
    message = f"{said} ({extra})" if extra else said
    began = status.hold is None or status.hold.reason != PAUSED
    moved = hold(turn, status, PAUSED, message)
    return moved.after(Note(PAUSED, message)) if began else moved


def waited(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    """After a pause, a sleep or a foreign Service: both deadlines are put off by its length, which did not count."""
    before = status.hold
    if before is None or before.reason not in {PAUSED, ASLEEP, NAME_TAKEN} or candidate.stage is Stage.PAUSED:
        return Moved(status)
    length = turn.now - before.since
    later = candidate.but(since=candidate.since + length, step_since=candidate.step_since + length)
    note = Note("Resumed", f"goes on at weight {candidate.weight} after {seconds(length)}")
    return Moved(status.but(candidate=later, hold=None), (note,))


def without_wait(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Candidate:
    """The cluster was waited for and is not any more: the time that took is none of the candidate's."""
    length = cluster_waited(turn, status)
    return candidate.but(since=candidate.since + length, step_since=candidate.step_since + length)


def cluster_waited(turn: Turn, status: ModelRolloutStatus) -> timedelta:
    """For how long the cluster has been waited for until now."""
    before = status.hold
    waits = before is not None and before.reason == WAITING_FOR_CLUSTER
    return turn.now - before.since if before is not None and waits else timedelta(0)
