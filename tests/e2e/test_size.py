"""The scale subresource speaks of the pods behind the Service, and no rollout loses pods to a smaller number."""

import pytest
from e2e.acts import at_weight, roll_out, serving, stays
from e2e.specs import WAITS_AT_HALF, spec

from modelrollout import names
from stage.programs import Programs
from stage.rollout import Rollout, of, ready

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


async def test_at_half_weight_scale_answers_both_arms_and_a_smaller_number_waits(
    prepared: Programs, churn: Rollout
) -> None:
    async with serving(prepared, churn, spec(replicas=2, strategy=WAITS_AT_HALF)) as now:
        await roll_out(churn, "v2")
        obj = await churn.until("the candidate waits at weight 50", at_weight(50, "Paused"))
        scale = await churn.cluster.get(f"{churn.path}/scale")
        assert scale["status"] == {
            "replicas": 4,
            "selector": f"{names.group_label(now.revision)}={names.GROUP_LABEL_VALUE},{names.NAME_LABEL}=churn",
        }
        candidate = obj["status"]["candidate"]["revision"]

        before = {pod["metadata"]["uid"] for pod in await churn.pods(now.revision)}
        await churn.cluster.merge(f"{churn.path}/scale", {"spec": {"replicas": 1}})
        await churn.until("the smaller number was seen", lambda one: one["status"]["observedGeneration"] == 3)
        await stays(churn, lambda one: one["status"]["size"] == 2, looks=15)
        assert {pod["metadata"]["uid"] for pod in await churn.pods(now.revision)} == before

        await churn.cluster.merge(f"{churn.path}/scale", {"spec": {"replicas": 3}})
        await churn.until_pods(
            "both arms have three ready pods",
            lambda pods: all(len([*filter(ready, of(one, pods))]) == 3 for one in (now.revision, candidate)),
        )

        await churn.cluster.merge(f"{churn.path}/scale", {"spec": {"replicas": 1}})
        await churn.command("promote", candidate, "1")
        await churn.until_condition("Ready")
        assert (await churn.status())["size"] == 3
        await churn.until("the smaller number applies", lambda one: one["status"]["replicas"] == 1)
