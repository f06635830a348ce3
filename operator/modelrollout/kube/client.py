"""What this operator asks of the API server: plain dicts in, plain dicts or typed errors out.

Every call has a time limit. A write is never sent twice by this module: whether to try again is the caller's
decision, after it has read again. `errors` says what can be raised.
"""

import copy
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Self

from modelrollout.kube import errors, transport
from modelrollout.kube.managers import FIELD_MANAGER, keep_last_writer, without_managers
from modelrollout.kube.outage import Line, Outage
from modelrollout.kube.resources import Object, Resource, version_of
from modelrollout.kube.transport import Answer, Call, Transport

PAGE = 500
WATCH_SECONDS = 14
"""A connection that died without a word is found out when the watch should have ended, so watches are short."""
SILENCE = timedelta(seconds=18)
"""A watch that says nothing for so long, past its own end, is dead. Bookmarks are no sign of life: of a kind that has
no objects at all the API server sends none. With the wait for one's turn to begin again (`outage`) it is below 30 s."""
LIST_SECONDS = 10.0
"""For a page; one that takes longer hangs."""
LINE_LIMIT = 16 * 2**20
DEFAULT_RETRY_AFTER = timedelta(seconds=1)
LONGEST_RETRY_AFTER = timedelta(seconds=60)

Counted = Callable[[str, str, int], None]
"""Told of every answer: verb, plural and code (0: none came)."""


