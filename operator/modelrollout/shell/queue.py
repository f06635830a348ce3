"""A level-triggered queue of keys: a key is in it once, runs once at a time, and is tried again until it succeeds.

Two levels: a rollback goes to the head. A key that is added while it runs runs again afterwards. Failures wait longer
and longer, with jitter; the API server's wish to be left alone (429) pauses everything but the head.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from modelrollout.kube.errors import KubeError

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 20.0
LONGEST_URGENT_WAIT_SECONDS = 2.0
RUN_SECONDS = 60.0

log = logging.getLogger(__name__)

Run = Callable[[str], Awaitable[timedelta | None]]
"""Work on a key; gives when it should run again although nothing was added."""


class UrgentFailure(Exception):  # noqa: N818  # what it is, not what went wrong: see its cause
    """A run that must not wait long for its next try."""


@dataclass(slots=True)
class Waiting:
    """A key that has not run yet."""

    since: float
    urgent: bool


class Queue:
    """Keys, and workers that run them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: dict[str, Waiting] = {}
        """Keys to run, also those that are running and have to run again."""
        self._heads: deque[str] = deque()
        self._line: deque[str] = deque()
        self._busy: set[str] = set()
        self._failures: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._paused_until = 0.0
        self._something = asyncio.Event()
        self._something_urgent = asyncio.Event()

    @property
    def depth(self) -> int:
        return len(self._waiting)

    @property
    def oldest(self) -> float:
        """Seconds that the key which has waited longest has waited."""
        now = _now()
        return max((now - waiting.since for waiting in self._waiting.values()), default=0.0)

    def add(self, key: str) -> None:
        """Run a key soon."""
        self._add(key, urgent=False)

    def remind(self, key: str) -> None:
        """Run a key soon, unless it waits after a failure: what comes every second would leave nothing of that wait."""
        if key not in self._failures or key not in self._timers:
            self.add(key)

    def add_urgent(self, key: str) -> None:
        """Run a key before all that are not urgent."""
        self._add(key, urgent=True)

    def add_after(self, key: str, delay: timedelta) -> None:
        """Run a key after a while, or earlier where that was asked before."""
        self._add_at(key, _now() + delay.total_seconds(), urgent=False)

    def forget(self, key: str) -> None:
        """A key that is gone: no timer and no failures any more."""
        self._failures.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def pause(self, delay: timedelta) -> None:
        """Start nothing that is not urgent for a while."""
        self._paused_until = max(self._paused_until, _now() + delay.total_seconds())

    async def work(self) -> None:
        """One worker: runs keys until cancelled."""
        while True:
            while (key := self._take_any()) is None:
                self._something.clear()
                await self._wait()
            await self._work_on(key)

    async def work_on_urgent(self) -> None:
        """A worker for urgent keys alone: it is free when all others wait for a slow API server."""
        while True:
            while (key := self._take(self._heads)) is None:
                self._something_urgent.clear()
                await self._something_urgent.wait()
            await self._work_on(key)

    async def _work_on(self, key: str) -> None:
        del self._waiting[key]
        self._busy.add(key)
        try:
            await self._once(key)
        finally:
            self._busy.discard(key)
            if key in self._waiting:
                self._line_up(key)

    async def _once(self, key: str) -> None:
        try:
            async with asyncio.timeout(RUN_SECONDS):
                again = await self._run(key)
        except UrgentFailure as error:
            self._failed(key, error.__cause__ or error, LONGEST_URGENT_WAIT_SECONDS)
        except Exception as error:  # noqa: BLE001  # one rollout's trouble never stops the others
            self._failed(key, error, LONGEST_WAIT_SECONDS)
        else:
            self._failures.pop(key, None)
            if again is not None:
                self.add_after(key, again * random.uniform(1.0, 1.1))  # noqa: S311  # later, never earlier

    def _failed(self, key: str, error: BaseException, longest: float) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        wait = min(longest, FIRST_WAIT_SECONDS * 2 ** min(failures - 1, 20)) * random.uniform(0.5, 1.0)  # noqa: S311
        unexpected = None if isinstance(error, (KubeError, TimeoutError)) else error
        said = str(error) or type(error).__name__
        log.warning(
            "%s: failed %d times in a row, trying again in %.1f s: %s", key, failures, wait, said, exc_info=unexpected
        )
        self._add_at(key, _now() + wait, urgent=longest == LONGEST_URGENT_WAIT_SECONDS)

    def _add(self, key: str, *, urgent: bool) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        waiting = self._waiting.get(key)
        if waiting is not None and (waiting.urgent or not urgent):
            return
        self._waiting[key] = Waiting(waiting.since if waiting is not None else _now(), urgent)
        if key not in self._busy:
            self._line_up(key)

    def _add_at(self, key: str, when: float, *, urgent: bool) -> None:
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= when:
            return
        if timer is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_at(when, lambda: self._add(key, urgent=urgent))

    def _line_up(self, key: str) -> None:
        self._something.set()
        if not self._waiting[key].urgent:
            self._line.append(key)
            return
        self._heads.append(key)
        self._something_urgent.set()

    def _take_any(self) -> str | None:
        """The next key of the head, else of the line unless that is paused."""
        key = self._take(self._heads)
        if key is not None or _now() < self._paused_until:
            return key
        return self._take(self._line)

    def _take(self, lined: deque[str]) -> str | None:
        """The next key; entries of keys that run, or that have run since, fall out."""
        while lined:
            key = lined.popleft()
            if key in self._waiting and key not in self._busy:
                return key
        return None

    async def _wait(self) -> None:
        left = self._paused_until - _now()
        try:
            async with asyncio.timeout(left if left > 0 and self._line else None):
                await self._something.wait()
        except TimeoutError:
            return


def _now() -> float:
    return asyncio.get_running_loop().time()
