"""The operator's actions on the simulated cluster: what is so already is no write, what is stale changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
from modelrollout.core.facts import RevisionSource
from modelrollout.core.foreign import target
from modelrollout.simulation.cluster import SERVICE, Cluster, Deployment
from modelrollout.simulation.pods import GRACE
from modelrollout.simulation.resource import Stale


def carry_out(action: Action, cluster: Cluster) -> bool:
    """Make an action true; gives whether that took a write.

    Raises:
        Stale: a compare-and-swap found something else than was expected.
        AssertionError: it would write somebody else's object.

    """
    if target(action, cluster.rollout) in cluster.foreign:
        raise AssertionError(f"{action} would write somebody else's object")
    return _WAYS[type(action)](action, cluster)


def _route(action: Route, cluster: Cluster) -> bool:
    wanted = dict(action.selector)
    if cluster.service is None or cluster.service == wanted:
        return False
    if action.expected is not None and cluster.service != dict(action.expected):
        raise Stale
    cluster.service = wanted
    return True


def _ensure_service(action: EnsureService, cluster: Cluster) -> bool:
    if cluster.service is not None:
        if not action.edited or SERVICE not in cluster.tampered:
            return False
        cluster.tampered.discard(SERVICE)
        return True
    cluster.service = dict(action.selector)
    return True


def _preview(action: Preview, cluster: Cluster) -> bool:
    wanted = None if action.selector is None else dict(action.selector)
    changed = cluster.preview != wanted
    cluster.preview = wanted
    return changed


def _protect(action: Protect, cluster: Cluster) -> bool:
    wanted = None if action.selector is None else dict(action.selector)
    changed = cluster.budget != wanted
    cluster.budget = wanted
    return changed


def _remember(action: Remember, cluster: Cluster) -> bool:
    if any(source.revision == action.source.revision for source in cluster.sources):
        return False
    cluster.sources.append(action.source)
    return True


def _create(action: Create, cluster: Cluster) -> bool:
    if action.source.revision in cluster.deployments:
        return False
    cluster.deployments[action.source.revision] = Deployment(action.source, action.replicas, _groups(action.source))
    return True


def _groups(source: RevisionSource) -> frozenset[str]:
    return frozenset({source.revision, source.against})


def _scale(action: Scale, cluster: Cluster) -> bool:
    deployment = cluster.deployments.get(action.revision)
    if deployment is None or deployment.replicas == action.replicas:
        return False
    if action.expected is not None and deployment.replicas != action.expected:
        raise Stale
    deployment.replicas = action.replicas
    return True


def _regroup(action: Regroup, cluster: Cluster) -> bool:
    deployment = cluster.deployments.get(action.source.revision)
    if deployment is None or deployment.groups == _groups(action.source):
        return False
    if deployment.replicas or cluster.pods_of(deployment.revision):
        raise AssertionError(f"{action}: the template of running pods must not be written")
    deployment.groups = _groups(action.source)
    deployment.source = replace(deployment.source, against=action.source.against)
    return True


def _mend(action: Mend, cluster: Cluster) -> bool:
    mended = action.revision in cluster.tampered
    cluster.tampered.discard(action.revision)
    return mended


def _restart(action: Restart, cluster: Cluster) -> bool:
    deployment = cluster.deployments.get(action.revision)
    if deployment is None or deployment.mark == action.mark:
        return False
    deployment.mark = action.mark
    return True


def _replace_pod(action: ReplacePod, cluster: Cluster) -> bool:
    pod = next((pod for pod in cluster.pods if pod.uid == action.uid and not pod.ending), None)
    if pod is not None:
        pod.ends = cluster.now + GRACE
    return pod is not None


def _forget(action: Forget, cluster: Cluster) -> bool:
    found = cluster.deployments.pop(action.revision, None) is not None
    if action.entirely:
        left = [source for source in cluster.sources if source.revision != action.revision]
        found = found or len(left) != len(cluster.sources)
        cluster.sources = left
    return found


def _adopt(action: Adopt, cluster: Cluster) -> bool:
    one = (action.kind, action.name)
    found = one in cluster.orphans
    cluster.orphans.discard(one)
    return found


def _prove(action: Prove, cluster: Cluster) -> bool:
    deployment = cluster.deployments.get(action.revision)
    if any(source.revision == action.revision for source in cluster.sources):
        cluster.proven[action.revision] = action.since
    if deployment is None or deployment.stable_since == action.since:
        return False
    deployment.stable_since = action.since
    return True


def _ensure_autoscaler(action: EnsureAutoscaler, cluster: Cluster) -> bool:
    changed = cluster.scaled and cluster.shrinks != action.shrinks
    cluster.shrinks = action.shrinks
    return changed


_WAYS: dict[type[Any], Callable[[Any, Cluster], bool]] = {
    Route: _route,
    EnsureService: _ensure_service,
    Preview: _preview,
    Protect: _protect,
    Remember: _remember,
    Create: _create,
    Scale: _scale,
    Regroup: _regroup,
    Mend: _mend,
    Restart: _restart,
    ReplacePod: _replace_pod,
    Forget: _forget,
    Adopt: _adopt,
    Prove: _prove,
    EnsureAutoscaler: _ensure_autoscaler,
}
