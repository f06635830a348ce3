"""Each story again among somebody else's objects: a budget, an autoscaler, a preview and a memory of our names.

They change nothing but themselves: the same pods, the same selector, the same status but for the condition that tells.
"""

from dataclasses import replace

import pytest
from simulation.stories import STORIES
from simulation.telling import Story, moment

from modelrollout.simulation import Until, run
from modelrollout.simulation.happenings import TakeNames

OTHERS = frozenset({("PodDisruptionBudget", "churn"), ("HorizontalPodAutoscaler", "churn")})
PREVIEW = ("Service", "churn-preview")
THEMSELVES = {"budget", "preview", "conditions"}


def is_apart(story: Story) -> bool:
    """Stories that have foreign objects of their own."""
    return any(isinstance(one.do, TakeNames) for one in story.scenario.moments)


@pytest.mark.parametrize(
    "story", [one for one in STORIES if not is_apart(one)], ids=lambda story: str(story.scenario.name)
)
def test_a_story_ends_the_same_among_foreign_objects(story: Story) -> None:
    is_blue_green = "blueGreen" in str(story.scenario.spec) + str(story.scenario.moments)
    taken = OTHERS if is_blue_green else OTHERS | {PREVIEW}
    first = moment(TakeNames(taken), Until())
    expected = run(story.scenario)
    played = run(replace(story.scenario, moments=(first, *story.scenario.moments)))

    found, wanted = played.final(), expected.final()
    assert {key: one for key, one in found.items() if key not in THEMSELVES} == {
        key: one for key, one in wanted.items() if key not in THEMSELVES
    }
    assert [one for one in found["conditions"] if one[0] != "NameTaken"] == wanted["conditions"]
    assert "NameTaken" in [one[0] for one in found["conditions"]]
    assert played.broken == []
