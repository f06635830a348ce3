"""The operator is replaced by a build with another default image and another pod template: nothing restarts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from e2e.acts import at_weight, candidate, roll_out, serving, stays
from e2e.audit import AuditLog, by_operator
from e2e.releases import ANOTHER, running
from e2e.specs import WAITS_AT_HALF, spec

from modelrollout.traffic.summary import losses
from stage.operator import install_operator
from stage.programs import Programs
from stage.rollout import Rollout

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.timeout(500)]


@asynccontextmanager
async def upgraded(tools: Programs) -> AsyncIterator[None]:
    """The other build while the block runs, then this checkout's again."""
    await install_operator(
        tools,
        f"image.repository=localhost/{ANOTHER.name}",
        "server.image=localhost/modelrollout-server:of-a-later-release",
    )
    try:
        yield
    finally:
        await install_operator(tools)


async def test_an_upgrade_makes_no_revision_restarts_no_pod_and_writes_no_deployment(
    both: Programs, churn: Rollout
) -> None:
    async with serving(both, churn, spec()) as now:
        before, log = await running(churn), AuditLog.of(both)
        async with upgraded(both):
            await stays(churn, lambda obj: obj["status"]["phase"] == "Stable", looks=25)
            assert await running(churn) == before
            assert by_operator(log.writes(churn.namespace, "deployments")) == []
    assert losses(now.load.records) == []


async def test_an_upgrade_in_the_middle_of_a_step_changes_nothing_and_the_step_goes_on(
    both: Programs, churn: Rollout
) -> None:
    async with serving(both, churn, spec(strategy=WAITS_AT_HALF)) as now:
        await roll_out(churn, "v2")
        obj = await churn.until("the candidate waits at weight 50", at_weight(50, "Paused"))
        before, log = await running(churn), AuditLog.of(both)
        async with upgraded(both):
            await stays(churn, at_weight(50, "Paused"), looks=25)
            assert await running(churn) == before
            assert by_operator(log.writes(churn.namespace, "deployments")) == []
            await churn.command("promote", candidate(obj)["revision"], "1")
            await churn.until_condition("Ready")
            assert (await running(churn)).revisions == before.revisions
    assert losses(now.load.records) == []
