"""A team that ships its model by helm: `--wait` waits for the rollout and fails with it (Helm 4 asks kstatus)."""

import json
from pathlib import Path

import pytest
from e2e.acts import LIGHT
from e2e.specs import Spec, model_of, spec

from stage.models import rows_that
from stage.programs import Programs, Ran
from stage.requests import steady, target_of
from stage.rollout import Rollout, is_true

pytestmark = pytest.mark.cluster

CHART = Path(__file__).with_name("team-chart")
ONE_STEP = {"canary": {"steps": [{"weight": 50}]}}
LONG = "200s"
"""A time-out that only a rollout which never ends reaches."""
PATIENT = {"interval": "1s", "limits": {"restarts": 0}}


async def shipped(tools: Programs, churn: Rollout, model: Spec, patience: str = LONG) -> Ran:
    """`helm upgrade --install --wait` of a rollout of this model."""
    values = json.dumps(spec(model, strategy=ONE_STEP, health=PATIENT))
    return await tools.try_helm(
        "upgrade", "--install", "team", str(CHART), f"--namespace={churn.namespace}",
        f"--set-json=rollout={values}", "--wait", f"--timeout={patience}",
    )  # fmt: skip


async def test_helm_waits_for_a_fresh_rollout_and_calls_it_in_progress(prepared: Programs, churn: Rollout) -> None:
    ran = await shipped(prepared, churn, model_of("slow-load-v1"), patience="3s")
    assert ran.code != 0
    assert f"resource ModelRollout/{churn.namespace}/churn not ready. status: InProgress" in ran.err


async def test_helm_ends_well_with_a_promotion_and_fails_with_a_rollback(prepared: Programs, churn: Rollout) -> None:
    ran = await shipped(prepared, churn, model_of("v1"))
    assert (ran.code, is_true(await churn.get(), "Ready")) == (0, True), ran.err
    async with steady(await target_of(prepared, churn), rows_that(fail=False), LIGHT):
        ran = await shipped(prepared, churn, model_of("v2"))
        assert (ran.code, is_true(await churn.get(), "Ready")) == (0, True), ran.err
        assert (await churn.status())["stable"]["version"] == "2.0.0"

        ran = await shipped(prepared, churn, model_of("column-too-many"))
        assert ran.code != 0
        assert "status: Failed" in ran.err
        assert is_true(await churn.get(), "Stalled")
