"""The first slice: one pod, one Service, one answer."""

import pytest
from e2e.specs import spec

from modelrollout.traffic.load import Shape
from modelrollout.traffic.records import Kind
from modelrollout.traffic.summary import summarise
from stage.models import rows
from stage.programs import Programs
from stage.requests import steady, target_of
from stage.rollout import Rollout

pytestmark = pytest.mark.cluster


async def test_a_model_is_served_through_its_service(prepared: Programs, churn: Rollout) -> None:
    await churn.apply(spec(replicas=1))
    await churn.until_condition("Ready")
    target = await target_of(prepared, churn)
    async with steady(target, rows(), Shape(rate=20, kept=2, most=20)) as load:
        await churn.until("20 requests were answered", lambda _: len(load.records) == 20, 30)
    assert summarise(load.records).kinds == {Kind.ANSWERED: 20}
    assert summarise(load.records).versions == {"1.0.0": 20}
