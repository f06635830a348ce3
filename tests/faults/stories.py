"""The rollouts that faults are thrown at: short ones, each to its end, and what each ends as without any fault."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from faults.plan import Plan, Point
from faults.world import Setting, World

from modelrollout.api.status import Phase, Stage
from modelrollout.core.facts import PodTrouble
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.happenings import address
from modelrollout.simulation.resource import merged

V1, V2, V3 = "1.0.0", "2.0.0", "3.0.0"
SPEC: Mapping[str, Any] = {
    "replicas": 2,
    "model": {"uri": address(V1), "version": V1},
    "strategy": {"canary": {"steps": [{"weight": 50}]}},
    "health": {"interval": "1s", "minSamples": 10},
    "bake": "4s",
    "progressDeadline": "60s",
    "decisionDeadline": "60s",
    "rollback": {"keepPrevious": "1h", "watch": "2h", "cooldown": "20s"},
}
QUICKLY_COMPARED = {
    "compare": {"negligibleErrorRate": 0.2, "falsePromotionRate": 0.2, "latencyRatio": 4},
    "limits": {"errorRate": 0.2},
}
FAILING = Behaviour(load=1, errors=0.5)
GOOD = Behaviour(load=1)


def asking(version: str, **changes: Any) -> Mapping[str, Any]:
    """The usual spec for a version, with changes merged in."""
    return merged(merged(SPEC, {"model": {"uri": address(version), "version": version}}), changes)


def served_by(world: World, version: str) -> bool:
    status = world.status
    return status.phase is Phase.STABLE and status.stable is not None and status.stable.version == version


def first(world: World) -> None:
    """The first model serves."""
    world.ask(asking(V1))
    world.until(lambda: served_by(world, V1))


def goes_out(world: World) -> None:
    first(world)
    world.ask(asking(V2))
    world.until(lambda: served_by(world, V2))
    world.settle()


def is_taken_back(world: World) -> None:
    first(world)
    world.ask(asking(V2))
    world.until(lambda: world.status.phase is Phase.ROLLED_BACK)
    world.settle()


def turns_bad_in_the_bake(world: World) -> None:
    first(world)
    world.ask(asking(V2, bake="20s"))
    world.until(lambda: is_at(world, Stage.BAKING))
    world.cluster.behaviours[V2] = FAILING
    world.until(lambda: world.status.phase is Phase.ROLLED_BACK)
    world.settle()


def turns_bad_after_promotion(world: World) -> None:
    first(world)
    world.ask(asking(V2))
    world.until(lambda: served_by(world, V2))
    world.cluster.behaviours[V2] = FAILING
    world.until(lambda: world.status.stable is not None and world.status.stable.version == V1)
    world.settle()


def one_pod_is_sick(world: World) -> None:
    """A bad node under one pod of two: another one takes its place, and the model goes out."""
    first(world)
    world.ask(asking(V2, health=QUICKLY_COMPARED))
    world.until(lambda: is_at(world, Stage.JUDGING))
    sick = next(pod for pod in world.cluster.pods if pod.version == V2 and not pod.ending)
    world.cluster.sick[sick.uid] = FAILING
    world.until(lambda: served_by(world, V2))
    assert sick not in world.cluster.pods
    world.settle()


def is_at(world: World, stage: Stage) -> bool:
    candidate = world.status.candidate
    return candidate is not None and candidate.stage is stage


@dataclass(frozen=True, slots=True)
class Story:
    """A rollout to its end."""

    name: str
    play: Callable[[World], None]
    models: Mapping[str, Behaviour] = field(default_factory=dict)

    def world(self, setting: Setting | None = None) -> World:
        setting = setting if setting is not None else Setting()
        models = {V1: GOOD, V2: GOOD, V3: GOOD} | dict(self.models)
        return World(replace(setting, models=models | dict(setting.models)))


GOES_OUT = Story("goes out", goes_out)
TAKEN_BACK = Story("is taken back", is_taken_back, {V2: FAILING})
BAD_IN_BAKE = Story("turns bad in the bake", turns_bad_in_the_bake)
GOES_BACK = Story("turns bad after promotion", turns_bad_after_promotion)
CANNOT_LOAD = Story(
    "cannot load",
    is_taken_back,
    {V2: Behaviour(load=1, fails_to_load=PodTrouble.FEATURE_MISMATCH, words="feature mismatch: 5 columns, not 6")},
)
SICK_POD = Story("one pod is sick", one_pod_is_sick)
STORIES = (GOES_OUT, TAKEN_BACK, BAD_IN_BAKE, GOES_BACK, CANNOT_LOAD, SICK_POD)


@dataclass(frozen=True, slots=True)
class Reference:
    """A story without faults."""

    final: Mapping[str, Any]
    points: tuple[Point, ...]
    writes: int


@cache
def reference(name: str) -> Reference:
    """How a story ends, and where in it a process can die."""
    story = next(one for one in STORIES if one.name == name)
    plan = Plan()
    with story.world(Setting(plan)) as world:
        story.play(world)
        assert world.broken == []
        return Reference(world.final(), tuple(plan.points), plan.writes)
