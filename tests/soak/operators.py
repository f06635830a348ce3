"""What the operator's processes say of themselves, life by life: memory, tasks, and ends that nobody caused.

A life is one process in one role: a standby that takes over begins another one, with more to do.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families
from soak import growth
from soak.notes import Notes

from modelrollout.kube.errors import KubeError
from stage.kube import ApiError, Cluster, Object, path_of
from stage.operator import NAMESPACE, operator_pods
from stage.rollout import restarts

EVERY_SECONDS = 5.0
PORT = 8080
MOST = growth.Limit(slope=20.0, noise=2048.0)
"""KiB a minute, and KiB in all, that count as no growth."""
MORE_TASKS = 5
"""A leader has a task for each pod that it asks at the moment of a look."""
BORN, MEMORY, TASKS, LEADS = (
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "modelrollout_tasks",
    "modelrollout_leader",
)


@dataclass(frozen=True, slots=True)
class Life:
    """One process in one role."""

    pod: str
    born: float
    leads: bool


@dataclass(frozen=True, slots=True)
class Look:
    minute: float
    kib: float
    tasks: int


@dataclass(slots=True)
class Operators:
    """Every look at every life."""

    cluster: Cluster
    notes: Notes
    lives: dict[Life, list[Look]] = field(default_factory=dict)
    excused: Counter[str] = field(default_factory=Counter)
    """Restarts that we caused, by the pod's uid."""
    _known: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with suppress(ApiError, KubeError):
                for pod in await operator_pods(self.cluster):
                    self._blame_restarts(pod)
                    await self._look(pod["metadata"]["name"])
            await asyncio.sleep(EVERY_SECONDS)

    async def _look(self, pod: str) -> None:
        page = await self.cluster.read(f"{path_of('v1', 'Pod', NAMESPACE, pod)}:{PORT}/proxy/metrics")
        told = numbers(page.decode("utf-8", "replace"))
        if told is None:
            return
        life = Life(pod, told[BORN], bool(told[LEADS]))
        look = Look(self.notes.minutes, told[MEMORY] / 1024, int(told[TASKS]))
        self.lives.setdefault(life, []).append(look)

    def _blame_restarts(self, pod: Object) -> None:
        uid, count = pod["metadata"]["uid"], restarts(pod)
        if count > max(self._known[uid], self.excused[uid]):
            self.notes.blame(f"{pod['metadata']['name']} restarted by itself: {_why(pod)}")
        self._known[uid] = max(self._known[uid], count)

    @property
    def processes(self) -> dict[str, list[Look]]:
        """All looks at each process, whatever its role was."""
        found: dict[str, list[Look]] = {}
        for life, looks in self.lives.items():
            found.setdefault(f"{life.pod} since {life.born:.0f}", []).extend(looks)
        return {process: sorted(looks, key=lambda one: one.minute) for process, looks in found.items()}

    @property
    def memory(self) -> list[list[tuple[float, float]]]:
        """The later half of each process's life: caches fill first."""
        later = [looks[len(looks) // 2 :] for looks in self.processes.values()]
        return [[(one.minute, one.kib) for one in looks] for looks in later]

    def now(self) -> str:
        """The newest look at each process, for a line of progress."""
        newest = {life.pod: (life, looks[-1]) for life, looks in self.lives.items()}
        recent = [(life, one) for life, one in newest.values() if self.notes.minutes - one.minute < 1]
        return ", ".join(
            f"{'leader' if life.leads else 'standby'} {one.kib / 1024:.1f} MiB {one.tasks} tasks"
            for life, one in sorted(recent, key=lambda pair: not pair[0].leads)
        )

    def lines(self) -> list[str]:
        """What is said at the end."""
        grown, most = growth.slope(self.memory), max(one.kib for looks in self.lives.values() for one in looks)
        return [
            f"memory grows by {grown:.2f} KiB a minute (limit {MOST.slope:g}) and is at most {most / 1024:.1f} MiB",
            f"{len(self.processes)} processes; the longest was measured for {growth.span(self.memory):.1f} minutes",
            f"tasks of a leader {_range(self.lives, leads=True)}, of a standby {_range(self.lives, leads=False)}",
            *(_told(process, looks) for process, looks in self.processes.items()),
        ]

    def hoards(self) -> list[str]:
        """What grows that should not."""
        found = []
        if growth.grows(self.memory, MOST):
            found.append(f"the operator's memory grows by {growth.slope(self.memory):.2f} KiB a minute")
        for life, looks in self.lives.items():
            counts = [one.tasks for one in looks]
            if growth.usually_more(counts, MORE_TASKS):
                found.append(f"tasks of {life.pod} grow: {counts[0]} at first, {counts[-1]} at last")
        return found


def numbers(page: str) -> Mapping[str, float] | None:
    """The four numbers of a page of metrics; None for any other page, such as an error's."""
    with suppress(ValueError):
        samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
        found = {sample.name: sample.value for sample in samples if sample.name in {BORN, MEMORY, TASKS, LEADS}}
        return found if len(found) == len((BORN, MEMORY, TASKS, LEADS)) else None
    return None


def _told(process: str, looks: Sequence[Look]) -> str:
    """One life, in five looks spread over it."""
    sizes = ", ".join(f"{looks[(len(looks) - 1) * part // 4].kib / 1024:.1f}" for part in range(5))
    return f"  {process} from {looks[0].minute:.1f} to {looks[-1].minute:.1f} min: {sizes} MiB"


def _range(lives: Mapping[Life, Sequence[Look]], *, leads: bool) -> str:
    counts = [one.tasks for life, looks in lives.items() if life.leads is leads for one in looks]
    return f"{min(counts)} to {max(counts)}" if counts else "unknown"


def _why(pod: Object) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    ended = statuses[0].get("lastState", {}).get("terminated") or {}
    return f"exit code {ended.get('exitCode')}, {ended.get('reason')}: {ended.get('message', '')}"
