"""What many tests do on the way to what they look at: a model that serves, a candidate in a step, a promotion."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from e2e.specs import Spec, model_of

from modelrollout import names
from modelrollout.traffic.load import Load, Shape
from modelrollout.traffic.rows import Row
from stage.kube import Object, until
from stage.models import rows_that
from stage.programs import Programs
from stage.requests import steady, target_of
from stage.rollout import Rollout, is_true

LIGHT = Shape(rate=25, kept=0, fresh_share=1.0, timeout=15)
"""Enough for evidence within seconds, little enough for three tests at once on two cores.

Kept connections would make each promotion wait until they are old (15-45 s); the stories and the tests that count lost
requests have them.
"""


@dataclass(frozen=True, slots=True)
class Serving:
    """A rollout with a stable model under steady requests."""

    churn: Rollout
    load: Load
    revision: str
    """Stable's."""


async def stable_of(churn: Rollout) -> str:
    return str((await churn.status())["stable"]["revision"])


async def until_recorded(churn: Rollout) -> None:
    """Wait for the last write of a promotion, which follows the status: since when the Deployment's model is stable."""

    async def is_recorded() -> bool:
        status = await churn.status()
        deployment = (await churn.deployments())[status["stable"]["revision"]]
        known = deployment["metadata"]["annotations"].get(names.STABLE_SINCE_ANNOTATION)
        return known is not None and datetime.fromisoformat(known) >= datetime.fromisoformat(status["stableSince"])

    await until(is_recorded, "the Deployment says since when its model is stable")


@asynccontextmanager
async def serving(
    tools: Programs, churn: Rollout, spec: Spec, rows: Sequence[Row] | None = None, shape: Shape = LIGHT
) -> AsyncIterator[Serving]:
    """Apply a first spec, wait until it serves, and send requests while the block runs."""
    await churn.apply(spec)
    await churn.until_condition("Ready")
    await until_recorded(churn)
    target = await target_of(tools, churn)
    async with steady(target, rows or rows_that(fail=False), shape) as load:
        yield Serving(churn, load, await stable_of(churn))


async def roll_out(churn: Rollout, model: str | Spec, **changes: Any) -> None:
    """Ask for another model, and whatever else changes with it."""
    await churn.change({"model": model_of(model), **changes})


async def promoted(churn: Rollout, model: str | Spec, **changes: Any) -> str:
    """Roll a model out and wait until it is stable; gives its revision."""
    await roll_out(churn, model, **changes)
    await churn.until_condition("Ready")
    return await stable_of(churn)


def candidate(obj: Object) -> Object:
    return (obj.get("status") or {}).get("candidate") or {}


def at_weight(weight: int, stage: str = "") -> Callable[[Object], bool]:
    """The candidate is judged at a weight (or is in another stage there)."""

    def reached(obj: Object) -> bool:
        one = candidate(obj)
        return one.get("weight") == weight and one.get("stage") in ({stage} if stage else {"Judging", "Paused"})

    return reached


def holds_because(reason: str) -> Callable[[Object], bool]:
    return lambda obj: ((obj.get("status") or {}).get("hold") or {}).get("reason") == reason


def rolled_back(obj: Object) -> bool:
    return is_true(obj, "Stalled")


async def stays(churn: Rollout, is_so: Callable[[Object], Any], looks: int = 30) -> None:
    """See that something stays so over many looks, a fifth of a second apart."""
    for _ in range(looks):
        obj = await churn.get()
        assert is_so(obj), obj["status"]
        await asyncio.sleep(0.2)
