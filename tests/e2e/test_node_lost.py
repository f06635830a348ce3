"""The node of a candidate's pod is lost before the pod has started: nobody is blamed, and it goes on elsewhere.

The node is an object that nobody stands behind. For Kubernetes' own controllers that is a node whose kubelet was heard
once and then fell silent: after 50 s it is not ready, its pods are evicted and made anew. Nothing that serves is ever
on it, so no request may be lost.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from e2e.acts import roll_out, serving
from e2e.specs import SERVER, spec
from e2e.steadily import ended, good

from modelrollout.traffic.summary import losses
from stage.kube import Cluster, Object, path_of, until
from stage.programs import Programs
from stage.rollout import Rollout, of

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.long, pytest.mark.timeout(600)]

KEY = "modelrollout.dev/e2e-node"
GONE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
AT_ONCE: Object = {
    "tolerations": [
        {"key": KEY, "operator": "Exists", "effect": "NoSchedule"},
        *({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1} for key in GONE),
    ],
    "affinity": {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "preference": {"matchExpressions": [{"key": KEY, "operator": "Exists"}]}}
            ]
        }
    },
}
"""Rather on that node, and not for long once it is lost: by default Kubernetes waits five minutes."""


def heard(status: str) -> Object:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    return {"type": "Ready", "status": status, "reason": "KubeletReady", "message": "was heard once", **times}


@asynccontextmanager
async def a_node(cluster: Cluster) -> AsyncIterator[str]:
    """A node that takes pods for a while, and is then lost."""
    name = f"e2e-lost-{os.urandom(2).hex()}"
    path = path_of("v1", "Node", "", name)
    room = {"cpu": "8", "memory": "16Gi", "pods": "50"}
    meta = {"name": name, "labels": {KEY: "lost", "kubernetes.io/hostname": name}}
    taint = {"key": KEY, "value": "lost", "effect": "NoSchedule"}
    try:
        await cluster.create({"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {"taints": [taint]}})
        status = {"capacity": room, "allocatable": room, "conditions": [heard("True")]}
        await cluster.merge(f"{path}/status", {"status": status})

        async def takes_pods() -> bool:
            taints = (await cluster.get(path))["spec"].get("taints") or []
            return [one["key"] for one in taints] == [KEY]

        await until(takes_pods, f"node {name} takes pods", 30)
        yield name
    finally:
        await cluster.delete(path)


def on(node: str, pods: list[Object]) -> list[Object]:
    return [pod for pod in pods if pod["spec"].get("nodeName") == node]


async def forget(churn: Rollout, pods: list[Object]) -> None:
    """Nobody is there to say that these have ended."""
    for pod in pods:
        path = path_of("v1", "Pod", churn.namespace, pod["metadata"]["name"])
        await churn.cluster.delete(path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})


async def test_a_candidate_whose_node_is_lost_is_not_blamed_and_goes_on_elsewhere(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    async with serving(prepared, churn, spec()) as now, a_node(cluster) as node:
        template = {"spec": AT_ONCE}
        await roll_out(churn, good(1), server=SERVER | {"podTemplate": template})
        lost = await churn.until_pods("a pod of the candidate is on that node", lambda pods: on(node, pods), 45)
        first = on(node, lost)[0]
        candidate = first["metadata"]["labels"]["modelrollout.dev/revision"]

        def is_replaced(pods: list[Object]) -> bool:
            return any(
                "deletionTimestamp" not in pod["metadata"] and not on(node, [pod]) for pod in of(candidate, pods)
            )

        pods = await churn.until_pods("it is replaced on another node", is_replaced, 180)
        outcome = await ended(churn)
        status = await churn.status()
        await forget(churn, on(node, pods))
    assert (outcome, losses(now.load.records)) == ("Promoted", [])
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted", "Promoted"]
    assert status["stable"]["revision"] == candidate
