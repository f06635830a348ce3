"""From a status to the writes that make it true: a pure function of status, spec and what was seen.

The order is a rule with a test. When traffic goes back to stable that comes first, unconditionally. Otherwise pods
come before traffic and traffic before the end of pods. Nothing that the Service still selects is scaled down.
"""

from collections.abc import Iterable, Mapping

from modelrollout import names
from modelrollout.api.status import CommandOutcome, ModelRolloutStatus, Routing
from modelrollout.core.commands import RESTART, RESTARTED
from modelrollout.core.decision import (
    Action,
    Create,
    EnsureAutoscaler,
    EnsureService,
    Forget,
    Preview,
    Protect,
    Regroup,
    Remember,
    ReplacePod,
    Restart,
    Route,
    Scale,
)
from modelrollout.core.routing import selected, selector_of, wanted_selector
from modelrollout.core.sizes import wanted_sizes
from modelrollout.core.sources import against, source_of
from modelrollout.core.turn import Turn

Sizes = Mapping[str, int]


def effects(turn: Turn, status: ModelRolloutStatus) -> tuple[Action, ...]:
    """Every write that is missing, in the order in which they have to happen."""
    if turn.seen.taken or (status.stable is None and status.candidate is None):
        return ()
    selector = wanted_selector(turn, status)
    sizes = wanted_sizes(turn, status)
    return (
        *_to_stable(turn, status, selector),
        EnsureService(selector),
        *_remembered(turn, status),
        *_started(turn, status, sizes),
        *_preview(turn, status),
        *_opened(turn, status, selector),
        *_protected(turn, status),
        *_restarted(turn, status),
        *_stopped(turn, selector, sizes),
        *_forgotten(turn, status),
        EnsureAutoscaler(),
        *_replaced(turn, status),
    )


def backward(turn: Turn, status: ModelRolloutStatus) -> tuple[Action, ...]:
    """The writes under a spec that cannot be followed: traffic to stable, and the pods for that; nothing new."""
    if turn.seen.taken or status.stable is None:
        return ()
    selector = wanted_selector(turn, status)
    to_stable = tuple(_to_stable(turn, status, selector))
    if status.candidate is not None:
        return to_stable
    sizes = wanted_sizes(turn, status)
    return (
        *to_stable,
        *_remembered(turn, status),
        *_started(turn, status, sizes),
        *_preview(turn, status),
        *_protected(turn, status),
        *_stopped(turn, selector, sizes),
    )


def _to_stable(turn: Turn, status: ModelRolloutStatus, selector: names.Labels) -> Iterable[Action]:
    """The safe move: unconditional, and before everything else."""
    if _moves(turn, selector) and _is_safe(turn, status, selector):
        yield Route(selector)


def _opened(turn: Turn, status: ModelRolloutStatus, selector: names.Labels) -> Iterable[Action]:
    """The risky move: a compare-and-swap on the selector that was seen."""
    service = turn.seen.service
    if service is not None and _moves(turn, selector) and not _is_safe(turn, status, selector):
        yield Route(selector, expected=dict(service.selector))


def _moves(turn: Turn, selector: names.Labels) -> bool:
    service = turn.seen.service
    return service is not None and dict(service.selector) != selector


def _is_safe(turn: Turn, status: ModelRolloutStatus, selector: names.Labels) -> bool:
    return status.stable is not None and selector == selector_of(turn, status, Routing.STABLE)


def _remembered(turn: Turn, status: ModelRolloutStatus) -> Iterable[Action]:
    known = {source.revision for source in turn.seen.sources}
    for revision in _present(status):
        source = source_of(turn, status, revision)
        if revision not in known and source is not None:
            yield Remember(source)


def _present(status: ModelRolloutStatus) -> list[str]:
    present = [status.stable, status.candidate, status.previous, status.retreat]
    return list(dict.fromkeys(one.revision for one in present if one is not None))


