"""How many pods each revision should have now, derived from the status alone and what was seen."""

from modelrollout.api.status import Candidate, ModelRolloutStatus, Revision, Routing, Stage
from modelrollout.core import plan
from modelrollout.core.ratio import Room, Split, toward
from modelrollout.core.routing import half, lacks_group, left_alone, moves_traffic
from modelrollout.core.turn import Turn, stop_of


def wanted_sizes(turn: Turn, status: ModelRolloutStatus) -> dict[str, int]:
    """Pods that each revision should have now; a revision that is not named should have none."""
    if turn.spec.replicas == 0:
        return {}
    size = max(1, status.size)
    if status.stable is None:
        return {status.candidate.revision: size} if status.candidate is not None else {}
    others = (status.previous, status.retreat)
    kept = {one.revision: size for one in others if one is not None and not _in_the_way(turn, status, one.revision)}
    left = left_alone(turn, status)
    if left and not moves_traffic(turn, status):
        return _changing_over(turn, status, status.stable, left)
    return kept | _of_arms(turn, status, status.stable)


def _changing_over(turn: Turn, status: ModelRolloutStatus, stable: Revision, left: str) -> dict[str, int]:
    """Half of the pods that are left make room for stable's, which all start at once; the others go once it serves."""
    size, surge = max(1, status.size), plan.surge_of(turn.spec) or 0
    stays = max(1, size - half(status))
    has = min(size, _replicas(turn, stable.revision))
    return {stable.revision: max(has, half(status), size + surge - stays), left: stays}


def _in_the_way(turn: Turn, status: ModelRolloutStatus, revision: str) -> bool:
    """A warm revision that was once started against stable would match the group that shares traffic now."""
    if status.candidate is None or status.stable is None or revision == status.candidate.revision:
        return False
    deployment = turn.seen.deployment(revision)
    return deployment is not None and status.stable.revision in deployment.groups


def _of_arms(turn: Turn, status: ModelRolloutStatus, stable: Revision) -> dict[str, int]:
    size, candidate = max(1, status.size), status.candidate
    if candidate is None:
        return {stable.revision: size}
    if lacks_group(turn, status) and (_replicas(turn, candidate.revision) or turn.seen.pods_of(candidate.revision)):
        # Pods keep the labels they were born with: the old ones go before the Deployment starts again.
        return {stable.revision: size, candidate.revision: 0}
    split = _split(turn, status, candidate)
    return {stable.revision: split.stable, candidate.revision: split.candidate}


def _split(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Split:
    stop = stop_of(turn, status, candidate)
    if stop.surge is None:
        return stop.pods
    room = Room(max(1, status.size), stop.surge)
    if candidate.stage is Stage.WAITING or candidate.routing is Routing.STABLE:
        return _before_sharing(stop, room)
    stable = status.stable.revision if status.stable is not None else ""
    now = Split(_replicas(turn, candidate.revision), _replicas(turn, stable))
    return toward(_target(candidate, stop, room), now, turn.seen.ready(candidate.revision), room)


def _before_sharing(stop: plan.Stop, room: Room) -> Split:
    """Stable serves alone: it keeps its size, and the candidate gets what is beyond it, or the one pod in its place."""
    if room.size == 1:
        return Split(1, 1)
    return Split(min(stop.pods.candidate, max(1, room.surge)), room.size if room.surge else room.size - 1)


def _target(candidate: Candidate, stop: plan.Stop, room: Room) -> Split:
    """Where both arms move; stable keeps one pod until the Service was seen to select the candidate alone."""
    alone = candidate.stage is not Stage.STARTING and candidate.routed and candidate.routing is Routing.CANDIDATE
    if alone:
        return stop.pods
    kept = Split(stop.pods.candidate, max(1, stop.pods.stable))
    if room.surge == 0 and kept.candidate + kept.stable > room.size > 1:
        return Split(room.size - kept.stable, kept.stable)
    return kept


def _replicas(turn: Turn, revision: str) -> int:
    deployment = turn.seen.deployment(revision)
    return deployment.replicas if deployment is not None else 0
