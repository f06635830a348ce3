"""The operator's NetworkPolicy lets it do its work, and nothing else."""

import pytest
from e2e.acts import promoted, roll_out, rolled_back, serving
from e2e.policy import enforced
from e2e.specs import spec

from stage.kube import Cluster, Object, path_of
from stage.models import STORE_NAMESPACE, expecting
from stage.operator import NAMESPACE, RELEASE, operator_pods, operator_with
from stage.programs import Programs
from stage.rollout import Rollout

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.long, pytest.mark.timeout(400)]

STORE_PORT = 8000
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()"


async def reaches(tools: Programs, pod: Object, address: str, port: int) -> bool:
    """Whether a connection from inside the pod comes to be."""
    name = pod["metadata"]["name"]
    command = ("exec", name, f"--namespace={NAMESPACE}", "--", "python3", "-c", CONNECT, address, str(port))
    ran = await tools.try_kubectl(*command)
    assert ran.code == 0 or "TimeoutError" in ran.err or "timed out" in ran.err, ran.err
    return ran.code == 0


async def test_behind_its_policy_the_operator_promotes_and_takes_back_and_reaches_nothing_else(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    (store,) = await cluster.list(path_of("v1", "Pod", STORE_NAMESPACE))
    elsewhere = store["status"]["podIP"], STORE_PORT
    async with operator_with(prepared, "networkPolicy.enabled=true"):
        policy = await cluster.get(path_of("networking.k8s.io/v1", "NetworkPolicy", NAMESPACE, RELEASE))
        (pod,) = await operator_pods(cluster)
        assert await reaches(prepared, pod, *elsewhere)
        async with enforced(cluster, policy, pod), serving(prepared, churn, spec("v1"), expecting(200, 500)):
            assert not await reaches(prepared, pod, *elsewhere)
            await promoted(churn, "v2")
            await roll_out(churn, "always-fails")
            await churn.until("the bad model is taken back", rolled_back)
            (same,) = await operator_pods(cluster)

    assert same["metadata"]["uid"] == pod["metadata"]["uid"]
    assert [(one["version"], one["outcome"]) for one in (await churn.status())["history"]] == [
        ("1.0.0", "Promoted"),
        ("2.0.0", "Promoted"),
        ("9.0.0", "Rejected"),
    ]
