"""Nothing is on its way: follow a new spec, or watch what serves."""

from modelrollout.api.status import Candidate, ModelRolloutStatus, Previous, Revision
from modelrollout.core import endings, holds, plan
from modelrollout.core.candidate import advance, start
from modelrollout.core.decision import Note
from modelrollout.core.first import first
from modelrollout.core.turn import Moved, Turn, asks_for_another, is_healthy, recorded
from modelrollout.core.wayback import retreating, watch_stable
from modelrollout.core.words import called, pods


def move(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """One move of the rollout: the first model, a candidate, or what is settled."""
    if status.stable is None:
        return first(turn, status)
    if status.candidate is None:
        return settled(turn, status)
    return _with_candidate(turn, status, status.candidate)


def _with_candidate(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    if status.current is not None and candidate.revision != status.current.revision:
        moved = endings.supersede(turn, status)
        return settled(turn, moved.status).after(*moved.notes)
    if turn.spec.replicas == 0:
        return holds.hold(turn, status, holds.ASLEEP, "spec.replicas is 0; goes on when it is raised")
    strategy = plan.name(turn.spec.strategy)
    if candidate.strategy and candidate.strategy != strategy:
        message = f"{candidate.strategy} became {strategy}: traffic goes back to stable and the candidate starts again"
        return start(turn, status).after(Note("StrategyChanged", message))
    return advance(turn, status, candidate)


def settled(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """One look at a rollout that has a stable and no candidate."""
    stable, current, previous = status.stable, status.current, status.previous
    if stable is None or current is None or turn.spec.replicas == 0:
        return Moved(status)
    is_new = asks_for_another(status)
    warm = previous is not None and previous.revision == current.revision and is_healthy(status, current.revision)
    if is_new and warm:
        return _switch(turn, status, stable, current)
    if is_new:
        return start(turn, status)
    if status.retreat is not None:
        return retreating(turn, status, status.retreat)
    return watch_stable(turn, _without_wait(status))


def _without_wait(status: ModelRolloutStatus) -> ModelRolloutStatus:
    """A wait for a warm model is over when the spec does not name that model any more."""
    waits = status.hold is not None and status.hold.reason == holds.PROGRESSING
    return status.but(hold=None) if waits else status


def _switch(turn: Turn, status: ModelRolloutStatus, stable: Revision, current: Revision) -> Moved:
    """Back to a model that was proven and is still warm: at once, without steps or new pods."""
    name, size = called(current.version, current.revision), max(1, status.size)
    ready = turn.seen.ready(current.revision)
    if ready < size:
        message = f"{name} is warm and serves again once all its pods are ready: {ready} of {pods(size)}"
        return _still_watched(turn, status, message)
    left = called(stable.version, stable.revision)
    message = f"the spec names {name} again, which is warm: it serves at once; {left} stays warm"
    status = status.but(
        stable=current,
        stable_since=turn.now,
        previous=Previous(
            revision=stable.revision, version=stable.version, until=turn.now + turn.spec.rollback.keep_previous
        ),
        hold=None,
        fault=None,
        retreat=None,
    )
    return Moved(recorded(status, endings.promoted(turn, current, message, "Switched")), (Note("Switched", message),))


def _still_watched(turn: Turn, status: ModelRolloutStatus, message: str) -> Moved:
    """Stable may turn bad while the model that the spec names is waited for: it goes back as ever."""
    retreat = status.retreat
    moved = retreating(turn, status, retreat) if retreat is not None else watch_stable(turn, status)
    if moved.status.stable != status.stable:
        return moved
    return holds.hold(turn, moved.status, holds.PROGRESSING, message).after(*moved.notes)
