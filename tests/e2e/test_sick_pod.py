"""One candidate pod of three fails and the others do not: another pod takes its place, and the model goes out.

The node's fault is played by requests that go to that pod alone, on rows that the model fails on.
"""

from dataclasses import replace

import pytest
from e2e.acts import LIGHT, at_weight, candidate, roll_out, serving
from e2e.specs import spec

from modelrollout.traffic.connection import Target
from modelrollout.traffic.summary import losses
from stage.kube import Object
from stage.models import COARSE, rows_that
from stage.programs import Programs
from stage.requests import steady
from stage.rollout import Rollout, is_true, of, ready

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.long, pytest.mark.timeout(600)]

PORT = 8080
HEALTH = {"interval": "1s", "compare": {"latencyRatio": 4}}
ONE_STEP = {"canary": {"steps": [{"weight": 50}]}}
AT_THE_POD = replace(LIGHT, rate=10)


def uids(pods: list[Object]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


async def test_the_only_pod_that_fails_is_replaced_and_no_other_request_is_lost(
    prepared: Programs, churn: Rollout
) -> None:
    asked = spec(health=HEALTH, strategy=ONE_STEP, replicas=3)
    async with serving(prepared, churn, asked, rows_that(fail=False), replace(LIGHT, rate=60)) as now:
        await roll_out(churn, COARSE)
        revision = candidate(await churn.until("three pods share the requests", at_weight(50)))["revision"]
        before = await churn.pods(revision)
        sick = before[0]
        async with steady(Target(sick["status"]["podIP"], PORT), rows_that(fail=True), AT_THE_POD):
            found = await churn.until("the pod is replaced", lambda obj: is_true(obj, "PodReplaced"))
        assert candidate(found)["replaced"]["uid"] == sick["metadata"]["uid"]
        after = await churn.until_pods(
            "another one is ready", lambda pods: sum(map(ready, of(revision, pods))) == len(before)
        )
        await churn.until_condition("Ready")
    said = [one.message for one in await churn.events() if one.reason == "PodReplaced"]
    print(said)  # noqa: T201
    assert len(said) == 1
    assert uids(before) - uids([pod for pod in of(revision, after) if ready(pod)]) == {sick["metadata"]["uid"]}
    assert (await churn.status())["stable"]["revision"] == revision
    assert losses(now.load.records) == []
