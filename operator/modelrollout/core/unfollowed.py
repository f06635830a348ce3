"""A spec that cannot be followed in the middle of things: nothing goes on, and what is bad still goes back.

What serves is judged by what can be read of the spec, with defaults for the rest. A rollback or a promotion that has
begun is finished. No revision is started, no weight rises, and the Service keeps its form until the spec is corrected.
"""

from dataclasses import replace

from modelrollout.api.status import ModelRolloutStatus
from modelrollout.core.candidate import stay
from modelrollout.core.turn import Moved, Turn
from modelrollout.core.wayback import retreating, watch_stable


def as_it_was(turn: Turn) -> Turn:
    """The same look with the size that was asked for last: a number beside an error is not followed either."""
    return replace(turn, spec=turn.spec.but(replicas=turn.rollout.status.size))


def keep(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """One look that can only lead back."""
    if status.stable is None or turn.spec.replicas == 0:
        return Moved(status)
    if status.candidate is not None:
        return stay(turn, status, status.candidate)
    if status.retreat is not None:
        return retreating(turn, status, status.retreat)
    return watch_stable(turn, status)
