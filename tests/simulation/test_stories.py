"""Every story comes to its end with all invariants held, and the main ones read as they are kept in golden/."""

from pathlib import Path

import pytest
from simulation.stories import STORIES
from simulation.telling import Story

from modelrollout.simulation import Run, run
from modelrollout.simulation.story import tell

GOLDEN = Path(__file__).parent / "golden"
TOLD = {
    "promoted",
    "blue-green switched and returned",
    "rolling promoted",
    "constant total promoted",
    "first apply broken, then fixed",
    "stable broken and the fix ships",
    "rolled back in a step",
    "rolled back in the bake",
    "way back to a warm model",
    "down the whole chain",
    "one on the way back cannot load",
    "no way back, then healthy again",
    "everything fails in a step",
    "everything fails after promotion, then a real fault",
    "cannot load",
    "out of memory under traffic",
    "the only canary pod is evicted",
    "no room for the canary, then room",
    "blind on both arms",
    "timed pause across a kill",
    "git revert to the warm model",
    "a third model in mid-canary",
    "steps edited in mid-rollout",
    "limits edited in mid-step",
    "inconclusive holds",
    "scaled up in mid-step",
    "selector pointed at stable in mid-step",
    "status erased in mid-step",
    "one sick pod of several is replaced",
    "a sick pod comes back",
}

each_story = pytest.mark.parametrize("story", STORIES, ids=[story.scenario.name for story in STORIES])


def reason_of_ready(played: Run) -> str:
    conditions = played.world.resource.status.conditions
    return next(condition.reason for condition in conditions if condition.type == "Ready")


@each_story
def test_story_ends_as_it_should_with_every_invariant_held(story: Story, update_golden: bool) -> None:  # noqa: FBT001
    played = run(story.scenario)

    status = played.world.resource.status
    assert played.broken == []
    assert [str(moment.do) for moment in played.waiting] == []
    assert status.stable is not None
    assert (status.stable.version, reason_of_ready(played)) == (story.ending.stable, story.ending.reason)
    if story.ending.outcomes is not None:
        assert {entry.version: str(entry.outcome) for entry in status.history} == story.ending.outcomes
    if story.ending.made is not None:
        assert played.world.cluster.made == story.ending.made
    if story.scenario.name in TOLD:
        compare(story.scenario.name, tell(played), update_golden)


def compare(name: str, told: str, update: bool) -> None:  # noqa: FBT001  # pytest's option
    kept = GOLDEN / f"{name.replace(',', '').replace(' ', '-')}.txt"
    if update:
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(told)
    assert told == kept.read_text(), f"{name} reads differently now; look at it, then run with --update-golden"


def test_every_golden_file_is_of_a_story() -> None:
    told = {f"{name.replace(',', '').replace(' ', '-')}.txt" for name in TOLD}
    assert {file.name for file in GOLDEN.iterdir()} == told
    assert {story.scenario.name for story in STORIES} >= TOLD
