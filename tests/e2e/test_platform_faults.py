"""What clusters do to their controllers: a part is gone for a while, pods are evicted, rights taken away.

No request is lost. Everything goes on by itself afterwards, and the rollout in whose middle it happened ends as it
would have without.
"""

import asyncio
from collections.abc import Sequence

import pytest
from e2e.acts import candidate, roll_out, serving, stays
from e2e.breaking import evict, inside, kill, leaders, processes, taken_away, two_replicas
from e2e.specs import spec
from e2e.steadily import course, ended, good, through

from localcluster import pieces
from localcluster.places import NODE_NAME
from modelrollout.traffic.records import Kind
from modelrollout.traffic.summary import losses
from stage.kube import Cluster, Object
from stage.operator import operator_pods, operator_ready
from stage.programs import Programs
from stage.rollout import Rollout, ready

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.long, pytest.mark.timeout(900)]

ETCD_SECONDS = 20.0
BLIND_SECONDS = 90.0
"""A watch goes on for 14 s after its right was taken away; a view is too old to go on from 60 s later."""
LITTLE_MEMORY = 256 * 2**20


@pytest.mark.parametrize("part", ["kube-apiserver", "kubelet"])
async def test_a_part_is_restarted_in_the_middle_of_a_rollout(part: str, prepared: Programs, churn: Rollout) -> None:
    before = await processes(churn.cluster)
    async with serving(prepared, churn, spec()) as now:
        outcome = await through(churn, lambda: asyncio.to_thread(pieces.restart, prepared.places, part))
    lost = losses(now.load.records)
    unready = [one for one in lost if part == "kubelet" and one.kind is Kind.NO_CONNECTION]
    print(f"{part} restarted: {len(unready)} of {len(now.load.records)} requests found no ready pod")  # noqa: T201
    # A kubelet that starts calls the pods of its node, here all there are, unready until it has probed each again.
    assert (outcome, [one for one in lost if one not in unready]) == ("Promoted", [])
    assert await processes(churn.cluster) == before


async def test_etcd_is_gone_for_twenty_seconds_in_the_middle_of_a_rollout(prepared: Programs, churn: Rollout) -> None:
    async def gone() -> None:
        async with inside(pieces.without(prepared.places, "etcd")):
            await asyncio.sleep(ETCD_SECONDS)

    before = await processes(churn.cluster)
    async with serving(prepared, churn, spec()) as now:
        outcome = await through(churn, gone)
    assert (outcome, losses(now.load.records)) == ("Promoted", [])
    assert await processes(churn.cluster) == before


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("replicas", [1, 2])
async def test_the_operator_is_killed_at_random_moments_of_ten_rollouts(
    replicas: int, prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    """With one replica the next one is a new pod; with two the standby takes over."""
    killed: set[str] = set()

    async def kill_it() -> None:
        killed.update(await kill(cluster, await operator_pods(cluster)))

    async def kill_leader() -> None:
        killed.update(await kill(cluster, await leaders(cluster)))

    if replicas == 1:
        done = await course(prepared, churn, kill_it)
    else:
        async with two_replicas(prepared):
            done = await course(prepared, churn, kill_leader)
    await operator_ready(cluster)
    print(f"{len(killed)} kills in {len(done.outcomes)} rollouts, {len(done.lost)} requests lost")  # noqa: T201
    assert done.lost == []
    assert done.outcomes == done.expected
    assert len(killed) >= len(done.outcomes)


async def test_pods_are_evicted_through_the_api_in_the_middle_of_a_rollout(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    """What `kubectl drain` does: all pods, again and again, as fast as the budget lets it."""
    evicted: list[str] = []

    async def leaves(pod: str) -> None:
        for _ in range(200):
            if pod not in {one["metadata"]["name"] for one in await churn.pods()}:
                return
            if await evict(cluster, churn.namespace, pod):
                evicted.append(pod)
                return
            await asyncio.sleep(0.5)
        raise AssertionError(f"the budget never let {pod} go")

    async def drain() -> None:
        for pod in await churn.pods():
            await leaves(pod["metadata"]["name"])

    async with serving(prepared, churn, spec()) as now:
        outcome = await through(churn, drain)
    assert (outcome, losses(now.load.records)) == ("Promoted", [])
    assert len(evicted) >= 2


async def more_than_is_free(cluster: Cluster) -> str:
    """A little more memory than the node has free: more than it has at all would leave no room for any pod."""
    found = await cluster.get(f"/api/v1/nodes/{NODE_NAME}/proxy/stats/summary")
    return str(found["node"]["memory"]["availableBytes"] + LITTLE_MEMORY)


def evicted_by_kubelet(pods: Sequence[Object]) -> list[Object]:
    return [pod for pod in pods if (pod.get("status") or {}).get("reason") == "Evicted"]


async def test_pods_are_evicted_by_a_kubelet_under_pressure_and_come_back(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    """No budget holds a kubelet back, so requests may be lost; nobody is blamed for it, and everything comes back."""
    async with serving(prepared, churn, spec()) as now:
        async with inside(pieces.evicting(prepared.places, await more_than_is_free(cluster))):
            await churn.until_pods("the kubelet has evicted one of its pods", evicted_by_kubelet, 120)
        await churn.until_pods("two pods are ready again", lambda pods: sum(ready(pod) for pod in pods) >= 2, 300)
        obj = await churn.until_condition("Ready", 300)
    assert obj["status"]["stable"]["revision"] == now.revision
    assert [entry["outcome"] for entry in obj["status"]["history"]] == ["Promoted"]


async def test_the_right_to_move_traffic_is_taken_away_in_the_middle_of_a_rollout_and_given_back(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    before = await processes(cluster)
    async with serving(prepared, churn, spec()) as now:

        async def take_away_and_give_back() -> None:
            async with taken_away(cluster, "services", "patch"):
                await stays(churn, lambda obj: obj["status"]["stable"]["revision"] == now.revision, looks=300)

        outcome = await through(churn, take_away_and_give_back)
    assert (outcome, losses(now.load.records)) == ("Promoted", [])
    assert await processes(cluster) == before


async def test_an_operator_that_may_not_see_pods_starts_nothing_until_it_may_again(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    before = await processes(cluster)
    async with serving(prepared, churn, spec()) as now:
        async with taken_away(cluster, "pods", "list", "watch"):
            await asyncio.sleep(BLIND_SECONDS)
            await roll_out(churn, good(1))
            await stays(churn, lambda obj: not candidate(obj), looks=75)
        outcome = await ended(churn)
    assert (outcome, losses(now.load.records)) == ("Promoted", [])
    assert await processes(cluster) == before
