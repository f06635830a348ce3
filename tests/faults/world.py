"""A cluster, one or more operators, a plan of faults and a watchman, in virtual time: the same seed, the same run."""

import asyncio
import logging
import random
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from faults.apiserver import ApiServer
from faults.client import Client, Wire
from faults.etcd import Object, Write
from faults.kubelet import Kubelet
from faults.plan import Plan
from faults.process import Clocks, Guards, Process
from faults.watchman import OPERATOR, Rules, Watchman
from shell.virtual import VirtualLoop

from modelrollout import names
from modelrollout.api.status import ModelRolloutStatus
from modelrollout.kube.resources import (
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    MODEL_ROLLOUTS,
    SERVICES,
    Resource,
)
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.cluster import Cluster, Load

ROLLOUT = "churn"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
RESTART_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Setting:
    """What a world is made of."""

    plan: Plan = field(default_factory=Plan)
    rules: Rules = field(default_factory=Rules)
    guards: Guards = field(default_factory=Guards)
    operators: int = 1
    models: Mapping[str, Behaviour] = field(default_factory=dict)


class Troubles(logging.Handler):
    """Listens to the operators' logs for what must never happen: an exception that nobody expected."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []
        self._log = logging.getLogger("modelrollout")

    def listen(self) -> None:
        self._log.addHandler(self)
        self._log.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.heard.append(f"{record.getMessage()}\n{''.join(traceback.format_exception(record.exc_info[1]))}")

    def close(self) -> None:
        self._log.removeHandler(self)
        self._log.propagate = True
        super().close()


class World:
    """Everything there is in one run. Close it when it is over."""

    def __init__(self, setting: Setting | None = None) -> None:
        setting = setting if setting is not None else Setting()
        random.seed(setting.plan.seed)
        self._troubles = Troubles()
        self._troubles.listen()
        self.plan = setting.plan
        self.guards = setting.guards
        self.skew = timedelta(0)
        """How wrong the operators' wall clock is."""
        self.second = 0
        self.wrote_at = 0
        """When an operator last wrote."""
        self._loop = VirtualLoop()
        self.server = ApiServer()
        self.cluster = Cluster(ROLLOUT, behaviours=dict(setting.models), load=Load())
        self.kubelet = Kubelet(self.server, self.cluster, BEGIN)
        self.watchman = Watchman(self.cluster, self.server, setting.rules)
        self.server.etcd.told = self._wrote
        self.server.etcd.now = self._loop.time
        self.history: list[Write] = []
        self.wrote = 0
        """Writes by operators that were forgotten."""
        self._begun = self._loop.time()
        self._started = 0
        self._down: list[int] = []
        """When dead processes are started again, in seconds."""
        self._graves: list[Process] = []
        self.processes = [self._process() for _ in range(setting.operators)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process and the loop."""
        self._troubles.close()
        self._loop.run_until_complete(self._end())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    @property
    def broken(self) -> list[str]:
        died = [f"a task of {one.client.name} ended: {what}" for one in self.processes for what in one.broken]
        return [*self.watchman.broken, *died, *self._troubles.heard]

    @property
    def status(self) -> ModelRolloutStatus:
        return self.watchman.status

    def tick(self) -> None:
        """One second of everybody."""
        self._loop.run_until_complete(asyncio.sleep(1))
        self.second += 1
        self.server.clock = self._time().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.kubelet.step()
        self.server.collect()
        self._bury()
        self._start_again()
        self.watchman.ticked()

    def advance(self, seconds: int) -> None:
        for _ in range(seconds):
            self.tick()

    def until(self, check: Callable[[], bool], limit: int = 400) -> None:
        """Go on until something is so.

        Raises:
            AssertionError: it was never so.

        """
        for _ in range(limit):
            if check():
                return
            self.tick()
        raise AssertionError(f"after {limit} s: {self.status.phase}: {self.status.message}; {self.broken}")

    def settle(self, quiet: int = 12, limit: int = 400) -> None:
        """Go on until no operator has written for a while."""
        self.until(lambda: self.second - self.wrote_at >= quiet and not self._down, limit)

    def ask(self, spec: Mapping[str, Any], by: str = "git") -> None:
        """Apply the rollout's spec server-side, as git tools do."""
        self.server.apply(MODEL_ROLLOUTS, {"metadata": {"name": ROLLOUT}, "spec": dict(spec)}, by)

    def object(self, resource: Resource, name: str = ROLLOUT) -> Object:
        return self.server.get(resource, name)

    def tasks(self) -> int:
        """How many tasks there are."""
        return len(asyncio.all_tasks(self._loop))

    def forget(self) -> None:
        """Let go of the past, so that a long run stays small; whoever is behind has to list again."""
        self.wrote += len(self.history)
        self.history.clear()
        self.server.etcd.compact()
        self.kubelet.forget()
        self.watchman.forget()
        self.plan.points.clear()

    def kill(self) -> None:
        """Every operator process dies now."""
        for process in self.processes:
            process.die()

    def final(self) -> dict[str, Any]:
        """What it has come to, without times, counters and messages: equal for runs with and without faults."""
        status = self.status
        service = self.server.find(SERVICES, ROLLOUT)
        return {
            "selector": service["spec"]["selector"] if service is not None else None,
            "deployments": {_revision(obj): _size(obj) for obj in self.server.etcd.all(DEPLOYMENTS.plural)},
            "remembered": [_revision(obj) for obj in self.server.etcd.all(CONTROLLER_REVISIONS.plural)],
            "budgets": [obj["spec"]["selector"] for obj in self.server.etcd.all(DISRUPTION_BUDGETS.plural)],
            "autoscalers": [obj["metadata"]["name"] for obj in self.server.etcd.all(AUTOSCALERS.plural)],
            "phase": status.phase,
            "current": status.current,
            "stable": status.stable,
            "candidate": status.candidate.revision if status.candidate is not None else "",
            "previous": status.previous.revision if status.previous is not None else "",
            "hold": status.hold.reason if status.hold is not None else "",
            "size": status.size,
            "conditions": [(one.type, one.status, one.reason) for one in status.conditions],
            "history": [(one.revision, one.outcome, one.reason) for one in status.history],
        }

    def _wrote(self, write: Write) -> None:
        self.watchman.wrote(write)
        if write.by.startswith(OPERATOR):
            self.history.append(write)
            self.wrote_at = self.second

    def _time(self) -> datetime:
        return BEGIN + timedelta(seconds=self._loop.time() - self._begun)

    def _process(self, behind: int = 0) -> Process:
        self._started += 1
        holder: list[Process] = []

        def die() -> None:
            holder[0].die()

        wire = Wire(self.server, self.plan, self._health, self.watchman.refused, die)
        client = self.guards.client(f"{OPERATOR}-{self._started}", wire, behind)
        clocks = Clocks(lambda: self._time() + self.skew, self._loop.time)
        process = self._loop.run_until_complete(_made(client, self.guards, clocks))
        holder.append(process)
        return process

    def _health(self, pod: str) -> bytes | None:
        body = self.kubelet.health(pod)
        if body is not None:
            found = next(one for one in self.cluster.pods if one.name == pod)
            told = sum(one.counters.requests for one in self.cluster.pods if one.revision == found.revision)
            self.watchman.told[found.revision] = max(self.watchman.told[found.revision], told)
        return body

    def _bury(self) -> None:
        for process in [one for one in self.processes if one.dead]:
            self.processes.remove(process)
            self._graves.append(process)
            self._down.append(self.second + RESTART_SECONDS)

    def _start_again(self) -> None:
        for due in [one for one in self._down if one <= self.second]:
            self._down.remove(due)
            self.processes.append(self._process(0 if self.plan.quiet else self.plan.travel))
            for process in self._graves:
                self._loop.run_until_complete(process.buried())
            self._graves.clear()

    async def _end(self) -> None:
        for process in self.processes:
            process.die()
        await asyncio.gather(*(process.buried() for process in (*self.processes, *self._graves)))


async def _made(client: Client, guards: Guards, clocks: Clocks) -> Process:
    return Process(client, guards, clocks)


def _revision(obj: Object) -> str:
    return str(obj["metadata"]["labels"][names.REVISION_LABEL])


def _size(obj: Object) -> tuple[int, list[str]]:
    labels = obj["spec"]["template"]["metadata"]["labels"]
    return obj["spec"]["replicas"], sorted(key for key in labels if key.startswith(names.GROUP_LABEL_PREFIX))
