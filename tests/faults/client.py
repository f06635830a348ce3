"""The API server as one operator process reaches it: requests take time, answers get lost, watches lag, and break.

Every request has two points at which its process can die: before the server has got it, and before the answer is
back. A dead process gets no answers and does nothing more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from faults.apiserver import ApiServer
from faults.etcd import Object, Write
from faults.plan import Plan, Point

from modelrollout.kube.client import Fence, Kube, Page, WatchEvent
from modelrollout.kube.errors import Conflict, Gone, Invalid, KubeError, NotFound, Unavailable
from modelrollout.kube.resources import EVENTS, MODEL_ROLLOUTS, Resource
from modelrollout.kube.transport import Answer, Call

WATCH_SECONDS = 60.0
LAG_SECONDS = 4.0
"""How long a watch is behind at most, when too little is written to leave it behind by versions."""

Result = TypeVar("Result")
Health = Callable[[str], bytes | None]
"""What a pod's health port answers, by the pod's name; None for no answer."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What a client is connected to."""

    server: ApiServer
    plan: Plan
    health: Health
    refused: Callable[[str], None]
    """Told of each write that the API server refused, because its maker had seen something old."""
    die: Callable[[], None]
    """Ends the process whose client this is."""


class Client(Kube):
    """One process's client."""

    def __init__(self, name: str, wire: Wire, behind: int = 0) -> None:
        self.name = name
        self.dead = False
        self._behind = behind
        """Versions that the first list of each kind is old."""
        self._listed: set[str] = set()
        self.wire = wire
        self._server = wire.server
        self._plan = wire.plan

    async def close(self) -> None:
        return

    def fenced(self, fence: Fence) -> Self:
        """Itself: these processes lead for as long as they live."""
        del fence
        return self

    def urgent(self) -> Self:
        return self

    def unpaced(self) -> Self:
        return self

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def misses(self) -> bool:
        """Whether kopf keeps this change to itself."""
        return self._plan.misses()

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        return await self._request(
            Point("get", resource.plural, False), lambda: self._server.get(resource, name, namespace)
        )

    async def create(self, resource: Resource, namespace: str, obj: Object) -> Object:
        del namespace
        if resource == EVENTS:
            return await self._request(Point("create", resource.plural, False), lambda: obj)
        return await self._do("create", resource, lambda: self._server.create(resource, obj, self.name))

    async def replace(self, resource: Resource, obj: Object) -> Object:
        return await self._do("update", resource, lambda: self._server.update(resource, obj, self.name))

    async def replace_status(self, resource: Resource, obj: Object) -> Object:
        return await self._do("status", resource, lambda: self._server.update_status(resource, obj, self.name))

    async def merge(self, resource: Resource, namespace: str, name: str, patch: Object) -> Object:
        del namespace
        return await self._do("merge", resource, lambda: self._server.merge(resource, name, patch, self.name))

    async def json_patch(self, resource: Resource, namespace: str, name: str, steps: Sequence[Object]) -> Object:
        del namespace
        try:
            return await self._do(
                "json-patch", resource, lambda: self._server.json_patch(resource, name, steps, self.name)
            )
        except Invalid as error:
            raise Conflict(str(error)) from error

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        del namespace
        try:
            await self._do("delete", resource, lambda: self._server.delete(resource, name, self.name, uid))
        except NotFound:
            return

    async def through_pod(self, namespace: str, pod_and_port: str, path: str, call: Call) -> Answer:
        del namespace, path, call
        body = await self._request(
            Point("scrape", "pods", False), lambda: self.wire.health(pod_and_port.partition(":")[0])
        )
        if body is None:
            raise Unavailable(f"{pod_and_port} does not answer")
        return Answer(200, body)

    async def list(self, resource: Resource, namespace: str = "", selector: str = "") -> Page:
        return await self._request(
            Point("list", resource.plural, False), lambda: self._page(resource, namespace, selector)
        )

    def _page(self, resource: Resource, namespace: str, selector: str) -> Page:
        etcd = self._server.etcd
        version = etcd.version
        if resource.plural not in self._listed and self._behind:
            version = max(etcd.compacted, etcd.version - self._behind)
            self._plan.count("list from the past after a restart")
        self._listed.add(resource.plural)
        found = etcd.at(resource.plural, version)
        items = [found[key] for key in sorted(found) if namespace in {"", key[1]} and _selected(found[key], selector)]
        return Page(items, str(version))

    async def watch(self, resource: Resource, namespace: str, selector: str, version: str) -> AsyncIterator[WatchEvent]:
        del namespace
        etcd, at = self._server.etcd, int(version)
        loop = asyncio.get_running_loop()
        ends = loop.time() + WATCH_SECONDS
        while loop.time() < ends:
            if at < etcd.compacted:
                raise Gone("too old resource version")
            for write in etcd.since(resource.plural, at):
                await self._lag(write)
                self._alive()
                if resource != MODEL_ROLLOUTS and self._plan.breaks():
                    raise Gone("the event in requested index is outdated and cleared")
                at = write.version
                if (event := _event(write, selector)) is not None:
                    yield event
            if not etcd.since(resource.plural, at):
                at = max(at, etcd.version)
                await etcd.news(resource.plural, ends - loop.time())
        yield WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(at)}})

    async def _lag(self, write: Write) -> None:
        """Wait until the view is allowed to show a write."""
        lag = self._plan.lags()
        if not lag:
            return
        self._plan.count("change seen 1 to 9 versions late")
        etcd, now = self._server.etcd, asyncio.get_running_loop().time
        while self._plan.lags() and etcd.version < write.version + lag and now() < write.at + LAG_SECONDS:
            await _a_moment()

    async def _do(self, verb: str, resource: Resource, work: Callable[[], Result]) -> Result:
        return await self._request(Point(verb, resource.plural, False), work)

    async def _request(self, point: Point, work: Callable[[], Result]) -> Result:
        await self._way(point)
        failed: KubeError | None = None
        if point.writes and self._plan.refuses():
            await self._way(Point(point.verb, point.plural, True))
            raise Conflict("the object has been modified; please apply your changes to the latest version")
        try:
            result = work()
        except KubeError as error:
            failed = error
            if point.writes and point.plural != MODEL_ROLLOUTS.plural:
                self.wire.refused(f"{self.name} {point}: {error}")
        await self._way(Point(point.verb, point.plural, True))
        if failed is not None:
            raise failed
        if point.writes and self._plan.loses():
            raise Unavailable("timed out")
        return result

    async def _way(self, point: Point) -> None:
        """One way of a request."""
        self._alive()
        await asyncio.sleep(self._plan.latency())
        self._alive()
        if self._plan.dies(point):
            self.dead = True
            self.wire.die()
            self._alive()

    def _alive(self) -> None:
        if self.dead:
            raise Unavailable("this process is dead")


async def _a_moment() -> None:
    """Virtual time goes by."""
    await asyncio.sleep(0.25)


def _event(write: Write, selector: str) -> WatchEvent | None:
    was = write.before is not None and _selected(write.before, selector)
    if write.after is not None and _selected(write.after, selector):
        return WatchEvent("MODIFIED" if was else "ADDED", write.after)
    if not was or write.before is None:
        return None
    gone = write.after if write.after is not None else write.before
    return WatchEvent("DELETED", gone | {"metadata": gone["metadata"] | {"resourceVersion": str(write.version)}})


def _selected(obj: Object, selector: str) -> bool:
    wanted = dict(part.split("=") for part in selector.split(",") if part)
    return wanted.items() <= (obj["metadata"].get("labels") or {}).items()
