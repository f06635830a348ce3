"""A judge that was made faster says the same numbers, to 1e-9, as the one that was there before."""

import json
from typing import Any

import pytest
from judge.recorded import STORIES, Story, file_of, told


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_recorded_rollout_is_judged_as_it_was(story: Story) -> None:
    assert told(story) == _near(json.loads(file_of(story).read_text(encoding="utf-8")))


def _near(recorded: Any) -> Any:
    """The same, with each number held to 1e-9."""
    if isinstance(recorded, float):
        return pytest.approx(recorded, rel=1e-9, abs=1e-9)
    if isinstance(recorded, dict):
        return {name: _near(value) for name, value in recorded.items()}
    return [_near(value) for value in recorded] if isinstance(recorded, list) else recorded
