"""A rollout that the release before has left goes on under this one, and the other way round: nothing is lost.

`corpus/` holds what release 0.1.0 left of each story at each turn, and the schema by which it reads a status; `record`
writes them. So no test needs the old code.
"""

import json
from functools import cache
from pathlib import Path

import pytest
from releases.hands import Left, ending, left_behind, lost, status_of, taken_over
from releases.record import TOLD
from releases.schemas import Refused, Schema, as_read
from simulation.stories import STORIES

CORPUS = Path(__file__).parent / "corpus"
BEFORE = [json.loads(line) for line in (CORPUS / "0.1.0.json").read_text().splitlines()]
SCHEMA: Schema = json.loads((CORPUS / "0.1.0-status.json").read_text())
TOLD_NOW = [story.scenario for story in STORIES if story.scenario.name in TOLD]


def called(left: Left) -> str:
    return f"{left['story']} at {left['at']} s"


@cache
def left_now(story: str) -> list[Left]:
    """What this release leaves of a story."""
    return left_behind(next(one for one in TOLD_NOW if one.name == story))


@pytest.mark.parametrize("left", BEFORE, ids=called)
def test_what_the_release_before_left_is_read_whole_and_goes_on_to_the_same_end(left: Left) -> None:
    assert list(lost(left["status"], status_of(left).to_json())) == []
    played = taken_over(left)
    assert played.broken == []
    assert ending(played) == left["ends"]


@pytest.mark.parametrize("story", sorted(TOLD))
def test_what_this_release_leaves_can_be_read_by_the_release_before(story: str) -> None:
    assert len(left_now(story)) > 1
    for left in left_now(story):
        assert as_read(SCHEMA, left["status"])["phase"] == left["status"]["phase"]


@pytest.mark.parametrize("story", sorted(TOLD))
def test_it_goes_on_after_the_release_before_has_written_what_it_knows_of_the_status(story: str) -> None:
    for left in left_now(story):
        played = taken_over(left | {"status": as_read(SCHEMA, left["status"])})
        assert played.broken == []
        assert ending(played) == left["ends"]


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        ({"phase": "Dancing"}, "status.phase is 'Dancing', not one of Pending"),
        ({"size": "4"}, "status.size is '4', not of type integer"),
        ({"candidate": {"revision": "a", "version": "1"}}, "status.candidate has no since"),
        ({"history": [{"revision": 7}]}, "status.history[0] has no version"),
    ],
)
def test_what_the_release_before_cannot_read_is_found(status: Left, refusal: str) -> None:
    with pytest.raises(Refused) as found:
        as_read(SCHEMA, status)
    assert refusal in str(found.value)


def test_what_the_release_before_does_not_know_is_passed_over() -> None:
    assert as_read(SCHEMA, {"phase": "Stable", "shadow": {"share": 5}}) == {"phase": "Stable"}
