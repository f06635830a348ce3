"""What time and numbers do to a status: its size, what stays warm, how long the history is."""

from datetime import timedelta

from modelrollout.api.status import ModelRolloutStatus
from modelrollout.core.decision import Note
from modelrollout.core.turn import Moved, Turn, asked_size, keeps_size
from modelrollout.core.wayback import healthy_below
from modelrollout.core.words import called, cut

MEASURED_AGAIN = timedelta(seconds=60)
"""How long an autoscaler takes to see the pods that traffic has moved to: their metrics, then its own round."""
TOLD_IN_FULL = 10
"""Newest entries whose messages are kept in full; the status has to stay small."""
FULL, SHORT = 300, 100
"""Characters of a message."""


def grow(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """From the spec that asks for another model until a while after its end the size only grows."""
    asked = asked_size(turn.spec)
    kept = asked > 0 and status.stable is not None and keeps_size(turn, status)
    return Moved(status.but(size=max(asked, status.size) if kept else asked))


def keep_size(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """What is asked for when traffic moves was measured on other pods: a smaller size waits until it is asked anew."""
    before = turn.rollout.status
    if status.candidate is not None or before.stable is None:
        return Moved(status)
    if before.candidate is None and before.stable == status.stable:
        return Moved(status)
    return Moved(status.but(smaller_from=turn.now + MEASURED_AGAIN))


def expire(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """The previous model goes to 0 pods when its time is over."""
    previous = status.previous
    if status.cooldown_until is not None and turn.now >= status.cooldown_until:
        status = status.but(cooldown_until=None)
    if previous is None or turn.now < previous.until:
        return Moved(status)
    message = f"{called(previous.version, previous.revision)} is no longer kept warm"
    return Moved(status.but(previous=None), (Note("PreviousStopped", message),))


def prune(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """Forget the oldest entries, never what is in use and never the newest healthy one below stable."""
    extra = max(0, len(status.history) - turn.spec.rollback.history_limit)
    kept = _kept(status)
    gone = [entry.revision for entry in status.history if entry.revision not in kept][:extra]
    history = [entry for entry in status.history if entry.revision not in gone]
    full = len(history) - TOLD_IN_FULL
    shortened = [
        entry.but(message=cut(entry.message, FULL if index >= full else SHORT)) for index, entry in enumerate(history)
    ]
    return Moved(status.but(history=shortened))


def _kept(status: ModelRolloutStatus) -> set[str]:
    used = [status.stable, status.current, status.candidate, status.previous, status.retreat]
    kept = {one.revision for one in used if one is not None}
    below = healthy_below(status)
    return kept | ({below.revision} if below is not None else set())
