"""What the stories under examples/compare-* leave out: comparisons that end in no promotion, watched for longer."""

from dataclasses import replace

import pytest
from e2e.acts import LIGHT, candidate, roll_out, serving, stays
from e2e.specs import Spec, model_of, spec

from modelrollout.traffic.records import Kind
from modelrollout.traffic.summary import summarise
from stage.kube import Object
from stage.models import expecting, rows
from stage.programs import Programs
from stage.rollout import Rollout, is_true

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(600)]

COMPARING = {"interval": "1s", "compare": {}}
ONE_STEP = {"canary": {"steps": [{"weight": 50}]}}
DEFAULT_STEPS: Spec = {"canary": {}}
MANY = replace(LIGHT, rate=150)
PROVEN_SECONDS = 480
"""To tell 1.2 times as slow from as fast takes long where latencies scatter."""
MINUTE = 300
"""Looks, a fifth of a second apart."""


def comparing(model: str | Spec, **changes: object) -> Spec:
    return spec(model, health=COMPARING, strategy=ONE_STEP, **changes)


def outcomes(obj: Object) -> list[tuple[str, str]]:
    return [(entry["version"], entry["outcome"]) for entry in obj["status"]["history"]]


async def test_a_candidate_as_good_as_stable_is_promoted_by_the_defaults_without_an_error_in_either_arm(
    prepared: Programs, churn: Rollout
) -> None:
    asked = spec("v2", health=COMPARING, strategy=DEFAULT_STEPS, replicas=4)
    async with serving(prepared, churn, asked, rows(), MANY) as now:
        await roll_out(churn, model_of("v2", "2.0.1"))
        await churn.until_condition("Ready", PROVEN_SECONDS)
    counted = summarise(now.load.records)
    print(f"promoted after {len(now.load.records)} requests of both arms")  # noqa: T201
    assert set(counted.kinds) == {Kind.ANSWERED}
    assert outcomes(await churn.get()) == [("2.0.0", "Promoted"), ("2.0.1", "Promoted")]


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
