"""The heart: what to do for one rollout, from what it asks for and what was seen.

`decide` is pure. The parts run one after the other on the status; the actions are then derived from the status that
they leave, so a lost tail of actions is derived again on the next turn.
"""

from datetime import datetime, timedelta

from modelrollout.api.status import ModelRolloutStatus
from modelrollout.core import aliases
from modelrollout.core.commands import obey
from modelrollout.core.conditions import told
from modelrollout.core.decision import Decision
from modelrollout.core.effects import backward, effects
from modelrollout.core.epochs import watch
from modelrollout.core.facts import Rollout, Seen
from modelrollout.core.identity import recover, resolve
from modelrollout.core.outlook import describe, invalid, told_invalid
from modelrollout.core.routing import serves_badly
from modelrollout.core.settled import move
from modelrollout.core.tidy import expire, grow, keep_size, prune
from modelrollout.core.turn import Part, Turn, chain
from modelrollout.core.unfollowed import as_it_was, keep

SOON = timedelta(seconds=5)

FOLLOWED: tuple[Part, ...] = (aliases.keep_alias, recover, resolve, grow, obey, move, keep_size, expire, prune)
UNFOLLOWED: tuple[Part, ...] = (obey, keep, keep_size, expire)
"""Under a spec that cannot be followed: people may still take back, and so does the judge."""


def decide(rollout: Rollout, seen: Seen, now: datetime) -> Decision:
    """Everything the operator will do for this rollout now.

    Args:
        rollout: the resource as it was read.
        seen: the world around it, not older than the operator's own last write.
        now: the time, with a zone.

    """
    if rollout.spec is None or (rollout.invalid and rollout.status.stable is None):
        return invalid(rollout, now)
    turn = aliases.named(Turn(rollout, rollout.spec, seen, now))
    if turn.unfollowed:
        turn = as_it_was(turn)
    moved = chain(turn, rollout.status, UNFOLLOWED if turn.unfollowed else FOLLOWED)
    status = describe(turn, moved.status)
    return Decision(
        status=status,
        actions=backward(turn, status) if turn.unfollowed else effects(turn, status),
        notes=(*told_invalid(rollout), *aliases.told(turn), *moved.notes, *told(rollout.status, status)),
        urgent=serves_badly(turn, status),
        watch=watch(turn, status),
        again=_again(turn, status),
    )


def _again(turn: Turn, status: ModelRolloutStatus) -> timedelta | None:
    """When to look again although nothing was seen to change."""
    if status.candidate is not None or status.retreat is not None or status.fault is not None:
        return min(SOON, turn.spec.health.interval)
    times = [
        status.previous.until if status.previous is not None else None,
        status.watched_until,
        status.cooldown_until,
        status.smaller_from,
    ]
    ahead = [time - turn.now for time in times if time is not None and time > turn.now]
    return min(ahead) if ahead else None
