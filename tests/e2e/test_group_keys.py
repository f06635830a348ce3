"""Whom the Service selects while three models have pods: the last two, at every sample, and never the warm one."""

import pytest
from e2e.acts import at_weight, candidate, promoted, roll_out, serving
from e2e.specs import spec

from stage.endpoints import Sample, sampled
from stage.programs import Programs
from stage.rollout import Rollout

pytestmark = pytest.mark.cluster

TWO_STEPS = {"canary": {"steps": [{"weight": 25, "pause": {"duration": "5s"}}, {"weight": 50}]}}


async def test_with_a_warm_model_a_stable_one_and_a_candidate_the_endpoints_are_the_last_two(
    prepared: Programs, churn: Rollout
) -> None:
    async with serving(prepared, churn, spec(strategy=TWO_STEPS)) as now:
        second = await promoted(churn, "v2")
        async with sampled(churn) as samples:
            await roll_out(churn, "v3")
            obj = await churn.until("the candidate is judged", at_weight(25))
            third = candidate(obj)["revision"]
            await churn.until_condition("Ready")

    def only_the_last_two(sample: Sample) -> bool:
        return set(sample.behind) <= {second, third}

    shared = [one for one in samples.all if len(one.behind) > 1]
    assert samples.breaking(only_the_last_two) == []
    assert shared, "both were behind the Service"
    assert all(one.pods.get(now.revision, 0) == 2 for one in shared), "the warm one was there all the while"
    assert all(one.behind[second] == 2 for one in shared), "stable kept its size"
