"""What somebody edits of ours on the cluster is put back within seconds, and said."""

from collections.abc import Mapping
from typing import Any

import pytest
from e2e.acts import promoted, serving
from e2e.specs import spec

from modelrollout import names
from modelrollout.traffic.summary import losses
from stage.kube import path_of, until
from stage.programs import Programs
from stage.rollout import Rollout

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]


async def is_told(churn: Rollout, text: str) -> bool:
    """The condition itself may be over before anybody looks."""
    return any(event.reason == "Drifted" and text in event.message for event in await churn.events())


def tells_its_numbers(status: Mapping[str, Any]) -> bool:
    """Of the version that serves, without any comparison."""
    versions = (status.get("lastMinute") or {}).get("versions") or [{}]
    stable = versions[0]
    told = {"successPercent", "meanMs", "p50Ms", "p95Ms", "p99Ms", "cpuCores", "memoryBytes"} <= stable.keys()
    return told and bool(stable["version"] == status["stable"]["version"] and stable["requests"])


async def test_a_model_edited_in_stables_deployment_and_a_port_edited_in_the_service_are_put_back(
    prepared: Programs, churn: Rollout
) -> None:
    async with serving(prepared, churn, spec()) as now:
        path = path_of("apps/v1", "Deployment", churn.namespace, names.deployment(churn.name, now.revision))
        before = (await churn.cluster.get(path))["spec"]["template"]["spec"]["containers"]
        env = [one for one in before[0]["env"] if one["name"] != "MODEL_VERSION"]
        edited = before[0] | {"env": [*env, {"name": "MODEL_VERSION", "value": "edited"}]}
        await churn.cluster.merge(path, {"spec": {"template": {"spec": {"containers": [edited]}}}})
        await until(lambda: is_told(churn, "edited in place of 1.0.0 (last written by "), "the edit is told", 30)
        await churn.until("it is put back", lambda obj: "Drifted" not in str(obj["status"]["conditions"]), 30)
        after = (await churn.cluster.get(path))["spec"]["template"]["spec"]["containers"][0]["env"]
        assert {"name": "MODEL_VERSION", "value": "1.0.0"} in after
        await churn.until_condition("Ready")
        assert losses(now.load.records) == []

        service = path_of("v1", "Service", churn.namespace, churn.name)
        port = (await churn.cluster.get(service))["spec"]["ports"][0]
        await churn.cluster.merge(service, {"spec": {"ports": [port | {"targetPort": 9999}]}})

        async def is_back() -> bool:
            found = (await churn.cluster.get(service))["spec"]["ports"][0]["targetPort"]
            return bool(found == names.SERVING_PORT)

        await until(is_back, "the port is put back", 10)
        await until(
            lambda: is_told(churn, "targetPort 9999 in place of 8080 (last written by "), "the edit is told", 30
        )
        await promoted(churn, "v2")
        await churn.until("its numbers are told", lambda one: tells_its_numbers(one["status"]), 120)
