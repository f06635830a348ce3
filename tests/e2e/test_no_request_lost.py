"""From one model to the next under 100 requests a second, none is lost, none is retried."""

import pytest
from e2e.acts import promoted, serving
from e2e.specs import spec

from modelrollout.traffic.load import Shape
from modelrollout.traffic.summary import losses, summarise
from stage.models import rows_that
from stage.programs import Programs
from stage.rollout import Rollout, of

pytestmark = [pytest.mark.cluster, pytest.mark.kills, pytest.mark.timeout(400)]

SHAPE = Shape(rate=100, kept=20, fresh_share=0.2)
AT_LEAST = 10_000
STEPS = {"canary": {"steps": [{"weight": 25}, {"weight": 50}]}}


async def test_none_of_ten_thousand_requests_is_lost(prepared: Programs, churn: Rollout) -> None:
    """Also while the old pods go to 0 after the promotion, which is where connections end."""
    plain = spec(rollback={"keepPrevious": "3s"}, strategy=STEPS)
    async with serving(prepared, churn, plain, rows_that(fail=False), SHAPE) as now:
        await promoted(churn, "v2")
        await churn.until_pods("the old pods are gone", lambda pods: not of(now.revision, pods))
        await churn.until(f"{AT_LEAST} requests were sent", lambda _: len(now.load.records) >= AT_LEAST)
    summary = summarise(now.load.records)
    assert losses(now.load.records) == [], summary
    assert summary.requests >= AT_LEAST
    assert set(summary.versions) == {"1.0.0", "2.0.0"}
