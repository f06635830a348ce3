"""The operator's process dies before and after every write, and at every other request; the next one goes on."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from faults.plan import Plan
from faults.stories import GOES_OUT, STORIES, Story, reference
from faults.trials import case, failing, own_points
from faults.world import Setting, World

Thinned = Callable[[Sequence[Any], int], Sequence[Any]]
each_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@each_story
def test_a_story_without_faults_breaks_nothing(story: Story) -> None:
    assert reference(story.name).writes > 10


@each_story
def test_killed_before_and_after_each_write_it_comes_to_the_same_end(story: Story, thinned: Thinned) -> None:
    points = reference(story.name).points
    writing = [number for number in own_points(story) if points[number].writes]

    assert failing({str((number, str(points[number]))): dies(story, number) for number in thinned(writing, 1)}) == {}


@each_story
def test_killed_at_any_other_request_it_comes_to_the_same_end(story: Story, thinned: Thinned) -> None:
    points = reference(story.name).points
    others = [number for number in own_points(story) if not points[number].writes]

    assert failing({str((number, str(points[number]))): dies(story, number) for number in thinned(others, 11)}) == {}


@each_story
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_again_and_again_it_comes_to_the_same_end(story: Story, seed: int) -> None:
    assert case(story, Plan(seed, die_share=0.01))() == []


def dies(story: Story, number: int) -> Callable[[], list[str]]:
    return case(story, Plan(die_at=frozenset({number})))


def test_a_dead_process_writes_nothing_and_another_one_takes_over() -> None:
    with GOES_OUT.world(Setting(Plan(die_at=frozenset({40})))) as world:
        GOES_OUT.play(world)
        assert writers(world) == ["operator-1", "operator-2"]


def writers(world: World) -> list[str]:
    """Who wrote, in order, each run of writes once."""
    names = [write.by for write in world.history]
    return [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]
