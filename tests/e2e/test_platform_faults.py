"""What clusters do to their controllers: a part is gone for a while, pods are evicted, rights taken away.

No request is lost. Everything goes on by itself afterwards, and the rollout in whose middle it happened ends as it
would have without.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

import pytest
from e2e.acts import serving
from e2e.specs import spec
from e2e.steadily import course, through

from localcluster import pieces
from modelrollout.traffic.summary import losses
from stage.kube import ApiError, Cluster, path_of
from stage.operator import NAMESPACE, RELEASE, install_operator, kill_operator, operator_pods, operator_ready
from stage.programs import Programs
from stage.rollout import Rollout, ready

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.long, pytest.mark.timeout(900)]

ETCD_SECONDS = 20.0
TOO_MANY_REQUESTS = 429
ROLE = path_of("rbac.authorization.k8s.io/v1", "ClusterRole", "", RELEASE)


async def while_in(block: AbstractContextManager[None], seconds: float) -> None:
    """Stay inside a block that starts and stops programs, without holding up the requests that go on meanwhile."""
    await asyncio.to_thread(block.__enter__)
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.to_thread(block.__exit__, None, None, None)


@asynccontextmanager
async def two_replicas(tools: Programs) -> AsyncIterator[None]:
    """As the chart installs it; then one again, as the other tests have it."""
    await install_operator(tools, "replicas=2")
    try:
        yield
    finally:
        await install_operator(tools)


@pytest.mark.parametrize("part", ["kube-apiserver", "kubelet"])
async def test_a_part_is_restarted_in_the_middle_of_a_rollout(part: str, prepared: Programs, churn: Rollout) -> None:
    async with serving(prepared, churn, spec()) as now:
        outcome = await through(churn, lambda: asyncio.to_thread(pieces.restart, prepared.places, part))
    assert (outcome, losses(now.load.records)) == ("Promoted", [])


async def test_etcd_is_gone_for_twenty_seconds_in_the_middle_of_a_rollout(prepared: Programs, churn: Rollout) -> None:
    async with serving(prepared, churn, spec()) as now:
        before = [pod["metadata"]["uid"] for pod in await operator_pods(churn.cluster)]
        outcome = await through(churn, lambda: while_in(pieces.without(prepared.places, "etcd"), ETCD_SECONDS))
        after = [pod["metadata"]["uid"] for pod in await operator_pods(churn.cluster)]
    assert (outcome, losses(now.load.records)) == ("Promoted", [])
    assert before == after


@pytest.mark.parametrize("replicas", [1, 2])
async def test_the_operator_is_killed_at_random_moments_of_ten_rollouts(
    replicas: int, prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    async def kill() -> None:
        try:
            await kill_operator(cluster)
        except ApiError as error:
            if error.status != 404:
                raise

    if replicas == 1:
        done = await course(prepared, churn, kill)
    else:
        async with two_replicas(prepared):
            done = await course(prepared, churn, lambda: kill_leader(cluster))
    await operator_ready(cluster)
    print(f"{done.happenings} kills in {len(done.outcomes)} rollouts, {len(done.lost)} requests lost")  # noqa: T201
    assert done.lost == []
    assert done.outcomes == done.expected
    assert done.happenings >= len(done.outcomes)


async def kill_leader(cluster: Cluster) -> None:
    """End the pod that holds the Lease at once; the standby takes over."""
    lease = await cluster.find(path_of("coordination.k8s.io/v1", "Lease", NAMESPACE, RELEASE))
    holder = ((lease or {}).get("spec") or {}).get("holderIdentity")
    if holder:
        path = path_of("v1", "Pod", NAMESPACE, holder)
        await cluster.delete(path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})


async def evict(cluster: Cluster, namespace: str, pod: str) -> bool:
    """Ask for an eviction; gives whether the budget allows it."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    try:
        await cluster.post(f"{path_of('v1', 'Pod', namespace, pod)}/eviction", body)
    except ApiError as error:
        if error.status not in {404, TOO_MANY_REQUESTS}:
            raise
        return False
    return True


async def test_pods_are_evicted_through_the_api_in_the_middle_of_a_rollout(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    """What `kubectl drain` does: all pods, again and again, as fast as the budget lets it."""

    async def drain() -> None:
        for pod in await churn.pods():
            name = pod["metadata"]["name"]
            for _ in range(100):
                if await evict(cluster, churn.namespace, name) or not any(
                    one["metadata"]["name"] == name for one in await churn.pods()
                ):
                    break
                await asyncio.sleep(0.5)

    async with serving(prepared, churn, spec()) as now:
        outcome = await through(churn, drain)
    assert (outcome, losses(now.load.records)) == ("Promoted", [])


async def test_pods_are_evicted_by_a_kubelet_under_pressure_and_come_back(prepared: Programs, churn: Rollout) -> None:
    """All pods of the node go at once, so requests are lost; nobody is blamed for it, and everything comes back."""
    async with serving(prepared, churn, spec()) as now:
        revision = now.revision
        await while_in(pieces.evicting(prepared.places, "1000Gi"), 30.0)
        await churn.until_pods("two pods are ready again", lambda pods: sum(ready(pod) for pod in pods) >= 2, 300)
        obj = await churn.until_condition("Ready", 300)
    assert obj["status"]["stable"]["revision"] == revision
    assert [entry["outcome"] for entry in obj["status"]["history"]] == ["Promoted"]


async def test_a_right_is_taken_away_in_the_middle_of_a_rollout_and_given_back(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    role = await cluster.get(ROLE)
    without_pods = [rule for rule in role["rules"] if rule["resources"] != ["pods"]]

    async def take_away_and_give_back() -> None:
        await cluster.merge(ROLE, {"rules": without_pods})
        try:
            await asyncio.sleep(90)
        finally:
            await cluster.merge(ROLE, {"rules": role["rules"]})

    before = [pod["metadata"]["uid"] for pod in await operator_pods(cluster)]
    async with serving(prepared, churn, spec()) as now:
        outcome = await through(churn, take_away_and_give_back)
    assert (outcome, losses(now.load.records)) == ("Promoted", [])
    assert [pod["metadata"]["uid"] for pod in await operator_pods(cluster)] == before
