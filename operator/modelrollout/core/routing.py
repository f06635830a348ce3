"""Whom the Service selects, whom it should, and whose pods stand in the way of sharing traffic."""

from collections.abc import Mapping

from modelrollout import names
from modelrollout.api.status import Candidate, ModelRolloutStatus, Routing
from modelrollout.core.foreign import own_service
from modelrollout.core.plan import surge_of
from modelrollout.core.turn import Turn, entry_of, is_rejected


def selector_of(turn: Turn, status: ModelRolloutStatus, routing: Routing) -> names.Labels:
    """The Service's selector for one routing."""
    stable = status.stable.revision if status.stable is not None else ""
    candidate = status.candidate.revision if status.candidate is not None else ""
    if routing is Routing.SHARED:
        return names.shared_selector(turn.rollout.name, stable)
    if routing is Routing.CANDIDATE or not stable:
        return names.revision_selector(turn.rollout.name, candidate)
    return names.revision_selector(turn.rollout.name, stable)


def wanted_selector(turn: Turn, status: ModelRolloutStatus) -> names.Labels:
    """Whom the Service should select now; what it selects stays while the wanted set has no ready pod."""
    candidate = status.candidate
    wanted = selector_of(turn, status, candidate.routing if candidate is not None else Routing.STABLE)
    service = own_service(turn)
    if service is None or ready_behind(turn, service.selector) == 0:
        return wanted
    return wanted if ready_behind(turn, wanted) >= _enough(turn, status) else dict(service.selector)


def moves_traffic(turn: Turn, status: ModelRolloutStatus) -> bool:
    """Whether the Service is pointed elsewhere in this very turn."""
    service = turn.seen.service
    return service is not None and dict(service.selector) != wanted_selector(turn, status)


def _enough(turn: Turn, status: ModelRolloutStatus) -> int:
    """Ready pods that take the traffic over: one, or half of the size where stable has to start anew."""
    left = left_alone(turn, status)
    entry = entry_of(status, left) if left else None
    if entry is None or turn.now - entry.time >= turn.spec.progress_deadline:
        return 1
    return half(status)


def least_behind(turn: Turn, status: ModelRolloutStatus) -> int:
    """Ready pods that the Service needs: the size, and one less while arms change in the size's own room."""
    changes = status.candidate is not None and surge_of(turn.spec) == 0
    return max(1, status.size - 1) if changes and status.size else status.size


def half(status: ModelRolloutStatus) -> int:
    """Stable's pods that may carry everything for a while: see docs/decisions/0008."""
    return max(1, -(-status.size // 2))


def left_alone(turn: Turn, status: ModelRolloutStatus) -> str:
    """Constant total: a revision that is being left while the Service selects it alone, since stable has no pods."""
    service = own_service(turn)
    if service is None or status.stable is None or surge_of(turn.spec) is None:
        return ""
    alone = next(iter(selected(turn, service.selector)), "") if names.REVISION_LABEL in service.selector else ""
    kept = {status.stable.revision, status.candidate.revision if status.candidate is not None else ""}
    return "" if alone in kept or turn.seen.ready(alone) == 0 else alone


def ready_behind(turn: Turn, selector: Mapping[str, str]) -> int:
    return sum(turn.seen.ready(revision) for revision in selected(turn, selector))


def selected(turn: Turn, selector: Mapping[str, str]) -> frozenset[str]:
    """Revisions whose pods a selector matches."""
    if selector.get(names.NAME_LABEL) != turn.rollout.name:
        return frozenset()
    alone = selector.get(names.REVISION_LABEL)
    if alone is not None:
        return frozenset({alone})
    groups = {
        key.removeprefix(names.GROUP_LABEL_PREFIX) for key in selector if key.startswith(names.GROUP_LABEL_PREFIX)
    }
    return frozenset(one.revision for one in turn.seen.deployments if groups <= one.groups)


def is_open(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> bool:
    """Whether the Service was seen to select what the candidate's routing means."""
    service = own_service(turn)
    return service is not None and dict(service.selector) == selector_of(turn, status, candidate.routing)


def was_narrowed(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> bool:
    """The selector is on stable alone although it had been opened: a rollback was under way, or a person's hand."""
    service = own_service(turn)
    if not candidate.routed or candidate.routing is Routing.STABLE or service is None:
        return False
    return dict(service.selector) == selector_of(turn, status, Routing.STABLE)


def lost_all_pods(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> bool:
    """The candidate alone is selected and has no ready pod, while stable has some."""
    if status.stable is None or candidate.routing is not Routing.CANDIDATE:
        return False
    return turn.seen.ready(candidate.revision) == 0 and turn.seen.ready(status.stable.revision) > 0


def stranger(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> str:
    """A third revision with pods that the shared selector would match: one that was once started against stable."""
    stable = status.stable.revision if status.stable is not None else ""
    for deployment in turn.seen.deployments:
        if deployment.revision in {stable, candidate.revision} or stable not in deployment.groups:
            continue
        if deployment.replicas > 0 or turn.seen.pods_of(deployment.revision):
            return deployment.revision
    return ""


def lacks_group(turn: Turn, status: ModelRolloutStatus) -> bool:
    """The candidate's pods were started against another stable, so no shared selector matches both arms."""
    if status.candidate is None or status.stable is None:
        return False
    deployment = turn.seen.deployment(status.candidate.revision)
    return deployment is not None and status.stable.revision not in deployment.groups


def serves_badly(turn: Turn, status: ModelRolloutStatus) -> bool:
    """Whether the Service still selects a revision that was rejected, or no ready pod: then every second counts."""
    service = own_service(turn)
    if service is None or status.stable is None:
        return False
    if dict(service.selector) == selector_of(turn, status, Routing.STABLE):
        return False
    others = selected(turn, service.selector) - {status.stable.revision}
    dead = ready_behind(turn, service.selector) == 0 and turn.seen.ready(status.stable.revision) > 0
    return any(is_rejected(status, revision) for revision in others) or (dead and not _goes_on(status))


def _goes_on(status: ModelRolloutStatus) -> bool:
    return status.candidate is not None and status.candidate.routing is not Routing.STABLE
