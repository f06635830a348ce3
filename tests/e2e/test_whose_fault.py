"""What the cluster does to a candidate's pods is waited for and blamed on nobody; what both arms do proves nothing.

The faults that are the candidate's own are stories under examples/: cannot-load, refuses-422, out-of-memory, hangs.
"""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from e2e.acts import LIGHT, at_weight, candidate, holds_because, promoted, roll_out, serving, stable_of, stays
from e2e.network import blocked
from e2e.specs import SERVER, Spec, model_of, spec

from modelrollout.traffic.summary import losses
from stage.kube import ApiError, Cluster, Object, path_of, until
from stage.models import MODEL_FAILED, expecting, rows_that
from stage.operator import image_of
from stage.programs import Programs
from stage.rollout import Rollout, is_true, of, ready

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

ONE_STEP = {"canary": {"steps": [{"weight": 25}]}}
MANY = {"interval": "1s", "minSamples": 60}


async def test_a_candidate_pod_that_is_evicted_is_replaced_and_the_rollout_goes_on(
    prepared: Programs, churn: Rollout
) -> None:
    async with serving(prepared, churn, spec(health=MANY)):
        await roll_out(churn, "v2")
        obj = await churn.until("the candidate is judged", at_weight(25))
        (pod,) = await churn.pods(candidate(obj)["revision"])
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod["metadata"]["name"], "namespace": churn.namespace},
        }
        await churn.cluster.post(path_of("v1", "Pod", churn.namespace, pod["metadata"]["name"]) + "/eviction", eviction)
        await churn.until_condition("Ready")
    status = await churn.status()
    assert status["stable"]["version"] == "2.0.0"
    assert {entry["outcome"] for entry in status["history"]} == {"Promoted"}


async def test_a_candidate_that_does_not_fit_is_waited_for_and_goes_on_when_there_is_room(
    prepared: Programs, churn: Rollout
) -> None:
    """The request for a label that no node has stands for a node that is full: the scheduler says no to both."""
    nowhere = {"spec": {"nodeSelector": {f"{churn.namespace}/room": "made"}}}
    server = SERVER | {"podTemplate": nowhere}
    async with serving(prepared, churn, spec(progressDeadline="20s", strategy=ONE_STEP)) as now:
        await roll_out(churn, "v2", server=server)
        await churn.until_condition("WaitingForCluster")
        status = await churn.status()
        assert "make room or lower the requests" in status["message"]
        assert set(await churn.selector()) == {"modelrollout.dev/name", "modelrollout.dev/revision"}
        assert (await churn.selector())["modelrollout.dev/revision"] == now.revision

        (node,) = await churn.cluster.list(path_of("v1", "Node", ""))
        path = path_of("v1", "Node", "", node["metadata"]["name"])
        label = f"{churn.namespace}/room"
        await churn.cluster.merge(path, {"metadata": {"labels": {label: "made"}}})
        try:
            await churn.until_condition("Ready")
        finally:
            await churn.cluster.merge(path, {"metadata": {"labels": {label: None}}})
    assert (await churn.status())["stable"]["version"] == "2.0.0"
    assert losses(now.load.records) == []


async def test_a_fault_of_both_arms_holds_and_rejects_nobody(prepared: Programs, churn: Rollout) -> None:
    """Both are the model that fails on coarse rows, under two versions; in the step coarse rows begin to come."""
    first = spec(model_of("fails-under-traffic", "4.0.0"), health=MANY, strategy=ONE_STEP)
    async with serving(prepared, churn, first) as now:
        await roll_out(churn, model_of("fails-under-traffic", "4.0.1"))
        await churn.until("the candidate is judged", at_weight(25))
        now.load.rows.use(rows_that(fail=True))
        await churn.until("the step holds", holds_because("StableUnhealthy"))
        await stays(churn, lambda obj: candidate(obj).get("version") == "4.0.1", looks=20)
    assert {entry["outcome"] for entry in (await churn.status())["history"]} == {"Promoted"}


async def test_an_operator_that_sees_no_pod_of_either_arm_holds_and_says_what_to_allow(
    prepared: Programs, churn: Rollout
) -> None:
    many = {"interval": "1s", "minSamples": 2000}
    async with serving(prepared, churn, spec(health=many, strategy=ONE_STEP)):
        await roll_out(churn, "v2")
        await churn.until("the candidate is judged", at_weight(25))
        async with blocked([pod["status"]["podIP"] for pod in await churn.pods()], port=8081):
            obj = await churn.until("the step holds", holds_because("ScrapeBlocked"))
            assert "allow the operator to reach port 8081" in obj["status"]["message"]
            await stays(churn, holds_because("ScrapeBlocked"), looks=20)
        await churn.until("the step goes on", lambda one: not holds_because("ScrapeBlocked")(one))
        await churn.change({"health": {"minSamples": 20}})
        await churn.until_condition("Ready")
    assert (await churn.status())["stable"]["version"] == "2.0.0"


async def test_a_model_that_cannot_load_never_gets_a_request(prepared: Programs, churn: Rollout) -> None:
    async with serving(
        prepared, churn, spec(strategy=ONE_STEP, health={"interval": "1s", "limits": {"restarts": 0}})
    ) as now:
        await roll_out(churn, "column-too-many")
        await churn.until_condition("Stalled")
    assert {one.revision for one in now.load.records} == {now.revision}
    assert losses(now.load.records) == []
    message = (await churn.status())["message"]
    assert "feature mismatch" in message.lower()


