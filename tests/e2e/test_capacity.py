"""Ready pods behind the Service: evictions in every stage of every strategy, and a model that turns bad late."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from e2e.acts import Serving, promoted, roll_out, serving
from e2e.breaking import evict
from e2e.specs import Spec, model_of, spec

from modelrollout.traffic.load import Shape
from modelrollout.traffic.summary import losses
from stage.kube import until
from stage.models import rows_that
from stage.programs import Programs
from stage.rollout import Rollout, ready

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.long, pytest.mark.timeout(900)]

KEPT = Shape(rate=30, kept=4, fresh_share=0.5, timeout=15)
STEPS = [{"weight": 50}]
STRATEGIES: dict[str, Spec] = {
    "canary": {"canary": {"steps": STEPS}},
    "blue-green": {"blueGreen": {"previewSamples": 0}},
    "rolling": {"rolling": {}},
    "surge 0": {"canary": {"steps": STEPS, "constantTotal": {"surge": 0}}},
}
TEN = 10
BAD = "fails-under-traffic"
TEN_MINUTES = 600.0


@asynccontextmanager
async def evicting(churn: Rollout) -> AsyncIterator[list[str]]:
    """Somebody evicts one ready pod after the other, of whatever is behind the Service, as the budget allows."""
    evicted: list[str] = []

    async def goes_on() -> None:
        while True:
            selector = (await churn.selector()).items()
            pods = [one for one in await churn.pods() if ready(one) and selector <= one["metadata"]["labels"].items()]
            for pod in pods:
                if await evict(churn.cluster, churn.namespace, pod["metadata"]["name"]):
                    evicted.append(f"{pod['metadata']['name']} in {(await churn.get())['status'].get('phase')}")
                    break
            await asyncio.sleep(1)

    task = asyncio.create_task(goes_on())
    try:
        yield evicted
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_evicted(evicted: list[str], count: int) -> None:
    deadline = time.monotonic() + 240
    while len(evicted) < count:
        assert time.monotonic() < deadline, evicted
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("way", STRATEGIES)
async def test_pods_are_evicted_from_a_rollouts_first_second_to_its_last_and_on_the_way_back(
    way: str, prepared: Programs, churn: Rollout
) -> None:
    asked = spec(replicas=3, strategy=STRATEGIES[way], bake="10s", rollback={"cooldown": "10s"})
    async with serving(prepared, churn, asked, shape=KEPT) as now, evicting(churn) as evicted:
        await until_evicted(evicted, 2)
        await promoted(churn, "v2")
        there = (await churn.status())["stable"]["revision"]
        await churn.command("rollback", there, "back")
        await churn.until("the first serves again", lambda one: one["status"]["stable"]["version"] == "1.0.0")
        await until_evicted(evicted, TEN)
    print(f"{way}: {len(losses(now.load.records))} of {len(now.load.records)} lost; {len(evicted)} evicted: {evicted}")  # noqa: T201
    assert losses(now.load.records) == []


def turned_bad(now: Serving) -> float:
    now.load.rows.use(rows_that(fail=True))
    return time.monotonic()


async def test_a_model_that_turns_bad_ten_minutes_after_its_promotion_gives_way_to_a_cold_one(
    prepared: Programs, churn: Rollout
) -> None:
    asked = spec(strategy={"canary": {"steps": STEPS}}, rollback={"keepPrevious": "30s", "cooldown": "10s"})
    async with serving(prepared, churn, asked) as now:
        await roll_out(churn, model_of(BAD, "2.0.0"))
        await churn.until_condition("Ready")
        await asyncio.sleep(TEN_MINUTES)
        began = turned_bad(now)
        await churn.until("it is known", lambda one: "StableUnhealthy" in str(one["status"]["conditions"]), 60)
        found = time.monotonic() - began
        await churn.until("the first serves again", lambda one: one["status"]["stable"]["version"] == "1.0.0", 60)
        back = time.monotonic() - began
    print(f"found after {found:.1f} s, back on a cold model after {back:.1f} s")  # noqa: T201

    async def told() -> bool:
        return {"Unhealthy", "GoingBack", "WentBack"} <= {event.reason for event in await churn.events()}

    await until(told, "its Events")
