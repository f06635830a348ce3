"""A HorizontalPodAutoscaler of the simulated world: it knows the scale subresource, and the pods that this selects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from modelrollout.simulation.world import World

EVERY = 15
"""Seconds between two looks; what a pod used is its mean since the look before."""
TOLERANCE = 0.1


@dataclass(slots=True)
class Autoscaler:
    """Sets spec.replicas so that each pod gets about `target` requests a second. It shrinks without a delay."""

    target: float
    least: int = 1
    most: int = 50
    known: Mapping[str, int] = field(default_factory=dict)
    """Requests by a pod's uid at the last look."""

    def step(self, world: World) -> None:
        """One second later."""
        if world.now % EVERY:
            return
        rates = self._rates(world)
        self.known = {pod.uid: pod.answered for pod in world.cluster.pods}
        asked = int(world.resource.written.get("replicas", 1))
        if not rates or not asked:
            return
        ratio = sum(rates) / len(rates) / self.target
        wanted = asked if abs(ratio - 1) <= TOLERANCE else ceil(round(ratio * len(rates), 6))
        least = self.least if world.cluster.shrinks else max(self.least, asked)
        wanted = min(self.most, max(least, wanted))
        if wanted != asked:
            world.resource.edit({"replicas": wanted})
            world.guard.spec = world.resource.parsed
            world.happened(f"the autoscaler asks for {wanted} pods")

    def _rates(self, world: World) -> list[float]:
        """Requests a second of each ready pod that the scale subresource selects and that was there before."""
        selector = dict(part.split("=", 1) for part in world.resource.status.selector.split(",") if part)
        pods = [pod for pod in world.cluster.selected(selector) if pod.uid in self.known]
        return [(pod.answered - self.known[pod.uid]) / EVERY for pod in pods]
