"""When each pod of a revision got its SIGTERM, by its own words.

The deletionTimestamp has whole seconds and lies in the future by the grace period. So it only says which pods to look
at; the moment is the one in the server's log line about the signal, which is written while it handles it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from modelrollout.kube.errors import KubeError
from stage.kube import ApiError, Object, path_of
from stage.rollout import Rollout

LOOK_SECONDS = 0.25
SIGNAL = "SIGTERM"


@asynccontextmanager
async def terminations(rollout: Rollout, revision: str) -> AsyncIterator[dict[str, float]]:
    """Seconds since the epoch by pod's name, growing while the block runs."""
    found: dict[str, float] = {}

    async def go_on() -> None:
        while True:
            with suppress(ApiError, KubeError):  # a pod that is gone has no log; the others are looked at again
                await _look(rollout, revision, found)
            await asyncio.sleep(LOOK_SECONDS)

    task = asyncio.create_task(go_on())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _look(rollout: Rollout, revision: str, found: dict[str, float]) -> None:
    for pod in await rollout.pods(revision):
        if "deletionTimestamp" in pod["metadata"] and pod["metadata"]["name"] not in found:
            await _read(rollout, pod, found)


async def _read(rollout: Rollout, pod: Object, found: dict[str, float]) -> None:
    name = pod["metadata"]["name"]
    path = path_of("v1", "Pod", rollout.namespace, name) + "/log"
    log = await rollout.cluster.read(path, {"container": "server", "tailLines": "20"})
    moment = signalled(log.decode("utf-8", "replace"))
    if moment is not None:
        found[name] = moment


def signalled(log: str) -> float | None:
    """When the server says that it got the signal; None where it has not said so yet."""
    for line in log.splitlines():
        if SIGNAL not in line:
            continue
        try:
            return datetime.fromisoformat(json.loads(line)["time"]).timestamp()
        except (ValueError, KeyError, TypeError):
            continue
    return None
