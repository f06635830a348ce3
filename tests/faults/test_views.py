"""Views of the world that are late, that miss changes, that break off, and that come from the past after a restart."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from faults.plan import Plan
from faults.stories import GOES_OUT, STORIES, Story, reference
from faults.trials import case, failing
from faults.watchman import Rules

Thinned = Callable[[Sequence[Any], int], Sequence[Any]]
each_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
LATE = Rules(fresh=False)
LATE_AND_TWICE = Rules(fresh=False, sparing=False)
"""A process that starts in the past cannot know what an earlier one has written."""


@each_story
@pytest.mark.parametrize("lag", range(1, 10))
def test_a_view_that_is_some_versions_late(story: Story, lag: int) -> None:
    assert case(story, Plan(lag=lag), rules=LATE)() == []


@each_story
@pytest.mark.parametrize("seed", [1, 2])
def test_a_third_of_the_changes_of_the_rollout_are_never_told(story: Story, seed: int) -> None:
    assert case(story, Plan(seed, miss_share=0.3), rules=LATE)() == []


@each_story
@pytest.mark.parametrize("seed", [1, 2])
def test_watches_break_with_410_at_every_fifth_change(story: Story, seed: int) -> None:
    assert case(story, Plan(seed, gone_share=0.2), rules=LATE)() == []


@each_story
def test_time_travel_after_a_restart(story: Story, thinned: Thinned) -> None:
    points = reference(story.name).points
    ends = thinned([number for number, point in enumerate(points) if point.writes and point.after], 2)
    cases = {
        f"killed {points[number]} ({number}), then {travel} versions back": case(
            story, Plan(die_at=frozenset({number}), travel=travel), rules=LATE_AND_TWICE
        )
        for travel, number in zip([1, 2, 3, 5, 9] * len(ends), ends, strict=False)
    }

    assert failing(cases) == {}


def test_late_views_are_really_late() -> None:
    plan = Plan(lag=5)

    assert case(GOES_OUT, plan, rules=LATE)() == []
    assert plan.injected["change seen 1 to 9 versions late"] > 30
