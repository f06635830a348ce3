"""The operator is killed after each single write of each story; what comes back brings it to the same end.

Times and counters may differ. A story that begins like another one is killed only from where it goes its own way.
"""

from functools import cache
from itertools import takewhile
from typing import Any

import pytest
from simulation.stories import STORIES
from simulation.telling import Story

from modelrollout.simulation import Run, run
from modelrollout.simulation.run import begin, fork
from modelrollout.simulation.world import Entry

SETTLED = 3
"""Seconds in the same final state after which a run is not watched any further."""


TRODDEN = (
    "promoted",
    "warm previous, stable and canary",
    "way back to a cold model",
    "good, bad, second bad",
    "blue-green promoted",
)
"""Stories that others begin like; these are killed after every write from their first on."""


def named(name: str) -> Story:
    return next(story for story in STORIES if story.scenario.name == name)


def written(played: Run) -> list[Entry]:
    return [entry for entry in played.world.entries if entry.kind in {"write", "commit"}]


@cache
def trodden(name: str) -> tuple[tuple[int, str], ...]:
    return tuple((entry.at, entry.text) for entry in written(run(named(name).scenario)))


def departs(story: Story, wrote: list[Entry]) -> int:
    """The number of writes that a story has in common with the beginning of another one, less two for the context."""
    name = story.scenario.name
    others = TRODDEN[: TRODDEN.index(name)] if name in TRODDEN else TRODDEN
    mine = [(entry.at, entry.text) for entry in wrote]
    alike = [
        len(list(takewhile(lambda pair: pair[0] == pair[1], zip(mine, trodden(one), strict=False)))) for one in others
    ]
    return max(0, max(alike, default=0) - 2)


@pytest.mark.parametrize("story", STORIES, ids=[story.scenario.name for story in STORIES])
def test_killed_after_each_write_it_comes_to_the_same_end(story: Story) -> None:
    played = run(story.scenario)
    expected, wrote = played.final(), written(played)
    begins = departs(story, wrote)

    differing = {}
    going = begin(story.scenario)
    while going.world.writes < len(wrote):
        soon = sum(1 for entry in wrote if entry.at <= going.world.now + 1)
        for number in range(max(begins, going.world.writes) + 1, soon + 1):
            killed = fork(going, {number})
            settle(killed, expected)
            breach = differences(killed, expected)
            if breach:
                entry = wrote[number - 1]
                differing[f"killed after write {number} at {entry.at} s ({entry.kind}: {entry.text})"] = breach
        going.tick()

    assert differing == {}


def settle(killed: Run, expected: dict[str, Any]) -> None:
    same = 0
    while not killed.is_over() and same < SETTLED:
        killed.tick()
        up_and_done = not killed.waiting and killed.world.now >= killed.driver.down_until
        same = same + 1 if up_and_done and killed.final() == expected else 0


def differences(killed: Run, expected: dict[str, Any]) -> dict[str, Any]:
    found = killed.final()
    differing: dict[str, Any] = {key: (value, found[key]) for key, value in expected.items() if found[key] != value}
    if killed.broken:
        differing["breaches"] = killed.broken
    if killed.waiting:
        differing["never happened"] = [str(moment.do) for moment in killed.waiting]
    return differing


def test_a_kill_really_loses_the_memory_and_the_rest_of_the_turn() -> None:
    killed = begin(named("promoted").scenario, {1})
    killed.tick()

    assert killed.driver.ledger is None
    assert killed.world.writes == 1
    assert killed.world.cluster.deployments == {}
