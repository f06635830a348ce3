"""Plays a scenario to its end, second by second, and says what became of it."""

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from modelrollout.simulation.autoscaler import Autoscaler
from modelrollout.simulation.cluster import Cluster, Load
from modelrollout.simulation.driver import Driver
from modelrollout.simulation.invariants import Guard
from modelrollout.simulation.resource import Resource
from modelrollout.simulation.scenario import Moment, Scenario
from modelrollout.simulation.world import World

DEFAULT_IMAGE = "registry.example.com/server:1"


@dataclass(slots=True)
class Run:
    """One scenario in progress, or over."""

    scenario: Scenario
    driver: Driver
    waiting: list[Moment]
    autoscaler: Autoscaler | None = None
    met_at: int | None = None

    @property
    def world(self) -> World:
        return self.driver.world

    @property
    def broken(self) -> list[str]:
        return self.world.guard.broken

    def final(self) -> dict[str, Any]:
        """What the world has come to, without times and counters: equal for a run with and one without kills."""
        return final(self.world)

    def tick(self) -> None:
        """One second of everybody."""
        self.world.cluster.step()
        self._happen()
        if self.autoscaler is not None:
            self.autoscaler.step(self.world)
        self.driver.step()
        self.world.guard.ticked(self.world.cluster, self.world.resource.status)

    def _happen(self) -> None:
        while self.waiting and self._is_due(self.waiting[0]):
            moment = self.waiting.pop(0)
            self.met_at = None
            self.world.happened(str(moment.do))
            moment.do.happen(self.driver)
            if self.waiting and self.waiting[0].after:
                return

    def _is_due(self, moment: Moment) -> bool:
        if self.met_at is None and moment.until.met(self.world.resource.status):
            self.met_at = self.world.now
        return self.met_at is not None and self.world.now - self.met_at >= moment.after

    def is_over(self) -> bool:
        """Whether nothing more happens, or it took too long."""
        if self.world.now >= self.scenario.longest:
            return True
        idle_since = max(self.world.wrote_at, self.driver.down_until)
        return not self.waiting and self.world.now - idle_since >= self.scenario.quiet


def begin(scenario: Scenario, kill_after: Collection[int] = ()) -> Run:
    """A scenario at its first second; the operator is killed after each of these writes, counted from 1."""
    resource = Resource(scenario.rollout)
    resource.edit(scenario.spec)
    cluster = Cluster(
        scenario.rollout,
        behaviours=dict(scenario.models),
        room=scenario.room,
        scaled=scenario.scaled_to is not None,
        load=Load(scenario.rate, scenario.rate, scenario.linger),
    )
    guard = Guard(spec=resource.parsed, steady=scenario.steady, by_hand=scenario.by_hand)
    world = World(cluster, resource, DEFAULT_IMAGE, guard, frozenset(kill_after))
    per_pod = scenario.scaled_to
    return Run(
        scenario,
        Driver(world),
        list(scenario.moments),
        Autoscaler(per_pod) if per_pod is not None else None,
    )


def run(scenario: Scenario, kill_after: Collection[int] = ()) -> Run:
    """A scenario played to its end."""
    played = begin(scenario, kill_after)
    while not played.is_over():
        played.tick()
    return played


def fork(run: Run, kill_after: Collection[int]) -> Run:
    """The same run from here on, with other kills; the original is not touched by what becomes of the copy."""
    world = run.world
    driver = run.driver
    unchanging: list[object] = [run.scenario, driver.ledger, driver.watch, driver.looked, *run.waiting, *world.entries]
    unchanging += [world.resource.status, world.resource.parsed, world.resource.written, *world.cluster.sources]
    unchanging += [one.source for one in world.cluster.deployments.values()]
    copied = copy.deepcopy(run, {id(one): one for one in unchanging})
    copied.world.kill_after = frozenset(kill_after)
    return copied


def final(world: World) -> dict[str, Any]:
    """Selector, revisions, replicas, conditions, history and reject list; no times, no counters, no messages."""
    status, cluster = world.resource.status, world.cluster
    return {
        "selector": cluster.service,
        "preview": cluster.preview,
        "budget": cluster.budget,
        "deployments": {one.revision: (one.replicas, sorted(one.groups)) for one in cluster.deployments.values()},
        "ready": {one: sum(pod.ready for pod in cluster.pods_of(one)) for one in cluster.deployments},
        "remembered": sorted(source.revision for source in cluster.sources),
        "phase": status.phase,
        "current": status.current,
        "stable": status.stable,
        "candidate": _place(world),
        "previous": status.previous.revision if status.previous is not None else "",
        "retreat": status.retreat.revision if status.retreat is not None else "",
        "fault": (status.fault.metric, status.fault.not_in_model) if status.fault is not None else None,
        "hold": status.hold.reason if status.hold is not None else "",
        "paused": status.paused,
        "size": status.size,
        "conditions": [(one.type, one.status, one.reason, one.observed_generation) for one in status.conditions],
        "history": [(one.revision, one.outcome, one.reason, one.promoted is not None) for one in status.history],
        "command": (status.last_command.id, status.last_command.outcome) if status.last_command is not None else None,
        "generation": status.observed_generation,
    }


def _place(world: World) -> tuple[str, int, str, str] | None:
    candidate = world.resource.status.candidate
    if candidate is None:
        return None
    return candidate.revision, candidate.weight, candidate.stage, candidate.routing