Fence = Callable[[], Awaitable[None]]
"""Asked right before each write: returns where it is allowed, else raises NotLeading."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch: ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


@dataclass(frozen=True, slots=True)
class Page:
    """All objects of a list, read at one resource version."""

    items: list[Object]
    version: str


def _not_counted(_verb: str, _plural: str, _code: int) -> None:
    return


async def _always() -> None:
    """The fence of a process that takes no turns: open."""


class Kube:
    """The API server, as this operator uses it.

    While it fails, calls wait in line (see `outage`); `unpaced`, `urgent` and `fenced` give other views of the same
    connection.
    """

    def __init__(self, wire: Transport, counted: Counted = _not_counted, silence: timedelta = SILENCE) -> None:
        self._wire = wire
        self._counted = counted
        self._silence = silence.total_seconds()
        self._outage = Outage()
        self._line: Line | None = self._outage.line
        self._fence: Fence = _always

    def fenced(self, fence: Fence) -> Self:
        """A client whose every write passes a fence first."""
        return self._with(self._line, fence)

    def urgent(self) -> Self:
        """A client for rollbacks: it waits in a line of its own while the API server fails."""
        return self._with(self._outage.urgent, self._fence)

    def unpaced(self) -> Self:
        """A client that never waits in line: for the Lease."""
        return self._with(None, self._fence)

    def _with(self, line: Line | None, fence: Fence) -> Self:
        other = copy.copy(self)
        other._line, other._fence = line, fence  # noqa: SLF001  # one of our own kind
        return other

    @property
    def server(self) -> str:
        return self._wire.server

    @classmethod
    async def connect(cls, kubeconfig: str, context: str, counted: Counted = _not_counted) -> Self:
        return cls(Transport(await transport.configuration(kubeconfig, context)), counted)

    async def close(self) -> None:
        await self._wire.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        return await self._ask("get", resource, Call("GET", resource.item(namespace, name)))

    async def list(self, resource: Resource, namespace: str = "", selector: str = "") -> Page:
        """All objects, in pages, as they were at one moment."""
        items: list[Object] = []
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        while True:
            call = Call("GET", resource.collection(namespace), query, timeout=LIST_SECONDS)
            page = await self._ask("list", resource, call)
            items += (_whole(call, resource, item) for item in page.get("items") or [])
            following = page.get("metadata", {}).get("continue")
            if not following:
                return Page(items, version_of(page))
            query = {**query, "continue": following}

    async def watch(self, resource: Resource, namespace: str, selector: str, version: str) -> AsyncIterator[WatchEvent]:
        """Events since a resource version, until the server ends the stream.

        Raises:
            Gone: the version is too old, said by status or by an event.
            Unavailable: silence, garbage, or an ERROR event.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        } | ({"labelSelector": selector} if selector else {})
        call = Call("GET", resource.collection(namespace), query, timeout=self._silence)
        self._outage.watches.add((resource.plural, namespace))
        await self._in_line()
        async with self._streaming(call, resource) as (status, pieces):
            if status != 200:  # noqa: PLR2004  # HTTP's word for yes
                raise _error(call, Answer(status, b"".join([piece async for piece in pieces])))
            async for line in _lines(call, pieces):
                yield _event(call, line)

    async def create(self, resource: Resource, namespace: str, obj: Object) -> Object:
        """POST an object; unknown or doubled fields are refused.

        Raises:
            AlreadyExists: there is one of that name.
        """
        call = Call("POST", resource.collection(namespace), _WRITTEN | {"fieldValidation": "Strict"}, obj)
        return await self._write("create", resource, call)

    async def replace(self, resource: Resource, obj: Object) -> Object:
        """PUT an object whose metadata has the resourceVersion it was read at.

        Raises:
            Conflict: it has changed since.
        """
        return await self._write("update", resource, Call("PUT", _path(resource, obj), _WRITTEN, without_managers(obj)))

    async def replace_status(self, resource: Resource, obj: Object) -> Object:
        """PUT only the status of an object, compared by resourceVersion.

        Raises:
            Conflict: the object has changed since it was read.
        """
        return await self._write(
            "update", resource, Call("PUT", f"{_path(resource, obj)}/status", _WRITTEN, without_managers(obj))
        )

    async def merge(self, resource: Resource, namespace: str, name: str, patch: Object) -> Object:
        """JSON merge patch: None removes a key, a list replaces a list."""
        path = resource.item(namespace, name)
        call = Call("PATCH", path, _WRITTEN, patch, "application/merge-patch+json")
        return await self._write("patch", resource, call)

    async def json_patch(self, resource: Resource, namespace: str, name: str, steps: Sequence[Object]) -> Object:
        """JSON patch; with a `test` step it is a compare-and-swap on that value.

        Raises:
            Conflict: a test failed. The API server answers 422 to that, as to a patch that cannot be.
        """
        path = resource.item(namespace, name)
        call = Call("PATCH", path, _WRITTEN, list(steps), "application/json-patch+json")
        try:
            return await self._write("patch", resource, call)
        except errors.Invalid as error:
            if any(step["op"] == "test" for step in steps):
                raise errors.Conflict(f"{call}: what was seen is no longer so ({error})") from error
            raise

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete one very object, in the background; one that is gone needs no deletion.

        Raises:
            Conflict: it was changed at that moment, or there is another one of its name.
        """
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._write("delete", resource, Call("DELETE", resource.item(namespace, name), {}, body))
        except errors.NotFound:
            return

    async def through_pod(self, namespace: str, pod_and_port: str, path: str, call: Call) -> Answer:
        """GET something of a pod by way of the API server, unless that fails; gives whatever came back."""
        if self._outage.is_on:
            raise errors.Unavailable(f"pod {pod_and_port}: not asked, since the API server fails")
        proxied = f"/api/v1/namespaces/{namespace}/pods/{pod_and_port}/proxy{path}"
        return await self._wire.call(replace(call, method="GET", path=proxied))

    async def rest(self, seconds: float) -> None:
        """Wait before the next try, and for one's turn; an outage that ends wakes everybody who rests in it."""
        await self._outage.rest(seconds)

    async def read(self, path: str) -> Object:
        """GET what is no object of ours, for instance which kinds the API server knows."""
        return await self._answered("discover", "", Call("GET", path))

    async def _ask(self, verb: str, resource: Resource, call: Call) -> Object:
        return await self._answered(verb, resource.plural, call)

    async def _write(self, verb: str, resource: Resource, call: Call) -> Object:
        await self._in_line()
        await self._fence()
        return await self._sent(verb, resource.plural, call)

    async def _answered(self, verb: str, plural: str, call: Call) -> Object:
        await self._in_line()
        return await self._sent(verb, plural, call)

    async def _in_line(self) -> None:
        if self._line is not None:
            await self._line.turn()

    @asynccontextmanager
    async def _streaming(self, call: Call, resource: Resource) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """A stream whose beginning was counted, also where it never began."""
        begun = False
        try:
            async with self._wire.stream(call) as (status, pieces):
                begun = True
                self._note("watch", resource.plural, status)
                yield status, pieces
        except errors.Unavailable:
            if not begun:
                self._note("watch", resource.plural, 0)
            raise

    def _note(self, verb: str, plural: str, code: int, wait: timedelta | None = None) -> None:
        self._counted(verb, plural, code)
        self._outage.answered(code, wait)

    async def _sent(self, verb: str, plural: str, call: Call) -> Object:
        try:
            answer = await self._wire.call(call)
        except errors.Unavailable:
            self._note(verb, plural, 0)
            raise
        error = _error(call, answer) if answer.status >= 300 else None  # noqa: PLR2004  # everything else is no success
        self._note(
            verb, plural, answer.status, error.retry_after if isinstance(error, errors.TooManyRequests) else None
        )
        if error is not None:
            raise error
        return _parsed(call, answer.body)


