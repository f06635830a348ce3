"""One scraper for all rollouts: due times on one heap, the pods of one rollout together, capped in flight.

It knows nothing of verdicts: a finished round is handed on. A scrape that could not be sent within the round's time
is no data about the pod; a round that is still under way when the next is due makes that one fall out.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from modelrollout.core.decision import Watch
from modelrollout.ledger import Failure, Look, Looks
from modelrollout.scrape.cadence import Cadence
from modelrollout.scrape.slots import Slots
from modelrollout.scrape.target import Scrape, Target

LONGEST_SECONDS = 3.0
MOST_IN_FLIGHT = 256
NEVER_SENT = "too many scrapes were under way"

log = logging.getLogger(__name__)

Targets = Callable[[str, Watch], tuple[Target, ...]]
"""Pods of a rollout that should be scraped under a watch."""
Done = Callable[[str, Watch, Looks], None]
"""Told of each finished round. Must not raise."""


class Scraper:
    """Scrapes what it is told to watch."""

    def __init__(
        self, scrape: Scrape, targets: Targets, done: Done, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._scrape = scrape
        self._targets = targets
        self._done = done
        self._clock = clock
        self._cadence = Cadence()
        self._watches: dict[str, Watch] = {}
        self._rounds: dict[str, asyncio.Task[None]] = {}
        self._slots = Slots(MOST_IN_FLIGHT)
        self._told = asyncio.Event()

    @property
    def watched(self) -> int:
        """Rollouts that are being watched."""
        return len(self._watches)

    def watch(self, key: str, watch: Watch | None) -> None:
        """Scrape a rollout this way from now on; None stops it."""
        if watch is None:
            self._watches.pop(key, None)
            self._cadence.remove(key)
            return
        self._watches[key] = watch
        self._cadence.set(key, watch.interval.total_seconds(), self._clock())
        self._told.set()

    def clear(self) -> None:
        """Scrape nothing from now on; rounds that are under way end by themselves."""
        for key in tuple(self._watches):
            self.watch(key, None)

    async def run(self) -> None:
        """Start rounds when they are due, until cancelled."""
        try:
            while True:
                await self._sleep_until_due()
                while (key := self._cadence.pop(self._clock())) is not None:
                    self._start(key)
        finally:
            for task in self._rounds.values():
                task.cancel()

    async def _sleep_until_due(self) -> None:
        due = self._cadence.next_due()
        self._told.clear()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                await self._told.wait()
        except TimeoutError:
            return

    def _start(self, key: str) -> None:
        if key in self._rounds:
            return
        task = asyncio.create_task(self._round(key), name=f"scrape {key}")
        self._rounds[key] = task
        task.add_done_callback(lambda ended: self._ended(key, ended))

    def _ended(self, key: str, task: "asyncio.Task[None]") -> None:
        self._rounds.pop(key, None)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: a round of scrapes broke", key, exc_info=task.exception())

    async def _round(self, key: str) -> None:
        watch = self._watches.get(key)
        if watch is None:
            return
        at = self._clock()
        pods = self._targets(key, watch)
        seconds = min(watch.interval.total_seconds(), LONGEST_SECONDS)
        looks = await asyncio.gather(*(self._look(key, pod, seconds) for pod in pods))
        self._done(key, watch, Looks(at, tuple(looks)))

    async def _look(self, key: str, pod: Target, seconds: float) -> Look:
        try:
            async with self._slots.one(pod.namespace, key, seconds):
                found = await self._scrape(pod, seconds)
        except TimeoutError:
            return Look(pod.uid, pod.revision, None, NEVER_SENT, sent=False)
        except Exception as error:
            log.exception("%s/%s: scraping it broke", pod.namespace, pod.name)
            return Look(pod.uid, pod.revision, None, f"could not be scraped: {type(error).__name__}")
        if isinstance(found, Failure):
            return Look(pod.uid, pod.revision, None, found.reason, heard=found.heard)
        return Look(pod.uid, pod.revision, found)
