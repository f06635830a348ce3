"""The way back after promotion: along the chain of models that were promoted and are healthy, one step at a time."""

from base64 import b64encode
from collections.abc import Callable

import pytest
from e2e.acts import promoted, roll_out, serving, stable_of, stays
from e2e.specs import SERVER, Spec, model_of, spec

from stage.kube import Object
from stage.models import MODEL_FAILED, MODELS, expecting, rows_that
from stage.programs import Programs
from stage.rollout import Rollout, conditions_of, of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

QUICK = {"canary": {"steps": [{"weight": 50}]}}
BAD = "fails-under-traffic"
"""Good as long as only smooth rows come."""


def chain(**rollback: str) -> Spec:
    return spec(strategy=QUICK, bake="1s", rollback={"cooldown": "10s", "watch": "1h"} | rollback)


def bad(version: str) -> Spec:
    """The same artefact under another version is another revision."""
    return model_of(BAD, version)


def is_stable(version: str) -> Callable[[Object], bool]:
    return lambda obj: bool(obj["status"]["stable"]["version"] == version)


async def outcomes(churn: Rollout) -> dict[str, str]:
    return {entry["version"]: entry["outcome"] for entry in (await churn.status())["history"]}


async def test_a_promoted_model_that_goes_bad_gives_way_to_the_warm_one_and_that_one_to_the_first(
    prepared: Programs, churn: Rollout
) -> None:
    """v3 goes bad: back to the warm v2 at once. v2 goes bad: after the cooldown to v1, scaled up first, never to v3."""
    async with serving(prepared, churn, chain()) as now:
        await promoted(churn, bad("2.0.0"))
        await promoted(churn, bad("3.0.0"))
        await churn.until_pods("the first model is no longer warm", lambda pods: not of(now.revision, pods))

        now.load.rows.use(rows_that(fail=True))
        await churn.until("the second is stable", is_stable("2.0.0"), 30)
        now.load.rows.use(rows_that(fail=False))
        await churn.until("a healthy window has passed", lambda obj: "fault" not in obj["status"], 60)
        now.load.rows.use(rows_that(fail=True))
        await churn.until("the first is stable", is_stable("1.0.0"))
        await stays(churn, is_stable("1.0.0"), looks=20)
    assert await outcomes(churn) == {"1.0.0": "Promoted", "2.0.0": "Unhealthy", "3.0.0": "Unhealthy"}
    reasons = [event.reason for event in await churn.events()]
    assert reasons.count("WentBack") == 2


async def test_when_everything_fails_at_once_there_is_one_move_one_mark_and_the_fault_is_not_the_models(
    prepared: Programs, churn: Rollout
) -> None:
    """Then the world recovers, and a real fault goes one further back."""
    async with serving(prepared, churn, chain()) as now:
        await promoted(churn, bad("2.0.0"))
        await promoted(churn, bad("3.0.0"))
        now.load.rows.use(rows_that(fail=True))
        await churn.until_condition("FaultNotInModel", 60)
        await stays(churn, is_stable("2.0.0"), looks=40)
        assert await outcomes(churn) == {"1.0.0": "Promoted", "2.0.0": "Promoted", "3.0.0": "Unhealthy"}
        reasons = [event.reason for event in await churn.events()]
        assert (reasons.count("WentBack"), reasons.count("Unhealthy"), reasons.count("FaultNotInModel")) == (1, 1, 1)

        now.load.rows.use(rows_that(fail=False))
        await churn.until("the world is well again", lambda obj: "FaultNotInModel" not in conditions_of(obj), 60)
        now.load.rows.use(rows_that(fail=True))
        await churn.until("the first is stable", is_stable("1.0.0"))


async def test_a_model_without_an_earlier_one_stays_and_says_so_once(prepared: Programs, churn: Rollout) -> None:
    first = chain() | {"model": bad("1.0.0")}
    async with serving(prepared, churn, first) as now:
        assert "NoWayBack" in await churn.conditions()
        now.load.rows.use(rows_that(fail=True))
        await churn.until("it says so", lambda obj: conditions_of(obj)["Ready"].reason == "NoWayBack", 60)
        await stays(churn, is_stable("1.0.0"), looks=30)
    assert [event.reason for event in await churn.events()].count("NoWayBack") == 1
    assert len(await churn.deployments()) == 1


async def test_an_earlier_model_that_cannot_load_is_marked_and_the_next_one_is_tried(
    prepared: Programs, churn: Rollout
) -> None:
    """The second model's artefact lies in a ConfigMap, which is spoilt after its promotion."""
    await churn.cluster.create(config_map("good"), churn.namespace)
    mounted = {
        "volumes": [{"name": "models", "configMap": {"name": "models"}}],
        "containers": [{"name": "server", "volumeMounts": [{"name": "models", "mountPath": "/models"}]}],
    }
    local = {"uri": "file:///models/model.onnx", "version": "2.0.0"}
    async with serving(prepared, churn, chain(keepPrevious="1s"), expecting(MODEL_FAILED)) as now:
        second = await promoted(churn, local, server=SERVER | {"podTemplate": {"spec": mounted}})
        now.load.rows.use(rows_that(fail=False))
        await promoted(churn, bad("3.0.0"), server=SERVER | {"podTemplate": None})
        await churn.until_pods("the second has no pods", lambda pods: not of(second, pods))
        await churn.cluster.apply(config_map("spoilt"), churn.namespace)

        now.load.rows.use(rows_that(fail=True))
        await churn.until("the first is stable", is_stable("1.0.0"))
    assert await outcomes(churn) == {"1.0.0": "Promoted", "2.0.0": "Unhealthy", "3.0.0": "Unhealthy"}


def config_map(content: str) -> Spec:
    artefact = (MODELS / "out" / "v2.onnx").read_bytes() if content == "good" else b"spoilt"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "models"},
        "binaryData": {"model.onnx": b64encode(artefact).decode()},
    }


async def test_the_same_bad_model_is_not_tried_again_by_itself(prepared: Programs, churn: Rollout) -> None:
    async with serving(prepared, churn, chain(), expecting(MODEL_FAILED)) as now:
        await roll_out(churn, "always-fails")
        await churn.until_condition("Stalled")
        await churn.change({"bake": "2s"})
        await stays(churn, lambda obj: "candidate" not in obj["status"], looks=20)
        assert await stable_of(churn) == now.revision
