"""A field that something else writes, too, is left for a minute after three rounds, and it is said."""

from dataclasses import dataclass

import pytest
from shell.loops import STABLE, World

from modelrollout.core.decision import EnsureService, Scale
from modelrollout.fights import Fights
from modelrollout.kube.resources import SERVICES
from modelrollout.shell.loop import FIGHT_AGAIN

SIZE = "Deployment churn-v1: replicas"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def played(every: float, wanted: list[int]) -> tuple[Fights, list[bool]]:
    """Writes of these values at equal times, as far as they are allowed."""
    clock = Clock()
    fights, wrote = Fights(clock), []
    for value in wanted:
        wrote.append(fights.may_write(SIZE, value))
        if wrote[-1]:
            fights.wrote(SIZE, value)
        clock.now += every
    return fights, wrote


@pytest.mark.parametrize(
    ("every", "wanted", "wrote", "is_lost"),
    [
        pytest.param(1, [4, 4], [True] * 2, False, id="twice is no fight"),
        pytest.param(1, [4] * 28, [True] * 3 + [False] * 25, True, id="28 rounds in half a minute"),
        pytest.param(30, [4] * 6, [True, True, True, False, True, False], True, id="then once a minute"),
        pytest.param(1, [4, 3, 4, 3, 4, 3, 4, 3], [True] * 8, False, id="another value each time"),
        pytest.param(700, [4] * 6, [True] * 6, False, id="now and then"),
    ],
)
def test_a_fight(*, every: float, wanted: list[int], wrote: list[bool], is_lost: bool) -> None:
    fights, found = played(every, wanted)
    assert (found, bool(fights.lost())) == (wrote, is_lost)


def test_it_is_said_what_does_not_stay_and_for_how_long() -> None:
    fights, _ = played(1, [4] * 3)
    (said,) = fights.lost()
    assert said.startswith(
        "Deployment churn-v1: replicas: 4 was written 3 times and did not stay; look for an admission webhook"
    )
    assert isinstance(fights.clock, Clock)
    fights.clock.now += 600
    assert fights.lost() == ()


async def test_a_size_that_a_webhook_caps_is_written_three_times_then_once_a_minute_and_the_next_turn_knows() -> None:
    world = World()
    world.decide(Scale("aaaa", 4))
    for _ in range(28):
        world.deployment("aaaa", 3)  # what the webhook makes of it
        await world.turn()
        world.clock += 1
    assert len([one for one in world.written if "churn-aaaa" in one]) == 3
    assert "did not stay" in world.seen[-1].fights[0]
    world.clock += 60
    assert await world.turn() == FIGHT_AGAIN
    assert len([one for one in world.written if "churn-aaaa" in one]) == 4


async def test_a_port_that_a_hand_has_changed_is_seen_before_it_is_put_back() -> None:
    world = World()
    world.decide(EnsureService(STABLE, edited=True))
    await world.turn()
    found = world.api.server.get(SERVICES, "churn")
    assert found is not None
    found["spec"]["ports"][0]["targetPort"] = 9999
    found["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "time": "2026-03-01T00:00:00Z"}]
    world.stores[SERVICES].put(world.api.server.put(SERVICES, found))
    await world.turn()
    service = world.seen[-1].service
    assert service is not None
    assert service.drifted == "has targetPort 9999 in place of 8080 (last written by kubectl-edit)"
    await world.turn()
    service = world.seen[-1].service
    assert service is not None
    assert service.drifted == ""
