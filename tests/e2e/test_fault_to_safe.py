"""A model that fails at one half of the requests is felt for a moment; `make bench` measures how long, over rounds."""

import pytest

from modelrollout.traffic.summary import losses
from stage.fault import PODS, SHAPE, first_spec, one_round
from stage.models import rows_that
from stage.programs import Programs
from stage.requests import steady, target_of
from stage.rollout import Rollout

pytestmark = [pytest.mark.cluster, pytest.mark.kills, pytest.mark.timeout(300)]


async def test_a_fault_at_one_half_is_taken_back_and_costs_stable_nothing(prepared: Programs, churn: Rollout) -> None:
    await churn.apply(first_spec())
    await churn.until_condition("Ready")
    async with steady(await target_of(prepared, churn), rows_that(fail=False), SHAPE) as load:
        measured = await one_round(churn, load, 1)
    assert measured.fresh is not None
    assert measured.kept is not None
    assert measured.most_after_sigterm <= 1
    assert measured.endpoints == (PODS,)
    assert losses(load.records) == []
