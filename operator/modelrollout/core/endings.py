"""How a candidate's way ends: promoted, rejected, superseded, or without enough evidence.

Each of these ends in a status without a candidate, from which `effects` derives the selector and the sizes.
"""

from modelrollout.api.status import Candidate, HistoryEntry, ModelRolloutStatus, Outcome, Previous, Revision
from modelrollout.core.baselines import frozen
from modelrollout.core.decision import Note
from modelrollout.core.faults import Rejection
from modelrollout.core.turn import Moved, Turn, entry_of, is_healthy, recorded, stop_of
from modelrollout.core.words import called, cut, place, pods


def promote(turn: Turn, status: ModelRolloutStatus, candidate: Candidate, remark: str = "") -> Moved:
    """The candidate is stable; the old stable stays warm for a while."""
    current = status.current
    if current is None or current.revision != candidate.revision:
        return Moved(status)
    warm = _kept_warm(turn, status, candidate)
    message = f"{called(current.version, current.revision)} is stable{remark}"
    if warm is not None:
        message += f"; {called(warm.version, warm.revision)} stays warm"
    status = status.but(
        stable=current,
        stable_since=turn.now,
        candidate=None,
        previous=warm,
        fault=None,
        hold=None,
        paused=False,
        baseline=frozen(turn, candidate),
    )
    return Moved(recorded(status, promoted(turn, current, message)), (Note("Promoted", message),))


def promoted(turn: Turn, revision: Revision, message: str, reason: str = "Promoted") -> HistoryEntry:
    return HistoryEntry(
        revision=revision.revision,
        version=revision.version,
        outcome=Outcome.PROMOTED,
        reason=reason,
        message=cut(message),
        time=turn.now,
        promoted=turn.now,
    )


def _kept_warm(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Previous | None:
    """The old stable, where it still has its pods and nothing is known against it."""
    old = status.stable
    if old is None or stop_of(turn, status, candidate).pods.stable == 0 or not is_healthy(status, old.revision):
        return None
    return Previous(revision=old.revision, version=old.version, until=turn.now + turn.spec.rollback.keep_previous)


def reject(turn: Turn, status: ModelRolloutStatus, outcome: Outcome, why: Rejection) -> Moved:
    """Take the candidate back; the same spec is not tried again by itself."""
    candidate = status.candidate
    if candidate is None:
        return Moved(status)
    entry = HistoryEntry(
        revision=candidate.revision,
        version=candidate.version,
        outcome=outcome,
        reason=why.reason,
        message=cut(why.message),
        time=turn.now,
    )
    status = recorded(status.but(candidate=None, hold=None, paused=False), entry)
    stable = called(status.stable.version, status.stable.revision) if status.stable is not None else "nothing"
    name = called(candidate.version, candidate.revision)
    at = f"in step {candidate.step + 1} ({place(candidate.weight)})"
    message = cut(f"{name} was rolled back to {stable} {at}: {why.message}")
    return Moved(status, (Note("RolledBack", message, warning=outcome is Outcome.REJECTED),))


def supersede(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """A newer spec: the candidate goes. One that was stable before keeps that in the history."""
    candidate, current, stable = status.candidate, status.current, status.stable
    if candidate is None or current is None or stable is None:
        return Moved(status)
    message = (
        f"{called(candidate.version, candidate.revision)} gives way to {called(current.version, current.revision)} "
        f"at {place(candidate.weight)}; traffic is on {called(stable.version, stable.revision)}"
    )
    status = status.but(candidate=None, hold=None, paused=False)
    if entry_of(status, candidate.revision) is None:
        status = recorded(
            status,
            HistoryEntry(
                revision=candidate.revision,
                version=candidate.version,
                outcome=Outcome.SUPERSEDED,
                reason="Superseded",
                message=message,
                time=turn.now,
            ),
        )
    return Moved(status, (Note("Superseded", message),))


def started(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Note:
    """The Event with which a rollout begins."""
    stop = stop_of(turn, status, candidate)
    name = called(candidate.version, candidate.revision)
    stable = called(status.stable.version, status.stable.revision) if status.stable is not None else "nothing"
    message = (
        f"{name} starts as {candidate.strategy} with {pods(stop.pods.candidate)} beside {stable}, "
        f"which has {pods(max(1, status.size))}"
    )
    return Note("RolloutStarted", message)
