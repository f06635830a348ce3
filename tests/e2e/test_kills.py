"""The operator is killed (SIGKILL) at three moments of a rollout; the end is the same as without a kill."""

from collections.abc import Callable
from typing import Any

import pytest
from e2e.acts import at_weight, candidate, roll_out, serving
from e2e.specs import spec

from modelrollout.traffic.summary import losses
from stage.kube import Object
from stage.models import MODEL_FAILED, expecting
from stage.operator import kill_operator, operator_ready
from stage.programs import Programs
from stage.rollout import Rollout, conditions_of

pytestmark = [pytest.mark.cluster, pytest.mark.kills, pytest.mark.timeout(400)]

Moment = Callable[[Object], Any]

STARTING: Moment = lambda obj: candidate(obj).get("stage") == "Starting"  # noqa: E731  # a table of moments
MOMENTS = {
    "while the candidate's pods start": STARTING,
    "while it is judged": at_weight(50, "Judging"),
    "while it bakes": lambda obj: candidate(obj).get("stage") == "Baking",
}


async def end_of(churn: Rollout) -> dict[str, Any]:
    """What has to be the same, without times and counters."""
    obj = await churn.get()
    status = obj["status"]
    deployments = await churn.deployments()
    return {
        "selector": await churn.selector(),
        "replicas": {revision: one["spec"]["replicas"] for revision, one in deployments.items()},
        "conditions": {name: (one.status, one.reason) for name, one in conditions_of(obj).items()},
        "history": [(entry["version"], entry["outcome"], entry["reason"]) for entry in status["history"]],
        "stable": status["stable"]["version"],
    }


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
async def test_a_good_model_is_promoted_all_the_same(moment: Moment, prepared: Programs, churn: Rollout) -> None:
    async with serving(prepared, churn, spec()) as now:
        await roll_out(churn, "v2")
        await churn.until("the moment has come", moment)
        await kill_operator(churn.cluster)
        await churn.until_condition("Ready")
        ended = await end_of(churn)
    assert losses(now.load.records) == []
    assert ended["history"] == [("1.0.0", "Promoted", "Promoted"), ("2.0.0", "Promoted", "Promoted")]
    assert ended["stable"] == "2.0.0"
    assert set(ended["replicas"].values()) == {2}
    assert ended["conditions"]["Ready"] == ("True", "Stable")


async def test_a_bad_model_is_taken_back_all_the_same(prepared: Programs, churn: Rollout) -> None:
    async with serving(prepared, churn, spec(), expecting(MODEL_FAILED)) as now:
        await roll_out(churn, "always-fails")
        await churn.until("its pods start", STARTING)
        await kill_operator(churn.cluster)
        await operator_ready(churn.cluster)
        await churn.until_condition("Stalled")
        ended = await end_of(churn)
    assert losses(now.load.records) == []
    assert ended["selector"]["modelrollout.dev/revision"] == now.revision
    assert [entry[:2] for entry in ended["history"]] == [("1.0.0", "Promoted"), ("9.0.0", "Rejected")]