_WRITTEN = {"fieldManager": FIELD_MANAGER}


def _path(resource: Resource, obj: Object) -> str:
    return resource.item(obj["metadata"]["namespace"], obj["metadata"]["name"])


def _whole(call: Call, resource: Resource, item: Object) -> Object:
    """A list's items carry neither kind nor apiVersion."""
    if not isinstance(item, dict) or not (item.get("metadata") or {}).get("name"):
        raise errors.Unavailable(f"{call}: an item without a name")
    keep_last_writer(item["metadata"])
    return {"apiVersion": resource.api_version, "kind": resource.kind} | item


def _parsed(call: Call, body: bytes) -> Object:
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise errors.Unavailable(f"{call}: the answer is no JSON: {_start(body)}") from error
    if not isinstance(parsed, dict):
        raise errors.Unavailable(f"{call}: the answer is no object: {_start(body)}")
    keep_last_writer(parsed.get("metadata", {}))
    return parsed


def _start(body: bytes) -> str:
    return repr(body[:80].decode(errors="replace"))


def _error(call: Call, answer: Answer) -> errors.KubeError:
    status = _status_of(answer.body)
    message = f"{call}: {answer.status} {status.get('message') or _start(answer.body)}"
    if answer.status == errors.TooManyRequests.code:
        return errors.TooManyRequests(message, _retry_after(answer, status))
    causes = (status.get("details") or {}).get("causes") or []
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return errors.NamespaceEnding(message)
    return errors.of_status(answer.status, str(status.get("reason", "")), message)


def _status_of(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _retry_after(answer: Answer, status: Mapping[str, Any]) -> timedelta:
    asked = answer.retry_after or str((status.get("details") or {}).get("retryAfterSeconds"))
    try:
        return min(timedelta(seconds=max(0.0, float(asked))), LONGEST_RETRY_AFTER)
    except (ValueError, OverflowError):
        return DEFAULT_RETRY_AFTER


async def _lines(call: Call, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut a stream at its newlines; what follows the last one was cut off and is dropped."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > LINE_LIMIT:
            raise errors.Unavailable(f"{call}: one event is longer than {LINE_LIMIT} bytes")


def _event(call: Call, line: bytes) -> WatchEvent:
    parsed = _parsed(call, line)
    kind, obj = parsed.get("type"), parsed.get("object")
    if not isinstance(kind, str) or not isinstance(obj, dict):
        raise errors.Unavailable(f"{call}: not an event: {_start(line)}")
    if kind == "ERROR":
        raise _error(call, Answer(int(obj.get("code") or 0), json.dumps(obj).encode()))
    if not version_of(obj) or (kind != "BOOKMARK" and not obj["metadata"].get("name")):
        raise errors.Unavailable(f"{call}: an event about nothing that has a name and a version: {_start(line)}")
    keep_last_writer(obj["metadata"])
    return WatchEvent(kind, obj)
