"""What the stories under examples/compare-* leave out: comparisons that end in no promotion, watched for longer."""

import pytest
from e2e.acts import LIGHT, candidate, roll_out, serving, stays
from e2e.specs import Spec, model_of, spec

from stage.kube import Object
from stage.models import expecting
from stage.programs import Programs
from stage.rollout import Rollout, is_true

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(400)]

COMPARING = {"interval": "1s", "compare": {}}
ONE_STEP = {"canary": {"steps": [{"weight": 50}]}}
MINUTE = 300
"""Looks, a fifth of a second apart."""


def comparing(model: str | Spec, **changes: object) -> Spec:
    return spec(model, health=COMPARING, strategy=ONE_STEP, **changes)


def outcomes(obj: Object) -> list[tuple[str, str]]:
    return [(entry["version"], entry["outcome"]) for entry in obj["status"]["history"]]


async def test_without_traffic_a_candidate_is_never_promoted(churn: Rollout) -> None:
    await churn.apply(comparing("v1", decisionDeadline="10s"))
    await churn.until_condition("Ready")
    await roll_out(churn, "v2")
    await churn.until_condition("Inconclusive")
    await stays(churn, lambda obj: candidate(obj)["weight"] == 50 and is_true(obj, "Inconclusive"), looks=MINUTE)
    assert outcomes(await churn.get()) == [("1.0.0", "Promoted")]


async def test_a_bad_fix_is_not_promoted_while_no_pod_of_stable_is_ready(prepared: Programs, churn: Rollout) -> None:
    async with serving(prepared, churn, comparing(model_of("oom", "1.0.0")), expecting(500), LIGHT):
        await churn.until("stable keeps dying", lambda obj: is_true(obj, "Stalled"))
        await roll_out(churn, "always-fails")
        obj = await churn.until("the fix is decided on", lambda one: len(outcomes(one)) > 1)
    assert outcomes(obj) == [("1.0.0", "Promoted"), ("9.0.0", "Rejected")]
    assert obj["status"]["stable"]["version"] == "1.0.0"
