"""As whom the processes run, seen from inside: an image's user alone would leave them in group 0, root's."""

import pytest
from e2e.specs import SERVER, spec

from stage.kube import Cluster, Object
from stage.operator import operator_pods
from stage.programs import Programs
from stage.rollout import Rollout

pytestmark = [pytest.mark.cluster]

WHO = "import os; print(os.getuid(), os.getgid())"


async def who(tools: Programs, pod: Object, container: str) -> str:
    meta = pod["metadata"]
    where = (meta["name"], f"--namespace={meta['namespace']}", f"--container={container}")
    return (await tools.kubectl("exec", *where, "--", "python3", "-c", WHO)).strip()


async def test_no_process_of_the_operator_or_of_a_server_is_in_roots_group(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    await churn.apply(spec())
    await churn.until_condition("Ready")
    pods = await churn.pods()
    operator, *_ = await operator_pods(cluster)

    assert {await who(prepared, pod, "server") for pod in pods} == {"65532 65532"}
    assert await who(prepared, operator, "operator") == "65532 65532"


async def test_a_group_of_the_users_own_is_every_containers(prepared: Programs, churn: Rollout) -> None:
    template = {"spec": {"securityContext": {"runAsUser": 70001, "runAsGroup": 70002}}}
    await churn.apply(spec(server=SERVER | {"podTemplate": template}))
    await churn.until_condition("Ready")

    assert {await who(prepared, pod, "server") for pod in await churn.pods()} == {"70001 70002"}
