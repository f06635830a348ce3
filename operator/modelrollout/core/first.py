"""The first apply: nothing has ever been stable, so there is nothing to compare with and nothing to go back to."""

from modelrollout.api.status import Candidate, ModelRolloutStatus, Routing
from modelrollout.core import faults, holds
from modelrollout.core.decision import Note
from modelrollout.core.endings import promote
from modelrollout.core.facts import CONTAINER_FAULTS
from modelrollout.core.turn import Moved, Turn, asked_size
from modelrollout.core.words import called, pods

FIRST = "first"


def first(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """Each spec replaces the one before, without steps; the first whose pods are all ready is stable."""
    current = status.current
    if current is None or turn.spec.replicas == 0:
        return Moved(status)
    candidate = status.candidate
    if candidate is None or candidate.revision != current.revision:
        begun = Candidate(
            revision=current.revision,
            version=current.version,
            weight=100,
            since=turn.now,
            step_since=turn.now,
            routing=Routing.CANDIDATE,
            strategy=FIRST,
        )
        name = called(current.version, current.revision)
        message = f"{name} is the first model: it serves once {pods(asked_size(turn.spec))} are ready, without steps"
        return Moved(status.but(candidate=begun, hold=None), (Note("RolloutStarted", message),))
    ready = turn.seen.ready(candidate.revision)
    if ready >= asked_size(turn.spec):
        return promote(turn, status, candidate)
    return _missing(turn, status, candidate)


def _missing(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    there = f"{turn.seen.ready(candidate.revision)} of {pods(asked_size(turn.spec))} ready"
    trouble = faults.any_trouble(turn, candidate.revision)
    if not faults.world_trouble(turn, candidate.revision):
        candidate = holds.without_wait(turn, status, candidate)
        status = status.but(candidate=candidate)
    reason = _reason(turn, candidate)
    began = status.hold is None or status.hold.reason != reason
    moved = holds.hold(turn, status, reason, f"{there}: {trouble}" if trouble else there)
    if not began or reason in holds.WARNED_OF or reason == holds.PROGRESSING or moved.status.hold is None:
        return moved
    return moved.after(Note(reason, moved.status.hold.message, warning=True))


def _reason(turn: Turn, candidate: Candidate) -> str:
    """A container that keeps failing is named at once; anything else at the progress deadline."""
    limit = turn.spec.health.limits.restarts
    for pod in turn.seen.pods_of(candidate.revision):
        if pod.trouble in CONTAINER_FAULTS and pod.restarts > limit:
            return str(pod.trouble)
    if faults.world_trouble(turn, candidate.revision):
        return holds.WAITING_FOR_CLUSTER
    in_time = turn.now - candidate.step_since < turn.spec.progress_deadline
    return holds.PROGRESSING if in_time else "ProgressDeadlineExceeded"
