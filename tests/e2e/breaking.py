"""How tests break what an operator stands on: its own processes, its rights, a part of the cluster, somebody's pods."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager

from e2e.steadily import patiently

from localcluster import cgroups
from stage.kube import NOT_FOUND, ApiError, Cluster, Object, path_of
from stage.operator import NAMESPACE, RELEASE, install_operator, operator_pods
from stage.programs import Programs
from stage.rollout import restarts

TOO_MANY_REQUESTS = 429
ROLE = path_of("rbac.authorization.k8s.io/v1", "ClusterRole", "", RELEASE)
LEASE = path_of("coordination.k8s.io/v1", "Lease", NAMESPACE, RELEASE)


@asynccontextmanager
async def inside(block: AbstractContextManager[None]) -> AsyncIterator[None]:
    """Stay inside a block that starts and stops programs, without holding up the requests that go on meanwhile."""
    await asyncio.to_thread(block.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(block.__exit__, None, None, None)


async def processes(cluster: Cluster) -> set[tuple[str, int]]:
    """The operator's pods with the restarts of their containers: the same set means the same processes."""
    pods = await patiently(lambda: operator_pods(cluster), "the operator's pods can be listed")
    return {(pod["metadata"]["uid"], restarts(pod)) for pod in pods}


@asynccontextmanager
async def two_replicas(tools: Programs) -> AsyncIterator[None]:
    """As the chart installs it; then one again, as the other tests have it."""
    await install_operator(tools, "replicas=2")
    try:
        yield
    finally:
        await install_operator(tools)


async def kill(cluster: Cluster, pods: Sequence[Object]) -> list[str]:
    """End pods of the operator with no chance to tidy up, and for good; gives their uids.

    A deletion, however forced, gives a container 2 s; and a container that is killed again and again would be started
    again ever later.
    """
    uids = [pod["metadata"]["uid"] for pod in pods]
    for pod, uid in zip(pods, uids, strict=True):
        await asyncio.to_thread(cgroups.kill_pod, uid)
        path = path_of("v1", "Pod", NAMESPACE, pod["metadata"]["name"])
        await cluster.delete(path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    return uids


async def leaders(cluster: Cluster) -> list[Object]:
    """The pod that holds the Lease, unless it is gone."""
    lease = await cluster.get(LEASE)
    holder = lease["spec"].get("holderIdentity")
    return [pod for pod in await operator_pods(cluster) if pod["metadata"]["name"] == holder]


async def evict(cluster: Cluster, namespace: str, pod: str) -> bool:
    """Ask for an eviction; gives whether the budget allows it."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    try:
        await cluster.post(f"{path_of('v1', 'Pod', namespace, pod)}/eviction", body)
    except ApiError as error:
        if error.status not in {NOT_FOUND, TOO_MANY_REQUESTS}:
            raise
        return False
    return True


def without(rules: Sequence[Object], kind: str, verbs: set[str]) -> list[Object]:
    """Rules that let an account do all but this; a rule that lets it do nothing is no valid one."""
    less = [rule | {"verbs": [one for one in rule["verbs"] if one not in verbs]} for rule in rules]
    merged = [new if kind in old["resources"] else old for old, new in zip(rules, less, strict=True)]
    return [rule for rule in merged if rule["verbs"]]


@asynccontextmanager
async def taken_away(cluster: Cluster, kind: str, *verbs: str) -> AsyncIterator[None]:
    """The operator without a right while the block runs."""
    rules = (await cluster.get(ROLE))["rules"]
    await cluster.merge(ROLE, {"rules": without(rules, kind, set(verbs))})
    try:
        yield
    finally:
        await cluster.merge(ROLE, {"rules": rules})
