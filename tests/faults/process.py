"""One operator process: the real machine of reflectors, queue, loop, writer and scraper, without kopf and HTTP.

What kopf does, list and watch ModelRollouts and hand them in, is done here. A process that dies leaves nothing behind
but what it has written.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from faults.client import Client

from modelrollout.core.decide import decide
from modelrollout.kube.client import Page
from modelrollout.kube.errors import Gone, KubeError
from modelrollout.kube.resources import MODEL_ROLLOUTS, Object, Resource
from modelrollout.kube.store import Changed, Store
from modelrollout.kube.writer import stores
from modelrollout.metrics import Metrics
from modelrollout.settings import ScrapeVia, Settings
from modelrollout.shell.loop import Decide
from modelrollout.shell.machine import Machine, Outside

SETTINGS = Settings(scrape_via=ScrapeVia.PROXY, server_image="registry.example.com/server:1", workers=2)
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Guards:
    """The rules of crash safety as this process keeps them; a mutation run replaces one."""

    decide: Decide = decide
    kept: Callable[[Changed], Mapping[Resource, Store]] = stores
    client: type[Client] = Client


@dataclass(frozen=True, slots=True)
class Clocks:
    """Wall clock and monotonic clock."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]


class Process:
    """From its start to its death."""

    def __init__(self, client: Client, guards: Guards, clocks: Clocks) -> None:
        self.client = client
        self.broken: list[str] = []
        outside = Outside(
            kube=client,
            metrics=Metrics(),
            died=self.broken.append,
            decide=guards.decide,
            kept=guards.kept,
            now=clocks.now,
            clock=clocks.monotonic,
        )
        self.machine = Machine(SETTINGS, outside)
        self._tasks = [asyncio.create_task(self.machine.start()), asyncio.create_task(self._follow())]
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Task[None] | None = None

    @property
    def dead(self) -> bool:
        return self.client.dead

    def die(self) -> None:
        """Kill -9: no answer arrives any more, nothing is cleaned up at the API server."""
        self.client.dead = True
        if self._end is None:
            self._end = self._loop.create_task(self._bury())

    async def buried(self) -> None:
        """Wait until none of its tasks is left."""
        if self._end is not None:
            await self._end

    async def _bury(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.machine.stop()

    async def _follow(self) -> None:
        """As kopf does: list, then watch; what a list lacks is not told of."""
        while True:
            try:
                page = await self.client.list(MODEL_ROLLOUTS)
                for raw in page.items:
                    self.machine.seen(raw)
                await self._watch(page)
            except Gone:
                continue
            except KubeError:
                await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self, page: Page) -> None:
        version = page.version
        while True:
            async for event in self.client.watch(MODEL_ROLLOUTS, "", "", version):
                version = event.object["metadata"]["resourceVersion"]
                if event.type != "BOOKMARK" and not self.client.misses():
                    self._tell(event.type, event.object)

    def _tell(self, kind: str, raw: Object) -> None:
        if kind == "DELETED":
            self.machine.gone(raw)
        else:
            self.machine.seen(raw)
