"""Examples that compare the candidate with stable, played in the simulated world: they read as on the cluster.

Their manifests, headings and expected.txt are those of the end-to-end tests. Only what the models do is made up here,
and pods have other names.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.story import Act, Story, read, tell, written

from modelrollout.simulation import Behaviour, Run, Scenario, scores
from modelrollout.simulation.happenings import Edit
from modelrollout.simulation.run import begin
from modelrollout.simulation.world import Entry
from stage.rollout import Condition, Happening

EXAMPLES = Path(__file__).parents[2] / "examples"
PLAYED = (
    "compare-promoted",
    "compare-twice-the-errors",
    "compare-no-traffic",
    "compare-blue-green",
    "compare-stable-fails",
    "prediction-drift",
)
LONGEST = 400
"""Seconds of an act; the end-to-end tests have no longer."""
EVENTS_COME = 5
"""Seconds after which the Events of an act's end have been written."""
POD = re.compile(r"churn-REVISION-\d+")
TWO_HUMPS = scores.baseline(scores.TWO_HUMPS)
MODELS = {
    "fails-2-percent": Behaviour(errors=0.02),
    "fails-4-percent": Behaviour(errors=0.04),
    "always-fails": Behaviour(errors=1.0),
    "scores": Behaviour(scores=scores.TWO_HUMPS, baseline=TWO_HUMPS),
    "scores-all-alike": Behaviour(scores=scores.ALL_ALIKE, baseline=TWO_HUMPS),
    "scores-too-small": Behaviour(scores=scores.TOO_SMALL, baseline=TWO_HUMPS),
    "scores-softer": Behaviour(scores=scores.SOFTER, baseline=scores.baseline(scores.SOFTER)),
    "scores-without-spread": Behaviour(scores=scores.TWO_HUMPS, baseline=scores.without_spread()),
}


@pytest.mark.parametrize("name", PLAYED)
def test_the_story_goes_as_it_is_told(name: str) -> None:
    story = read(EXAMPLES / name)
    played = begin(Scenario(name, manifest(story, story.acts[0].file)))

    told = [play(act, story, played) for act in story.acts]

    assert written(story, told) == (EXAMPLES / name / "expected.txt").read_text()
    assert played.broken == []


def manifest(story: Story, file: str) -> Any:
    return yaml.safe_load((story.folder / file).read_text())["spec"]


def play(act: Act, story: Story, played: Run) -> str:
    """One act; what is told of it."""
    world = played.world
    if act is not story.acts[0] and act.file != "nothing":
        Edit(manifest(story, act.file), act.file).happen(played.driver)
    world.cluster.load.rate, world.cluster.load.preview_rate = 0 if act.rows == "no" else act.rate, 0
    for spec in (manifest(story, one.file) for one in story.acts if one.file != "nothing"):
        world.cluster.behaviours[spec["model"]["version"]] = behaviour(Path(spec["model"]["uri"]).stem, act.rows)
    began = len(world.entries)
    ends = world.now + LONGEST
    while not reached(act, played) and world.now < ends:
        played.tick()
    for _ in range(EVENTS_COME):
        if said(played, began) != act.text:
            played.tick()
    return said(played, began)


def behaviour(model: str, rows: str) -> Behaviour:
    if model == "fails-under-traffic":
        return Behaviour(errors=1.0 if rows == "coarse" else 0.0)
    return MODELS.get(model, Behaviour())


def reached(act: Act, played: Run) -> bool:
    resource = played.world.resource
    found = {one.type: one for one in resource.status.conditions if one.status == "True"}
    right = act.condition in found and act.reason in {"", found[act.condition].reason}
    return right and resource.status.observed_generation == resource.generation


def said(played: Run, began: int) -> str:
    """Conditions, and the Events since the entry `began`."""
    conditions = {
        one.type: Condition(one.type, one.status, one.reason, one.message, one.observed_generation)
        for one in played.world.resource.status.conditions
    }
    notes = [entry for entry in played.world.entries[began:] if entry.kind == "note"]
    return POD.sub("churn-POD", tell(conditions, [happening(note) for note in notes]))


def happening(note: Entry) -> Happening:
    reason, message = note.text.split(": ", 1)
    return Happening("Warning" if note.warning else "Normal", reason, message, str(note.at))
