"""The phases of a rollout from one good model to the next, each as the moment at which something happens."""

from collections.abc import Callable, Mapping

from faults.stories import V1, V2, asking, first, is_at, served_by
from faults.world import World

from modelrollout.api.status import Stage
from modelrollout.kube.resources import DEPLOYMENTS

Reached = Callable[[World], bool]


def stage(one: Stage) -> Reached:
    return lambda world: is_at(world, one)


PHASES: Mapping[str, Reached] = {
    "starting": stage(Stage.STARTING),
    "judging": stage(Stage.JUDGING),
    "baking": stage(Stage.BAKING),
    "draining": stage(Stage.DRAINING),
    "promoted": lambda world: served_by(world, V2),
}
"""After the first model has settled and the second was asked for."""


def go_to(world: World, phase: str) -> None:
    """Begin, and go on to a phase; the very first pods and the settled first model are phases, too."""
    if phase == "beginning":
        world.ask(asking(V1))
        world.until(lambda: any(world.server.etcd.all(DEPLOYMENTS.plural)))
        return
    first(world)
    if phase == "settled":
        world.settle()
        return
    world.ask(asking(V2))
    world.until(lambda: PHASES[phase](world))


ALL = ("beginning", "settled", *PHASES)
