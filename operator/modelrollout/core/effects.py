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
    Adopt,
    Create,
    EnsureAutoscaler,
    EnsureService,
    Forget,
    Mend,
    Preview,
    Protect,
    Prove,
    Regroup,
    Remember,
    ReplacePod,
    Restart,
    Route,
    Scale,
)
from modelrollout.core.foreign import own_service, writable
from modelrollout.core.routing import selected, selector_of, wanted_selector
from modelrollout.core.sizes import wanted_sizes
from modelrollout.core.sources import against, source_of
from modelrollout.core.turn import Turn, keeps_size

Sizes = Mapping[str, int]


def effects(turn: Turn, status: ModelRolloutStatus) -> tuple[Action, ...]:
    """Every write that is missing, in the order in which they have to happen."""
    if status.stable is None and status.candidate is None:
        return ()
    selector = wanted_selector(turn, status)
    sizes = wanted_sizes(turn, status)
    wanted = (
        *_to_stable(turn, status, selector),
        *_adopted(turn),
        EnsureService(selector, edited=turn.seen.service is not None and bool(turn.seen.service.drifted)),
        *_remembered(turn, status),
        *_started(turn, status, sizes),
        *_mended(turn, sizes),
        *_preview(turn, status),
        *_opened(turn, status, selector),
        *_protected(turn, status, selector, sizes),
        *_restarted(turn, status),
        *_proven(turn, status),
        *_stopped(turn, selector, sizes),
        *_forgotten(turn, status),
        EnsureAutoscaler(shrinks=not keeps_size(turn, status)),
        *_replaced(turn, status),
    )
    return writable(turn, wanted)


def backward(turn: Turn, status: ModelRolloutStatus) -> tuple[Action, ...]:
    """The writes under a spec that cannot be followed: traffic to stable, and the pods for that; nothing new."""
    if status.stable is None:
        return ()
    selector = wanted_selector(turn, status)
    to_stable = writable(turn, tuple(_to_stable(turn, status, selector)))
    if status.candidate is not None:
        return to_stable
    sizes = wanted_sizes(turn, status)
    wanted = (
        *to_stable,
        *_adopted(turn),
        *_remembered(turn, status),
        *_started(turn, status, sizes),
        *_preview(turn, status),
        *_protected(turn, status, selector, sizes),
        *_stopped(turn, selector, sizes),
    )
    return writable(turn, wanted)


def _to_stable(turn: Turn, status: ModelRolloutStatus, selector: names.Labels) -> Iterable[Action]:
    """The safe move: unconditional, and before everything else."""
    if _moves(turn, selector) and _is_safe(turn, status, selector):
        yield Route(selector)


def _opened(turn: Turn, status: ModelRolloutStatus, selector: names.Labels) -> Iterable[Action]:
    """The risky move: a compare-and-swap on the selector that was seen."""
    service = own_service(turn)
    if service is not None and _moves(turn, selector) and not _is_safe(turn, status, selector):
        yield Route(selector, expected=dict(service.selector))


def _moves(turn: Turn, selector: names.Labels) -> bool:
    service = own_service(turn)
    return service is not None and dict(service.selector) != selector


def _is_safe(turn: Turn, status: ModelRolloutStatus, selector: names.Labels) -> bool:
    return status.stable is not None and selector == selector_of(turn, status, Routing.STABLE)


def _adopted(turn: Turn) -> Iterable[Action]:
    return (Adopt(one.kind, one.name) for one in turn.seen.orphans)


def _proven(turn: Turn, status: ModelRolloutStatus) -> Iterable[Action]:
    stable, since = status.stable, status.stable_since
    deployment = turn.seen.deployment(stable.revision) if stable is not None else None
    if stable is not None and since is not None and deployment is not None and deployment.stable_since != since:
        yield Prove(stable.revision, since)


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
    service = turn.seen.service
    keep = selected(turn, selector)
    if service is not None and not service.owned:
        keep |= selected(turn, service.selector)
    for deployment in turn.seen.deployments:
        wanted = sizes.get(deployment.revision, 0)
        serves = deployment.revision in keep and wanted == 0 and not asleep
        if deployment.replicas > wanted and not serves:
            yield Scale(deployment.revision, wanted, expected=deployment.replicas)


def _mended(turn: Turn, sizes: Sizes) -> Iterable[Action]:
    """What serves is what was asked for, whoever has edited its Deployment."""
    for deployment in turn.seen.deployments:
        if deployment.drifted and sizes.get(deployment.revision, 0):
            yield Mend(deployment.revision)


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


def _protected(turn: Turn, status: ModelRolloutStatus, selector: names.Labels, sizes: Sizes) -> Iterable[Action]:
    """The budget is over what the Service selects, whichever arm that is."""
    if status.stable is None:
        return
    behind = sum(sizes.get(revision, 0) for revision in selected(turn, selector))
    # One pod cannot be spared, and a budget over it would block every drain.
    yield Protect(selector if behind > 1 else None)


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
