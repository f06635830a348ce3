"""Whether this process is alive and ready: dead tasks, a stuck event loop, a watch that went to sleep by our own fault.

An API server that cannot be reached is no reason to restart the operator: a restart would only lose what it knows.
"""

import asyncio
import time
from collections.abc import Callable

BEAT_SECONDS = 0.5
STUCK_SECONDS = 10.0


class Health:
    """Tasks that must not end, the pulse of the event loop, and what readiness waits for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._beat = clock()
        self.lag = 0.0
        """Seconds that the last beat came late."""
        self.waits_for = "the first lists"
        """What has to come before this process is ready; empty where nothing has."""
        self.stalled: Callable[[], str] = lambda: ""
        """Which watch has neither heard nor tried anything though the API server answers; empty where none."""

    @property
    def ready(self) -> bool:
        return not self.waits_for

    def guard(self, task: "asyncio.Task[None]") -> None:
        """A task whose end is the end of the operator."""
        self._tasks.append(task)

    async def beat(self) -> None:
        """The pulse: notes how late the event loop is, until cancelled."""
        while True:
            self._beat = self._clock()
            await asyncio.sleep(BEAT_SECONDS)
            self.lag = max(0.0, self._clock() - self._beat - BEAT_SECONDS)

    def complaint(self) -> str:
        """Why this process should be restarted; empty when it should not."""
        dead = [task.get_name() for task in self._tasks if task.done()]
        if dead:
            return f"ended: {', '.join(dead)}"
        late = self._clock() - self._beat - BEAT_SECONDS
        if late > STUCK_SECONDS:
            return f"the event loop has been stuck for {late:.0f} s"
        return self.stalled()
