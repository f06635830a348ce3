"""One run under faults, held against the same run without: what differs, and what was breached, as sentences."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from faults.counts import TOTAL
from faults.plan import Plan
from faults.process import Guards
from faults.stories import GOES_OUT, Story, reference
from faults.world import Setting, World

LONGEST_SILENCE = 40
"""Seconds without a write of an operator that has work left: a watch that broke begins again after a while."""


def trial(story: Story, setting: Setting, told: Mapping[str, Any] | None = None) -> list[str]:
    """Play a story under faults; gives what is wrong with it: nothing, if all is well."""
    expected = told if told is not None else reference(story.name).final
    with story.world(setting) as world:
        try:
            story.play(world)
            if differences(world, expected):
                world.settle(LONGEST_SILENCE)
        except AssertionError as error:
            return closed(world, [str(error)])
        return closed(world, differences(world, expected))


def closed(world: World, wrong: Iterable[str] = ()) -> list[str]:
    """Everything that is wrong with a run that is over; counts it."""
    found = [*wrong, *world.broken]
    if world.guards != Guards():
        TOTAL.mutants += bool(found)
        return found
    TOTAL.runs += 1
    TOTAL.seconds += world.second
    TOTAL.writes += world.wrote + len(world.history)
    TOTAL.faults.update(world.plan.injected)
    TOTAL.invariants.update(world.watchman.checked)
    TOTAL.failures += len(found)
    return found


def differences(world: World, expected: Mapping[str, Any]) -> list[str]:
    """Where the world's state is another than it has to be."""
    TOTAL.compared += 1
    found = world.final()
    return [f"{key}: {found[key]}, expected {value}" for key, value in expected.items() if found[key] != value]


def own_points(story: Story) -> range:
    """Numbers of the points of a story that it does not share with the beginning of the plain one."""
    mine, plain = reference(story.name).points, reference(GOES_OUT.name).points
    if story is GOES_OUT:
        return range(len(mine))
    alike = next((index for index, pair in enumerate(zip(mine, plain, strict=False)) if pair[0] != pair[1]), 0)
    return range(alike, len(mine))


def own_writes(story: Story) -> range:
    """The same for the numbers of its writes."""
    before = reference(story.name).points[: own_points(story).start]
    return range(sum(point.writes and not point.after for point in before), reference(story.name).writes)


def failing(cases: Mapping[str, Callable[[], list[str]]]) -> dict[str, list[str]]:
    """The cases that went wrong, and how."""
    tried = {name: case() for name, case in cases.items()}
    return {name: wrong for name, wrong in tried.items() if wrong}


def case(story: Story, plan: Plan, **setting: Any) -> Callable[[], list[str]]:
    return lambda: trial(story, Setting(plan, **setting))
