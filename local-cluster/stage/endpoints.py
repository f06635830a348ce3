"""Who stands behind a Service, looked at again and again beside whatever else happens."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from modelrollout import names
from stage.kube import path_of
from stage.rollout import Rollout, ready, revision_of

SAMPLE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: ready endpoints and ready pods by revision."""

    time: float
    behind: Mapping[str, int]
    """Ready endpoints of the Service, by their pods' revision."""
    pods: Mapping[str, int]
    """Ready pods of the rollout, in the Service or not."""
    ending: Mapping[str, int]
    """Pods of the rollout that were told to end."""
    selector: Mapping[str, str]


@dataclass(slots=True)
class Samples:
    """All looks, oldest first."""

    all: list[Sample] = field(default_factory=list)

    def since(self, moment: float) -> list[Sample]:
        return [one for one in self.all if one.time >= moment]

    def breaking(self, rule: Callable[[Sample], bool]) -> list[Sample]:
        """The samples for which a rule does not hold."""
        return [one for one in self.all if not rule(one)]


async def look(rollout: Rollout) -> Sample:
    """The EndpointSlices, whose pods tell their revision by their names, and the pods."""
    cluster = rollout.cluster
    slices = path_of("discovery.k8s.io/v1", "EndpointSlice", rollout.namespace)
    found = await cluster.list(slices, f"kubernetes.io/service-name={rollout.name}")
    behind = Counter(
        endpoint["targetRef"]["name"].removeprefix(f"{rollout.name}-").partition("-")[0]
        for one in found
        for endpoint in one.get("endpoints") or ()
        if endpoint.get("conditions", {}).get("ready")
    )
    pods = await rollout.pods()
    return Sample(
        time=time.time(),
        behind=behind,
        pods=Counter(revision_of(pod) for pod in pods if ready(pod)),
        ending=Counter(revision_of(pod) for pod in pods if "deletionTimestamp" in pod["metadata"]),
        selector=await rollout.selector(),
    )


@asynccontextmanager
async def sampled(rollout: Rollout, every: float = SAMPLE_SECONDS) -> AsyncIterator[Samples]:
    """Look every so many seconds while the block runs; a look that failed is raised at its end, not lost."""
    samples = Samples()

    async def go_on() -> None:
        due = time.monotonic()
        while True:
            samples.all.append(await look(rollout))
            due = max(due + every, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    task = asyncio.create_task(go_on())
    try:
        yield samples
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def group_of(sample: Sample) -> str:
    """The stable whose group the Service selects; empty where it selects one revision alone."""
    keys = [key for key in sample.selector if key.startswith(names.GROUP_LABEL_PREFIX)]
    return keys[0].removeprefix(names.GROUP_LABEL_PREFIX) if keys else ""
