"""What kstatus, kubectl and people read at each stage of a rollout."""

import pytest
from e2e.acts import at_weight, promoted, roll_out, serving
from e2e.kstatus import Status, compute
from e2e.specs import WAITS_AT_HALF, spec

from stage.models import MODEL_FAILED, expecting
from stage.programs import Programs
from stage.rollout import Rollout, conditions_of

pytestmark = pytest.mark.cluster


async def test_kstatus_and_kubectl_follow_a_rollout_through_its_ends(prepared: Programs, churn: Rollout) -> None:
    where = f"--namespace={churn.namespace}"
    assert compute(await churn.apply(spec(strategy=WAITS_AT_HALF))) is Status.IN_PROGRESS
    async with serving(prepared, churn, spec(strategy=WAITS_AT_HALF), expecting(MODEL_FAILED)):
        assert compute(await churn.get()) is Status.CURRENT
        waited = await prepared.kubectl("wait", where, "mr/churn", "--for=condition=Ready", "--timeout=1s")
        assert waited == "modelrollout.modelrollout.dev/churn condition met\n"

        await roll_out(churn, "v2")
        assert compute(await churn.get()) is Status.IN_PROGRESS
        obj = await churn.until("it waits at weight 50", at_weight(50, "Paused"))
        await churn.until("it says so", lambda one: conditions_of(one)["Reconciling"].reason == "Paused")
        assert compute(await churn.get()) is Status.IN_PROGRESS
        assert conditions_of(await churn.get())["Available"].status == "True"
        row = (await prepared.kubectl("get", where, "mr/churn")).splitlines()[1].split()
        assert row[:3] == ["churn", "Paused", "1.0.0"]

        await churn.command("promote", obj["status"]["candidate"]["revision"], "1")
        await churn.until_condition("Ready")
        assert compute(await churn.get()) is Status.CURRENT

        await roll_out(churn, "always-fails")
        obj = await churn.until_condition("Stalled")
        assert compute(obj) is Status.FAILED
        found = conditions_of(obj)
        assert (found["Ready"].status, found["Reconciling"].status, found["Available"].status) == (
            "False",
            "False",
            "True",
        )


async def test_a_fixed_spec_is_ready_again(prepared: Programs, churn: Rollout) -> None:
    async with serving(prepared, churn, spec(), expecting(MODEL_FAILED)):
        await roll_out(churn, "always-fails")
        await churn.until_condition("Stalled")
        await promoted(churn, "v2")
        found = conditions_of(await churn.get())
    assert [name for name in ("Ready", "Available", "Reconciling", "Stalled") if found[name].status == "True"] == [
        "Ready",
        "Available",
    ]


async def test_kubectl_explains_every_field(prepared: Programs) -> None:
    told = await prepared.kubectl("explain", "modelrollout.spec", "--recursive")
    assert {"strategy", "canary", "blueGreen", "rolling", "health", "limits"} <= set(told.split())
    of_bake = await prepared.kubectl("explain", "modelrollout.spec.bake")
    assert "How long the new model is watched at weight 100" in " ".join(of_bake.split())
