"""Keeps one store equal to what the API server has: list, then watch, for ever.

A list replaces the store, so that what vanished while nobody watched is gone. A watch that ends in an error is taken
up again after a wait that grows fourfold, and so is one that ends at once; one that was good for a while and is then
too old is listed again without a wait. Nothing that the API server says, and no silence of it, ends the reflector.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from modelrollout.kube.client import WATCH_SECONDS, Page, WatchEvent
from modelrollout.kube.errors import Gone, KubeError
from modelrollout.kube.resources import Resource, version_of
from modelrollout.kube.store import Listing, Store

LEAST_WATCH_SECONDS = 1.0
WHOLE_WATCH_SECONDS = WATCH_SECONDS - 1.0
"""A watch that ended sooner was ended by something."""
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 12.0
"""With jitter 18 s, so that it goes on within half a minute after any fault."""

log = logging.getLogger(__name__)


class Source(Protocol):
    """Where objects come from: `client.Kube`, or a script in tests."""

    async def list(self, resource: Resource, namespace: str, selector: str) -> Page: ...

    def watch(self, resource: Resource, namespace: str, selector: str, version: str) -> AsyncIterator[WatchEvent]: ...

    async def rest(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """What is listed and watched. An empty namespace is the whole cluster."""

    resource: Resource
    namespace: str
    selector: str

    def __str__(self) -> str:
        return f"{self.resource.plural} in {self.namespace or 'all namespaces'}"


class Reflector:
    """One list and watch."""

    def __init__(self, source: Source, scope: Scope, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self.scope = scope
        self._store = store
        self._clock = clock
        self._last_ok = self._last_word = self._listed_at = clock()
        self.synced = asyncio.Event()
        self.lists = 0
        """Lists so far: 1 in a quiet life."""

    @property
    def age(self) -> float:
        """Seconds since the API server last said anything about these objects."""
        return self._clock() - self._last_ok

    @property
    def quiet(self) -> float:
        """Seconds since it last heard anything, be it a refusal; its time limits keep that short while it lives."""
        return self._clock() - max(self._last_ok, self._last_word)

    async def run(self) -> None:
        """List and watch until cancelled."""
        wait = FIRST_WAIT_SECONDS
        while True:
            begun = self._clock()
            try:
                await self._list_and_watch()
            except KubeError as error:
                self._last_word = self._clock()
                if self._watched_since(begun) > LONGEST_WAIT_SECONDS:
                    wait = 0.0 if isinstance(error, Gone) else FIRST_WAIT_SECONDS
                level = logging.INFO if isinstance(error, Gone) else logging.WARNING
                log.log(level, "%s: listing again in about %.1f s: %s", self.scope, wait, error)
            await self._source.rest(wait * _jitter())
            wait = min(max(4 * wait, FIRST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)

    def _watched_since(self, begun: float) -> float:
        """Seconds that watching went well since a list after that time; 0 where there was none."""
        return self._clock() - self._listed_at if self._listed_at >= begun else 0.0

    async def _list_and_watch(self) -> None:
        scope = self.scope
        page = await self._source.list(scope.resource, scope.namespace, scope.selector)
        self.lists += 1
        self._last_ok = self._clock()
        self._listed_at = self._last_ok
        self._store.replace(Listing(scope.namespace, page.items, page.version))
        self.synced.set()
        version, pause = page.version, LEAST_WATCH_SECONDS
        while True:
            begun = self._clock()
            version = await self._watch(version)
            lasted = self._clock() - begun
            if lasted >= WHOLE_WATCH_SECONDS:
                continue
            pause = 0.0 if lasted >= LEAST_WATCH_SECONDS else pause
            await self._source.rest(pause)
            pause = min(max(4 * pause, LEAST_WATCH_SECONDS), LONGEST_WAIT_SECONDS)

    async def _watch(self, version: str) -> str:
        """Follow one stream to its end; gives the version to go on from."""
        scope = self.scope
        async for event in self._source.watch(scope.resource, scope.namespace, scope.selector, version):
            self._last_ok = self._clock()
            version = version_of(event.object)
            self._take(event)
        self._last_ok = self._clock()
        return version

    def _take(self, event: WatchEvent) -> None:
        if event.type == "BOOKMARK":
            return
        if event.type == "DELETED":
            self._store.remove(event.object)
            return
        self._store.put(event.object)


def _jitter() -> float:
    return random.uniform(0.5, 1.5)  # noqa: S311  # spreads load, keeps no secret
