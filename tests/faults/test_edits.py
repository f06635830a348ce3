"""The spec edited at any moment, as a state machine: when edits stop it settles, and then writes nothing.

The world is the one of the other tests, so every write of every example is held against the invariants.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from faults.counts import TOTAL
from faults.phases import ALL, go_to
from faults.plan import Plan
from faults.stories import GOES_OUT, TAKEN_BACK, V1, V2, V3, asking
from faults.trials import closed
from faults.watchman import Rules
from faults.world import Setting, World
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Search
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from modelrollout.api.status import Phase

TEN_MINUTES = 600
SOON_COLD: Mapping[str, Any] = {"rollback": {"keepPrevious": "20s", "watch": "40s", "cooldown": "20s"}}
"""So that nothing is left to be timed, and ten quiet minutes are quiet."""
CHANGING = Rules(steady=False)
AT_REST = frozenset({Phase.STABLE, Phase.ROLLED_BACK, Phase.HOLDING})


class Edits(RuleBasedStateMachine):
    """Somebody who cannot make up their mind, and an operator that dies now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = dict(asking(V1, **SOON_COLD))
        self.world: World = TAKEN_BACK.world(Setting(rules=CHANGING))

    @initialize(seconds=st.integers(0, 12))
    def begin(self, seconds: int) -> None:
        self.world.ask(self.spec)
        self.world.advance(seconds)

    @rule(version=st.sampled_from([V1, V2, V3]), seconds=st.integers(0, 15))
    def ask_for(self, version: str, seconds: int) -> None:
        self._edit(seconds, model=asking(version)["model"])

    @rule(replicas=st.integers(1, 3), seconds=st.integers(0, 6))
    def resize(self, replicas: int, seconds: int) -> None:
        self._edit(seconds, replicas=replicas)

    @rule(
        weights=st.lists(st.sampled_from([25, 50, 75]), min_size=1, max_size=2, unique=True), seconds=st.integers(0, 6)
    )
    def change_steps(self, weights: list[int], seconds: int) -> None:
        self._edit(seconds, strategy={"canary": {"steps": [{"weight": one} for one in sorted(weights)]}})

    @rule(seconds=st.integers(3, 8))
    def kill(self, seconds: int) -> None:
        self.world.plan.count("crash between two edits")
        self.world.kill()
        self.world.advance(seconds)

    @invariant()
    def nothing_is_breached(self) -> None:
        assert self.world.broken == []

    def teardown(self) -> None:
        """No more edits: it settles within ten minutes, and writes nothing in the next ten."""
        with self.world as world:
            world.until(lambda: world.status.phase in AT_REST and is_seen(world), TEN_MINUTES)
            world.settle(60, TEN_MINUTES)
            before = len(world.history)
            world.advance(TEN_MINUTES)
            assert (closed(world), [str(write) for write in world.history[before:]]) == ([], [])

    def _edit(self, seconds: int, **changes: Any) -> None:
        self.world.plan.count("spec edited")
        self.spec |= changes
        self.world.ask(self.spec)
        self.world.advance(seconds)


def is_seen(world: World) -> bool:
    owner = world.watchman.owner()
    return owner is not None and world.status.observed_generation == owner["metadata"]["generation"]


def test_whatever_is_edited_it_settles_and_then_writes_nothing(request: pytest.FixtureRequest) -> None:
    thorough = bool(request.config.getoption("--thorough", default=False))
    Edits.TestCase.settings = settings(
        max_examples=200 if thorough else 15,
        stateful_step_count=12 if thorough else 8,
        deadline=None,
        phases=(Search.generate, Search.shrink) if thorough else (Search.generate,),
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    Edits.TestCase("runTest").debug()


@pytest.mark.parametrize("phase", [one for one in ALL if one not in {"beginning", "settled", "promoted"}])
def test_there_and_back_again_is_as_if_nothing_had_been_asked(phase: str) -> None:
    with GOES_OUT.world() as world:
        go_to(world, phase)
        world.plan.count("spec edited", 2)
        world.ask(asking(V1))
        world.until(lambda: at_rest(world, V1))
        world.settle()
        there_and_back = serving(world)
        assert closed(world, unlike(there_and_back, straight(V1))) == []


@pytest.mark.parametrize("phase", [one for one in ALL if one not in {"beginning", "settled", "promoted"}])
def test_by_way_of_another_model_it_comes_to_the_same(phase: str) -> None:
    with GOES_OUT.world() as world:
        go_to(world, phase)
        world.plan.count("spec edited")
        world.ask(asking(V3))
        world.until(lambda: at_rest(world, V3))
        world.settle()
        by_another = serving(world)
        assert closed(world, unlike(by_another, straight(V1, V3))) == []


def unlike(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    TOTAL.compared += 1
    return [f"{key}: {found[key]}, expected {one}" for key, one in expected.items() if found[key] != one]


def at_rest(world: World, version: str) -> bool:
    status = world.status
    stands = status.stable is not None and status.stable.version == version and status.candidate is None
    return stands and status.phase is Phase.STABLE


def straight(*versions: str) -> dict[str, Any]:
    """What serves after these models went out one after the other, undisturbed."""
    with GOES_OUT.world(Setting(Plan())) as world:
        for version in versions:
            world.ask(asking(version))
            world.until(lambda version=version: at_rest(world, version))  # type: ignore[misc]
        world.settle()
        return serving(world)


def serving(world: World) -> dict[str, Any]:
    """What serves, apart from what was tried and may still be there without pods."""
    final = world.final()
    running = {one: size for one, size in final["deployments"].items() if size[0]}
    kept = ("selector", "phase", "current", "stable", "candidate", "previous", "size", "conditions")
    return {key: final[key] for key in kept} | {"deployments": running}
