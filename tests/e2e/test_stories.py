"""Each example folder, played on the cluster: what people read is what expected.txt says.

With WRITE_STORIES=1 what was read is written into expected.txt instead, for a person to look at.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from e2e.story import NONE_LOST, Act, Story, caught, read, tell, written

from modelrollout.traffic.load import Load, Shape
from modelrollout.traffic.records import Record
from modelrollout.traffic.rows import Row
from modelrollout.traffic.summary import losses
from stage.kube import ASK_AGAIN_SECONDS
from stage.models import expecting, rows, rows_that
from stage.programs import Programs
from stage.requests import steady, target_of
from stage.rollout import Happening, Rollout, conditions_of, is_true

EXAMPLES = Path(__file__).parents[2] / "examples"
STORIES = sorted(path.parent for path in EXAMPLES.glob("*/expected.txt"))
SHAPE = Shape(kept=6, fresh_share=0.4, timeout=15)
MARKS = {
    "compare-promoted": pytest.mark.alone,
    "compare-twice-the-errors": pytest.mark.alone,
    "compare-stable-down": pytest.mark.long,
}
"""Latencies are compared, which other tests would disturb; and where there is no time in each run of all tests."""

LOOKS_FOR_EVENTS = 50

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]


def each_story() -> list[Any]:
    return [pytest.param(folder, id=folder.name, marks=MARKS.get(folder.name, ())) for folder in STORIES]


def rows_called(name: str) -> Sequence[Row]:
    """The rows that a heading names."""
    if name in {"smooth", "coarse"}:
        return rows_that(fail=name == "coarse")
    return {"mixed": rows(), "refusable": expecting(422)}[name]


@pytest.mark.parametrize("folder", each_story())
async def test_the_story_goes_as_it_is_told(folder: Path, prepared: Programs, churn: Rollout) -> None:
    story = read(folder)
    told, records = await play(story, prepared, churn)
    if os.environ.get("WRITE_STORIES") == "1":
        (folder / "expected.txt").write_text(written(story, told))
    assert written(story, told) == (folder / "expected.txt").read_text()
    for one in caught(await churn.events()):
        print(f"{story.name}: {one}")  # noqa: T201
    if story.requests == NONE_LOST:
        assert losses(records) == []
    last = [act.file for act in story.acts if act.file != "nothing"][-1]
    ran = await prepared.try_kubectl("diff", f"--namespace={churn.namespace}", f"--filename={folder / last}")
    assert (ran.code, ran.out) == (0, "")


async def play(story: Story, tools: Programs, churn: Rollout) -> tuple[list[str], list[Record]]:
    """All acts one after the other; what was told of each, and every request."""
    told: list[str] = []
    records: list[Record] = []
    seen = 0
    for act in story.acts:
        if act.rows == "no":
            await play_act(act, story, tools, churn)
        else:
            wait_first = not story.serves_before(len(told))
            records += await _under_requests(act, story, (tools, churn), wait_first=wait_first)
        events = await _settled_events(churn, act, seen)
        told.append(tell(await churn.conditions(), events[seen:]))
        seen = len(events)
    return told, records


async def _settled_events(churn: Rollout, act: Act, seen: int) -> list[Happening]:
    """Events come a moment after the status; those that are expected are waited for, and others a few looks."""
    events = await churn.events()
    for _ in range(LOOKS_FOR_EVENTS):
        if tell(await churn.conditions(), events[seen:]) == act.text:
            return events
        await asyncio.sleep(ASK_AGAIN_SECONDS)
        events = await churn.events()
    return events


async def _under_requests(act: Act, story: Story, place: tuple[Programs, Rollout], *, wait_first: bool) -> list[Record]:
    """Play an act while requests come; where no model serves yet they begin once it does."""
    tools, churn = place
    if wait_first:
        await play_act(act, story, tools, churn)
    target = await target_of(tools, churn)
    shape = replace(SHAPE, rate=act.rate, fresh_share=1.0, kept=0) if act.fresh else replace(SHAPE, rate=act.rate)
    async with steady(target, rows_called(act.rows), shape) as load:
        if wait_first:
            await _some(churn, load)
        else:
            await play_act(act, story, tools, churn)
    return load.records


async def _some(churn: Rollout, load: Load) -> None:
    await churn.until("10 requests were answered", lambda _: len(load.records) >= 10, 60)


async def play_act(act: Act, story: Story, tools: Programs, churn: Rollout) -> None:
    """Apply what the act says and wait for its condition."""
    if act.file != "nothing":
        where = f"--namespace={churn.namespace}"
        await tools.kubectl("apply", where, f"--filename={story.folder / act.file}")

    def reached(obj: dict[str, object]) -> bool:
        condition = conditions_of(obj).get(act.condition)
        right = condition is not None and (not act.reason or condition.reason == act.reason)
        return right and is_true(obj, act.condition) and (not act.also or is_true(obj, act.also))

    await churn.until(act.heading, reached)
