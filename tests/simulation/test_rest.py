"""A system that has settled writes nothing for ten minutes, whatever it has settled into."""

import pytest
from simulation.stories import STORIES
from simulation.telling import Story

from modelrollout.simulation import run

TEN_MINUTES = 600
AT_REST = (
    "promoted",
    "blue-green promoted",
    "rolled back in a step",
    "way back to a warm model",
    "way back to a cold model",
    "everything fails after promotion, then a real fault",
    "abort in mid-step",
    "inconclusive rolls back",
    "inconclusive holds",
    "asleep",
    "status erased after a rejection",
    "rollback without a way back is refused",
)


@pytest.mark.parametrize(
    "story", [one for one in STORIES if one.scenario.name in AT_REST], ids=lambda one: one.scenario.name
)
def test_settled_system_writes_nothing_for_ten_minutes(story: Story) -> None:
    played = run(story.scenario)
    before = played.world.writes

    for _ in range(TEN_MINUTES):
        played.tick()

    assert [entry.text for entry in played.world.entries if entry.at > played.world.now - TEN_MINUTES] == []
    assert played.world.writes == before
    assert played.broken == []


def test_all_of_them_are_stories() -> None:
    assert {one.scenario.name for one in STORIES} >= set(AT_REST)


def test_a_lasting_fault_without_a_way_back_makes_few_writes_and_one_event() -> None:
    story = next(one for one in STORIES if one.scenario.name == "no way back")
    played = run(story.scenario)

    for _ in range(TEN_MINUTES):
        played.tick()

    events = [entry.text.partition(":")[0] for entry in played.world.entries if entry.kind == "note"]
    late = [entry for entry in played.world.entries if entry.at > played.world.now - TEN_MINUTES]
    assert events == ["RolloutStarted", "Promoted", "NoWayBack"]
    assert len(late) <= TEN_MINUTES // 80 + 1
