"""The operator is killed (SIGKILL) at three moments of a rollout; the end is the same as without a kill.

A run without a kill is played first, in a namespace of its own, and each run with one has to come to the same `Ending`
as a whole.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from e2e.acts import at_weight, candidate, roll_out, serving
from e2e.ending import Ending, ending
from e2e.specs import spec

from modelrollout.traffic.rows import Row
from modelrollout.traffic.summary import losses
from stage.kube import Object, until
from stage.models import MODEL_FAILED, expecting, rows_that
from stage.operator import kill_operator, operator_ready
from stage.programs import Programs
from stage.rollout import Rollout

pytestmark = [pytest.mark.cluster, pytest.mark.kills, pytest.mark.timeout(600)]

Moment = Callable[[Object], Any]

STARTING: Moment = lambda obj: candidate(obj).get("stage") == "Starting"  # noqa: E731  # a table of moments
MOMENTS = {
    "while the candidate's pods start": STARTING,
    "while it is judged": at_weight(50, "Judging"),
    "while it bakes": lambda obj: candidate(obj).get("stage") == "Baking",
}

Model = tuple[str, str, Callable[[], Sequence[Row]]]
"""A model, the condition that it comes to, and the requests that are sent to it."""
GOOD: Model = ("v2", "Ready", lambda: rows_that(fail=False))
BAD: Model = ("always-fails", "Stalled", lambda: expecting(MODEL_FAILED))


async def at_rest(churn: Rollout) -> Ending:
    """What it has come to, once nothing of it changes any more."""
    seen: list[Ending] = []

    async def look() -> Ending | None:
        now = ending(await churn.get(), await churn.service(), await churn.deployments())
        is_still_so = seen[-1:] == [now]
        seen.append(now)
        return now if is_still_so and now.is_at_rest else None

    return await until(look, f"{churn.namespace}/{churn.name} rests", 120)


async def played(tools: Programs, churn: Rollout, model: Model, moment: Moment | None) -> Ending:
    """A rollout to its end; the operator is killed once the moment has come. No request is lost."""
    name, condition, rows = model
    async with serving(tools, churn, spec(), rows()) as now:
        await roll_out(churn, name)
        if moment is not None:
            await churn.until("the moment has come", moment)
            await kill_operator(churn.cluster)
            await operator_ready(churn.cluster)
        await churn.until_condition(condition)
        ended = await at_rest(churn)
    assert losses(now.load.records) == []
    return ended


async def without_a_kill(tools: Programs, beside: Rollout, model: Model, recorded: dict[str, Ending]) -> Ending:
    """How it ends when nobody interferes; played once."""
    name = model[0]
    if name not in recorded:
        recorded[name] = await played(tools, beside, model, None)
    return recorded[name]


@pytest.fixture(scope="module")
def recorded() -> dict[str, Ending]:
    """Runs without a kill, by the model's name."""
    return {}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
async def test_a_good_model_is_promoted_all_the_same(
    moment: Moment, prepared: Programs, churn: Rollout, beside: Rollout, recorded: dict[str, Ending]
) -> None:
    expected = await without_a_kill(prepared, beside, GOOD, recorded)
    assert [entry[1:4] for entry in expected.history] == [
        ("1.0.0", "Promoted", "Promoted"),
        ("2.0.0", "Promoted", "Promoted"),
    ]
    assert await played(prepared, churn, GOOD, moment) == expected


async def test_a_bad_model_is_taken_back_all_the_same(
    prepared: Programs, churn: Rollout, beside: Rollout, recorded: dict[str, Ending]
) -> None:
    expected = await without_a_kill(prepared, beside, BAD, recorded)
    assert [entry[1:3] for entry in expected.history] == [("1.0.0", "Promoted"), ("9.0.0", "Rejected")]
    assert await played(prepared, churn, BAD, STARTING) == expected
