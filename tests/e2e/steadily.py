"""Ten rollouts in a row while something bad happens again and again, and what the clients saw of it.

The bad model fails by request: on rows that are known beforehand, and on no other. So the failures of the model and
those of the platform are two sets that can be told apart exactly.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from e2e.acts import LIGHT, candidate, roll_out, serving
from e2e.specs import Spec, model_of, spec

from modelrollout.kube.errors import KubeError
from modelrollout.traffic.records import Record
from modelrollout.traffic.summary import losses
from stage.kube import ApiError, until
from stage.models import COARSE, rows
from stage.programs import Programs
from stage.rollout import Rollout, is_true

Found = TypeVar("Found")
Happening = Callable[[], Awaitable[Any]]

MOMENTS_SECONDS = (8.0, 25.0)
"""From one happening to the next: an operator that was killed needs about 8 s until it works again."""


@dataclass(slots=True)
class Course:
    """What a course of rollouts ended in."""

    outcomes: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    lost: list[Record] = field(default_factory=list)


def good(number: int) -> Spec:
    """An example model that never fails, as a revision of its own."""
    return model_of("v2", f"2.0.{number}")


def bad(number: int) -> Spec:
    """One that fails on the coarse rows, which are marked as expected to fail."""
    return model_of(COARSE, f"9.0.{number}")


def rolled(rollouts: int) -> list[tuple[Spec, str]]:
    """Models in turn, with how each has to end: two good ones, then a bad one."""
    return [(bad(n), "Rejected") if n % 3 == 2 else (good(n), "Promoted") for n in range(rollouts)]


@asynccontextmanager
async def again_and_again(what: Happening, within: tuple[float, float], seed: int) -> AsyncIterator[None]:
    """Do something at random moments while the block runs."""
    draw = random.Random(seed)  # noqa: S311  # the same moments in each run

    async def go_on() -> None:
        while True:
            await asyncio.sleep(draw.uniform(*within))
            await what()

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):  # but not what went wrong in it: then too little has happened
            await task


async def ended(churn: Rollout) -> str:
    """Wait for the end of a rollout; gives its outcome."""
    obj = await churn.until("it has ended", lambda one: is_true(one, "Ready") or is_true(one, "Stalled"), 400)
    return str(obj["status"]["history"][-1]["outcome"])


async def course(tools: Programs, churn: Rollout, what: Happening, rollouts: int = 10) -> Course:
    """Roll out one model after the other while something happens at random moments, under steady requests."""
    done = Course()
    happening = again_and_again(what, MOMENTS_SECONDS, seed=20261121)
    async with serving(tools, churn, spec(), rows(), LIGHT) as now, happening:
        for model, outcome in rolled(rollouts):
            await roll_out(churn, model)
            done.outcomes.append(await ended(churn))
            done.expected.append(outcome)
    done.lost = list(losses(now.load.records))
    return done


async def patiently(ask: Callable[[], Awaitable[Found]], what: str) -> Found:
    """Ask an API server that may be away, or just back, until it answers."""

    async def look() -> Found | None:
        with suppress(ApiError, KubeError):
            return await ask()
        return None

    return await until(look, what)


async def through(churn: Rollout, what: Happening) -> str:
    """One good rollout with something that happens in its middle; gives how it ended."""
    await roll_out(churn, good(1))
    await churn.until("the candidate runs", lambda obj: candidate(obj).get("weight", 0) > 0)
    await what()
    await patiently(churn.get, "the API server answers")
    return await ended(churn)