def _started(turn: Turn, status: ModelRolloutStatus, sizes: Sizes) -> Iterable[Action]:
    """Create and scale up; stable before the others, since it serves."""
    for revision in _present(status):
        yield from _start(turn, status, revision, sizes.get(revision, 0))


def _start(turn: Turn, status: ModelRolloutStatus, revision: str, wanted: int) -> Iterable[Action]:
    source = source_of(turn, status, revision)
    deployment = turn.seen.deployment(revision)
    if source is None or wanted == 0:
        return
    if deployment is None:
        yield Create(source, wanted)
        return
    stable = against(status, revision)
    if stable and stable not in deployment.groups:
        if deployment.replicas or turn.seen.pods_of(revision):
            return
        yield Regroup(source)
    if deployment.replicas < wanted:
        yield Scale(revision, wanted)


def _stopped(turn: Turn, selector: names.Labels, sizes: Sizes) -> Iterable[Action]:
    """Scale down whatever has too many pods, unless the Service selects it as the only one with ready pods."""
    asleep = turn.spec.replicas == 0
    keep = selected(turn, selector)
    for deployment in turn.seen.deployments:
        wanted = sizes.get(deployment.revision, 0)
        serves = deployment.revision in keep and wanted == 0 and not asleep
        if deployment.replicas > wanted and not serves:
            yield Scale(deployment.revision, wanted, expected=deployment.replicas)


def _preview(turn: Turn, status: ModelRolloutStatus) -> Iterable[Action]:
    candidate = status.candidate
    wanted = None
    if candidate is not None and status.stable is not None and turn.spec.strategy.blue_green is not None:
        wanted = names.revision_selector(turn.rollout.name, candidate.revision)
    seen = turn.seen.preview
    if seen is not None and not seen.owned:
        return
    if wanted is None and seen is None:
        return
    if wanted is None or seen is None or dict(seen.selector) != wanted:
        yield Preview(wanted)


def _protected(turn: Turn, status: ModelRolloutStatus) -> Iterable[Action]:
    if status.stable is None:
        return
    if turn.spec.replicas < 2:  # noqa: PLR2004  # one replica cannot be spared, and a budget would block every drain
        yield Protect(None)
        return
    yield Protect(names.revision_selector(turn.rollout.name, status.stable.revision))


def _restarted(turn: Turn, status: ModelRolloutStatus) -> Iterable[Action]:
    last = status.last_command
    if last is None or last.verb != RESTART or last.message == RESTARTED or status.stable is None:
        return
    if last.outcome is not CommandOutcome.DONE:
        return
    deployment = turn.seen.deployment(status.stable.revision)
    if last.revision == status.stable.revision and deployment is not None and deployment.restarted != last.id:
        yield Restart(status.stable.revision, last.id)


def _replaced(turn: Turn, status: ModelRolloutStatus) -> Iterable[Action]:
    """Last, since nothing else waits for it. A pod that is being deleted is not seen any more."""
    replaced = status.candidate.replaced if status.candidate is not None else None
    if replaced is not None and any(pod.uid == replaced.uid for pod in turn.seen.pods):
        yield ReplacePod(replaced.pod, replaced.uid)


def _forgotten(turn: Turn, status: ModelRolloutStatus) -> Iterable[Action]:
    """Deployments that nobody needs, once they have no pods; then revisions that fell out of the history."""
    present = set(_present(status))
    remembered = {source.revision for source in turn.seen.sources}
    for deployment in turn.seen.deployments:
        unused = deployment.revision not in present and deployment.replicas == 0
        if unused and not turn.seen.pods_of(deployment.revision) and deployment.revision in remembered:
            yield Forget(deployment.revision)
    current = {status.current.revision} if status.current is not None else set()
    kept = present | current | {entry.revision for entry in status.history}
    deployed = {deployment.revision for deployment in turn.seen.deployments}
    for source in turn.seen.sources:
        if source.revision not in kept and source.revision not in deployed:
            yield Forget(source.revision, entirely=True)
