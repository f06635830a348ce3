"""Tells people what happened: a Kubernetes Event and one log line for each note of a decision.

Events last an hour; the log line stays. Telling never holds anything up and never fails anything: an Event that
cannot be written is a warning in the log. The same note twice within a few minutes is told once, and what can be only
once in a rollout each time that there is another one.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from modelrollout import names
from modelrollout.core.decision import Note
from modelrollout.core.facts import Rollout
from modelrollout.kube.errors import KubeError
from modelrollout.kube.resources import EVENTS, Object
from modelrollout.kube.writer import Api
from modelrollout.printable import printable

SAME_SECONDS = 300.0
AGAIN_SECONDS = 5.0
"""Within these a decision may be taken twice, since its first write met a conflict."""
EACH_TIME = frozenset({"RolloutStarted", "RolledBack", "Promoted", "Superseded", "WentBack"})
MOST_REMEMBERED = 2048
MESSAGE_LENGTH = 1024
"""The API server's limit for an Event's message."""

log = logging.getLogger("modelrollout")


class Teller:
    """Writes notes as Events, in the background."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._told: dict[tuple[str, str, str], float] = {}
        self._last: dict[str, asyncio.Task[None]] = {}
        """The newest Event of each rollout, on its way: the next one waits for it, so that they stay in order."""

    def tell(self, rollout: Rollout, notes: tuple[Note, ...]) -> None:
        """Log notes, and write each as an Event some time soon."""
        for note in notes:
            if self._is_new(rollout, note):
                _log(rollout, note)
                self._write_after(self._last.get(rollout.uid), rollout, note)

    async def finish(self) -> None:
        """Wait for the Events that are on their way."""
        await asyncio.gather(*self._last.values(), return_exceptions=True)

    def _write_after(self, before: asyncio.Task[None] | None, rollout: Rollout, note: Note) -> None:
        async def write() -> None:
            if before is not None:
                await asyncio.wait({before})
            await self._write(rollout, note)
            if self._last.get(rollout.uid) is asyncio.current_task():
                del self._last[rollout.uid]

        self._last[rollout.uid] = asyncio.create_task(write())

    def _is_new(self, rollout: Rollout, note: Note) -> bool:
        key, now = (rollout.uid, note.reason, note.message), self._clock()
        before = self._told.pop(key, None)
        self._told[key] = now
        while len(self._told) > MOST_REMEMBERED:
            del self._told[next(iter(self._told))]
        same = AGAIN_SECONDS if note.reason in EACH_TIME else SAME_SECONDS
        return before is None or now - before > same

    async def _write(self, rollout: Rollout, note: Note) -> None:
        try:
            await self._api.create(EVENTS, rollout.namespace, event(rollout, note, datetime.now(UTC)))
        except KubeError as error:
            log.warning("%s: the Event %s could not be written: %s", rollout.key, note.reason, error)


def event(rollout: Rollout, note: Note, now: datetime) -> Object:
    """A note as a core/v1 Event about the rollout."""
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{rollout.name}.{uuid.uuid4().hex[:16]}", "namespace": rollout.namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "namespace": rollout.namespace,
            "name": rollout.name,
            "uid": rollout.uid,
        },
        "reason": note.reason,
        "message": _shortened(printable(note.message)),
        "type": "Warning" if note.warning else "Normal",
        "source": {"component": names.MANAGER},
        "reportingComponent": names.MANAGER,
        "reportingInstance": names.MANAGER,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def _shortened(message: str) -> str:
    return message if len(message) <= MESSAGE_LENGTH else f"{message[: MESSAGE_LENGTH - 3]}..."


def _log(rollout: Rollout, note: Note) -> None:
    level = logging.WARNING if note.warning else logging.INFO
    fields = {"rollout": rollout.key, "reason": note.reason}
    log.log(level, "%s: %s: %s", rollout.key, note.reason, note.message, extra={"fields": fields})