async def test_a_model_that_answers_nothing_but_errors_is_found_out_below_the_floor_of_samples(
    prepared: Programs, churn: Rollout
) -> None:
    many = {"interval": "1s", "minSamples": 100000}
    async with serving(prepared, churn, spec(health=many), expecting(MODEL_FAILED), LIGHT) as now:
        await roll_out(churn, "always-fails")
        await churn.until_condition("Stalled")
        await churn.until_pods("stable alone is left", lambda pods: all(ready(pod) for pod in pods) and len(pods) == 2)
    assert losses(now.load.records) == []


async def test_a_second_bad_model_after_the_first_and_then_a_good_one(prepared: Programs, churn: Rollout) -> None:
    async with serving(prepared, churn, spec(), expecting(MODEL_FAILED)) as now:
        for version in ("4.0.0", "4.0.1"):
            await roll_out(churn, model_of("always-fails", version))
            await churn.until_condition("Stalled")
        assert await promoted(churn, "v2") != now.revision
    history = [(entry["version"], entry["outcome"]) for entry in (await churn.status())["history"]]
    assert history == [("1.0.0", "Promoted"), ("4.0.0", "Rejected"), ("4.0.1", "Rejected"), ("2.0.0", "Promoted")]


def beside(*containers: Object, **more: Any) -> Spec:
    """The server with a pod template that has more than the server's container."""
    return SERVER | {"podTemplate": {"spec": {"containers": list(containers)} | more}}


async def test_a_sidecar_that_ends_again_and_again_rejects_what_asks_for_it(prepared: Programs, churn: Rollout) -> None:
    ends = {
        "name": "mesh",
        "image": image_of(prepared, "server"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", "import time; time.sleep(6)"],
    }
    many = {"interval": "1s", "minSamples": 100000}
    async with serving(prepared, churn, spec(health=many, strategy=ONE_STEP)) as now:
        await roll_out(churn, "v2", server=beside(ends))
        await churn.until_condition("Stalled")
        message = (await churn.status())["message"]
        assert "container mesh: exit code 0" in message
        assert "(limit 1)" in message
        await churn.until_pods("stable alone is left", lambda pods: of(now.revision, pods) == pods)
    assert losses(now.load.records) == []


async def test_the_deadline_does_not_run_while_a_secret_is_missing(prepared: Programs, churn: Rollout) -> None:
    """The Secret comes before the deadline; the model loads for 20 s more, which is beyond it."""
    asks = {"name": "server", "envFrom": [{"secretRef": {"name": "late"}}]}
    async with serving(prepared, churn, spec(progressDeadline="25s", strategy=ONE_STEP)) as now:
        await roll_out(churn, "slow-load-v2", server=beside(asks))
        await churn.until("the Secret is missed", lambda obj: 'secret "late" not found' in obj["status"]["message"])
        await stays(churn, holds_because("WaitingForCluster"), looks=12)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"}}
        await churn.cluster.create(secret, churn.namespace)
        await churn.until_condition("Ready")
    assert (await churn.status())["stable"]["version"] == "2.0.0"
    assert losses(now.load.records) == []


async def test_a_volume_that_cannot_be_mounted_is_named(prepared: Programs, churn: Rollout) -> None:
    asks = {"name": "server", "volumeMounts": [{"name": "tls", "mountPath": "/tls"}]}
    missing = [{"name": "tls", "secret": {"secretName": "no-such"}}]
    async with serving(prepared, churn, spec(strategy=ONE_STEP)) as now:
        await roll_out(churn, "v2", server=beside(asks, volumes=missing))
        await churn.until("it is named", lambda obj: "volumes secret no-such" in obj["status"]["message"])
        assert holds_because("WaitingForCluster")(await churn.get())
    assert losses(now.load.records) == []


async def test_gates_of_others_are_named_and_waited_for(prepared: Programs, churn: Rollout) -> None:
    gates = {
        "schedulingGates": [{"name": "example.com/quota"}],
        "readinessGates": [{"conditionType": "example.com/taken"}],
    }
    async with serving(prepared, churn, spec(progressDeadline="20s", strategy=ONE_STEP)) as now:
        await roll_out(churn, "v2", server=beside(**gates))
        await churn.until("one is named", lambda obj: "waits for example.com/quota" in obj["status"]["message"])
        await for_pods(churn, now.revision, let_in)
        await churn.until("so is the other", lambda obj: "example.com/taken is not True" in obj["status"]["message"])

        async def promoted_by_others() -> bool:
            await for_pods(churn, now.revision, let_in)
            await for_pods(churn, now.revision, take)
            return is_true(await churn.get(), "Ready") and await stable_of(churn) != now.revision

        await until(promoted_by_others, "it is promoted", 120)
    assert losses(now.load.records) == []


async def for_pods(churn: Rollout, but: str, act: Callable[[Cluster, str, Object], Awaitable[None]]) -> None:
    """Do something to each pod that is not of this revision; one that has gone meanwhile needs nothing."""
    every = await churn.pods()
    for pod in every:
        if pod not in of(but, every):
            with contextlib.suppress(ApiError):
                await act(churn.cluster, path_of("v1", "Pod", churn.namespace, pod["metadata"]["name"]), pod)


async def let_in(cluster: Cluster, path: str, pod: Object) -> None:
    if pod["spec"].get("schedulingGates"):
        await cluster.merge(path, {"spec": {"schedulingGates": None}})


async def take(cluster: Cluster, path: str, pod: Object) -> None:
    known = [one for one in pod["status"].get("conditions") or [] if one["type"] != "example.com/taken"]
    if is_condition(known, "ContainersReady"):
        taken = {"type": "example.com/taken", "status": "True"}
        await cluster.merge(f"{path}/status", {"status": {"conditions": [*known, taken]}})


def is_condition(conditions: list[Object], kind: str) -> bool:
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)
