"""Writes that meet a conflict nobody caused, and writes that are done although their answer never comes."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from faults.plan import Plan
from faults.stories import STORIES, Story
from faults.trials import case, failing, own_writes
from faults.watchman import Rules

Thinned = Callable[[Sequence[Any], int], Sequence[Any]]
each_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
LOSING = Rules(sparing=False)
"""Who got no answer has to write again."""


@each_story
def test_each_write_meets_one_conflict(story: Story, thinned: Thinned) -> None:
    numbers = thinned(own_writes(story), 2)

    assert failing({f"write {one}": case(story, Plan(refuse_at=frozenset({one}))) for one in numbers}) == {}


@each_story
@pytest.mark.parametrize("seed", [1, 2])
def test_a_third_of_all_writes_meet_a_conflict(story: Story, seed: int) -> None:
    assert case(story, Plan(seed, refuse_share=0.3))() == []


@each_story
def test_each_write_is_done_but_never_answered(story: Story, thinned: Thinned) -> None:
    numbers = thinned(own_writes(story), 2)

    assert failing({f"write {one}": case(story, Plan(lose_at=frozenset({one})), rules=LOSING) for one in numbers}) == {}


@each_story
@pytest.mark.parametrize("seed", [1, 2])
def test_a_third_of_all_writes_are_never_answered(story: Story, seed: int) -> None:
    assert case(story, Plan(seed, lose_share=0.3), rules=LOSING)() == []
