"""A small API server in memory, with faults on request: compare-and-swap, patches, watches with versions, ownership.

Tests talk to it over HTTP. `script` answers a request before the server does, so that any fault can be played.
"""

import asyncio
import copy
import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from modelrollout.kube import errors
from modelrollout.kube.client import Kube
from modelrollout.kube.resources import CHILDREN, EVENTS, JOBS, LEASES, MODEL_ROLLOUTS, Resource
from modelrollout.kube.transport import Transport, plain

Object = dict[str, Any]
Script = Callable[["Asked"], Awaitable[web.StreamResponse | None]]
RESOURCES = {resource.plural: resource for resource in (*CHILDREN, EVENTS, JOBS, LEASES, MODEL_ROLLOUTS)}


@dataclass(frozen=True)
class Asked:
    """One request, as the API server understands it."""

    verb: str
    plural: str
    namespace: str
    name: str
    subresource: str
    query: dict[str, str] = field(default_factory=dict)
    wire: web.Request | None = None

    @property
    def request(self) -> web.Request:
        assert self.wire is not None
        return self.wire

    def __str__(self) -> str:
        return " ".join(part for part in (self.verb, self.plural, self.name, self.subresource) if part)


class Refusal(Exception):  # noqa: N818  # what the server does
    def __init__(self, code: int, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.code, self.reason = code, reason


@dataclass
class ApiServer:
    """Objects, and everybody who watches them."""

    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Every request so far, as "verb plural name subresource"."""
    script: Script | None = None
    url: str = ""
    port: int = 0
    site: web.TCPSite | None = None
    runner: web.AppRunner | None = None
    _versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1001))
    version: int = 1000
    _watches: dict[str, list["asyncio.Queue[Object | None]"]] = field(default_factory=lambda: defaultdict(list))
    _log: list[tuple[int, str, Object]] = field(default_factory=list)

    def put(self, resource: Resource, obj: Object) -> Object:
        """Make or change an object as somebody else would."""
        meta = obj["metadata"]
        key = (resource.plural, meta.get("namespace", "default"), meta["name"])
        known = self.objects.get(key)
        kept: Object = copy.deepcopy({"apiVersion": resource.api_version, "kind": resource.kind} | obj)
        kept["metadata"].setdefault("namespace", "default")
        kept["metadata"].setdefault("uid", known["metadata"]["uid"] if known else f"uid-{meta['name']}-{self.version}")
        kept["metadata"].setdefault("generation", 1)
        return self._store(key, kept, "MODIFIED" if known else "ADDED")

    def get(self, resource: Resource, name: str, namespace: str = "default") -> Object | None:
        return self.objects.get((resource.plural, namespace, name))

    def all(self, resource: Resource) -> list[Object]:
        return [obj for (plural, _, _), obj in sorted(self.objects.items()) if plural == resource.plural]

    def remove(self, resource: Resource, name: str, namespace: str = "default") -> None:
        obj = copy.deepcopy(self.objects.pop((resource.plural, namespace, name)))
        self._stamp(obj)
        self._tell(resource.plural, "DELETED", obj)

    def say(self, plural: str, event: Object | None) -> None:
        """Send any line to those who watch; None ends their streams."""
        for queue in self._watches[plural]:
            queue.put_nowait(event)

    def fall_silent(self) -> None:
        """Every stream stays open, and says nothing more for ever: a connection that died without a word."""
        self._watches.clear()

    async def refuse_connections(self) -> None:
        assert self.site is not None
        await self.site.stop()

    async def accept_connections(self) -> None:
        assert self.runner is not None
        self.site = web.TCPSite(self.runner, "127.0.0.1", self.port)
        await self.site.start()

    def watchers(self, resource: Resource) -> int:
        return len(self._watches[resource.plural])

    def written(self) -> list[str]:
        """Every request that would write, in order."""
        return [asked for asked in self.asked if asked.split()[0] not in {"get", "list", "watch", "discover"}]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if (found := _discovery(request.path)) is not None:
            return web.json_response(found)
        asked = _understood(request)
        self.asked.append(str(asked))
        if self.script is not None and (answer := await self.script(asked)) is not None:
            return answer
        try:
            if asked.verb == "watch":
                return await self._watch(asked)
            body = await request.read()
            return web.json_response(self.answer(asked, json.loads(body) if body else None))
        except Refusal as refusal:
            return refuse(refusal.code, refusal.reason, str(refusal))

    def answer(self, asked: Asked, body: Any) -> Object:
        """What a request gets, faults aside."""
        answers: dict[str, Callable[[Asked, Any], Object]] = {
            "get": lambda one, _: copy.deepcopy(self._known(one)),
            "list": lambda one, _: self._list(one),
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
        }
        return answers[asked.verb](asked, body)

    def _list(self, asked: Asked) -> Object:
        found = [
            {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
            for (plural, namespace, _), obj in sorted(self.objects.items())
            if plural == asked.plural and asked.namespace in {"", namespace} and _matches(asked, obj)
        ]
        return {"kind": "List", "metadata": {"resourceVersion": str(self.version)}, "items": copy.deepcopy(found)}

    def _known(self, asked: Asked) -> Object:
        obj = self.objects.get((asked.plural, asked.namespace, asked.name))
        if obj is None:
            raise Refusal(404, "NotFound", f'{asked.plural} "{asked.name}" not found')
        return obj

    def _create(self, asked: Asked, body: Object) -> Object:
        name = body["metadata"]["name"]
        if (asked.plural, asked.namespace, name) in self.objects:
            raise Refusal(409, "AlreadyExists", f'{asked.plural} "{name}" already exists')
        return copy.deepcopy(self.put(RESOURCES[asked.plural], body))

    def _update(self, asked: Asked, body: Object) -> Object:
        known = self._known(asked)
        if body["metadata"].get("resourceVersion") != known["metadata"]["resourceVersion"]:
            raise Refusal(409, "Conflict", "the object has been modified")
        changed = known | {"status": body["status"]} if asked.subresource == "status" else body
        return self._changed(asked, known, changed)

    def _patch(self, asked: Asked, body: Any) -> Object:
        known = self._known(asked)
        changed = copy.deepcopy(known)
        if isinstance(body, list):
            for step in body:
                _step(changed, step)
            return self._changed(asked, known, changed)
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in {None, known["metadata"]["resourceVersion"]}:
            raise Refusal(409, "Conflict", "the object has been modified")
        _merge(changed, body)
        return self._changed(asked, known, changed)

    def _delete(self, asked: Asked, body: Object) -> Object:
        uid = (body or {}).get("preconditions", {}).get("uid")
        if uid not in {None, self._known(asked)["metadata"]["uid"]}:
            raise Refusal(409, "Conflict", "the uid in the precondition does not match")
        self.remove(RESOURCES[asked.plural], asked.name, asked.namespace)
        return {"kind": "Status", "status": "Success"}

    def _changed(self, asked: Asked, known: Object, changed: Object) -> Object:
        if changed == known:
            return copy.deepcopy(known)
        changed = copy.deepcopy(changed)
        if changed.get("spec") != known.get("spec"):
            changed["metadata"]["generation"] = known["metadata"].get("generation", 0) + 1
        return copy.deepcopy(self._store((asked.plural, asked.namespace, asked.name), changed, "MODIFIED"))

    def _store(self, key: tuple[str, str, str], obj: Object, event: str) -> Object:
        self._stamp(obj)
        self.objects[key] = obj
        self._tell(key[0], event, obj)
        return obj

    def _stamp(self, obj: Object) -> None:
        self.version = next(self._versions)
        obj["metadata"]["resourceVersion"] = str(self.version)

    def _tell(self, plural: str, event: str, obj: Object) -> None:
        line = {"type": event, "object": copy.deepcopy(obj)}
        self._log.append((self.version, plural, line))
        self.say(plural, line)

    async def _watch(self, asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(asked.request)
        queue: asyncio.Queue[Object | None] = asyncio.Queue()
        since = int(asked.query.get("resourceVersion") or 0)
        for version, plural, line in self._log:
            if plural == asked.plural and version > since:
                queue.put_nowait(line)
        self._watches[asked.plural].append(queue)
        try:
            async with asyncio.timeout(float(asked.query.get("timeoutSeconds") or 300)):
                while (event := await queue.get()) is not None:
                    if _matches(asked, event["object"]):
                        await response.write(json.dumps(event).encode() + b"\n")
        except (TimeoutError, ConnectionResetError):  # asked for so long, or the client was killed
            return response
        finally:
            if queue in self._watches[asked.plural]:
                self._watches[asked.plural].remove(queue)
        return response


def refuse(code: int, reason: str, message: str = "", headers: dict[str, str] | None = None) -> web.Response:
    """A Status object, as the API server says no."""
    status = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message or reason}
    return web.json_response(status, status=code, headers=headers)


@asynccontextmanager
async def serving(server: ApiServer | None = None) -> AsyncIterator[ApiServer]:
    """Run an API server on loopback."""
    server = server or ApiServer()
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{tail:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    server.runner, server.site = runner, web.TCPSite(runner, "127.0.0.1", 0)
    await server.site.start()
    server.port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{server.port}"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(server: ApiServer) -> AsyncIterator[Kube]:
    """A client of it."""
    kube = Kube(Transport(plain(server.url)))
    try:
        yield kube
    finally:
        await kube.close()


@dataclass
class Direct:
    """The same server without HTTP, as the writing half of a client; `faults` come first, by "verb plural"."""

    server: ApiServer = field(default_factory=ApiServer)
    faults: dict[str, list[Exception]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _: None
    """Told of each request before it is answered, to change the world under it."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        return self._ask(Asked("get", resource.plural, namespace, name, ""))

    async def create(self, resource: Resource, namespace: str, obj: Object) -> Object:
        return self._ask(Asked("create", resource.plural, namespace, "", ""), obj)

    async def replace(self, resource: Resource, obj: Object) -> Object:
        return self._ask(
            Asked("update", resource.plural, obj["metadata"]["namespace"], obj["metadata"]["name"], ""), obj
        )

    async def replace_status(self, resource: Resource, obj: Object) -> Object:
        meta = obj["metadata"]
        return self._ask(Asked("update", resource.plural, meta["namespace"], meta["name"], "status"), obj)

    async def merge(self, resource: Resource, namespace: str, name: str, patch: Object) -> Object:
        return self._ask(Asked("patch", resource.plural, namespace, name, ""), patch)

    async def json_patch(self, resource: Resource, namespace: str, name: str, steps: Sequence[Object]) -> Object:
        try:
            return self._ask(Asked("patch", resource.plural, namespace, name, ""), list(steps))
        except errors.Invalid as error:
            raise errors.Conflict(str(error)) from error

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        with suppress(errors.NotFound):
            self._ask(Asked("delete", resource.plural, namespace, name, ""), {"preconditions": {"uid": uid}})

    def _ask(self, asked: Asked, body: Any = None) -> Object:
        self.server.asked.append(str(asked))
        self.before(str(asked))
        if scripted := self.faults.get(f"{asked.verb} {asked.plural}"):
            raise scripted.pop(0)
        try:
            return self.server.answer(asked, copy.deepcopy(body))
        except Refusal as refusal:
            raise errors.of_status(refusal.code, refusal.reason, str(refusal)) from refusal


def _discovery(path: str) -> Object | None:
    """What kopf asks before it watches."""
    group = MODEL_ROLLOUTS.group
    if path == "/version":
        return {"major": "1", "minor": "35"}
    if path == "/api":
        return {"versions": ["v1"]}
    if path == "/apis":
        versions = [{"version": MODEL_ROLLOUTS.version}]
        return {"groups": [{"name": group, "preferredVersion": versions[0], "versions": versions}]}
    if path == f"/apis/{group}/{MODEL_ROLLOUTS.version}":
        verbs = ["get", "list", "watch", "patch", "create", "delete", "update"]
        one = {"name": MODEL_ROLLOUTS.plural, "kind": MODEL_ROLLOUTS.kind, "singularName": "modelrollout"}
        return {"resources": [one | {"namespaced": True, "verbs": verbs}]}
    if path == "/api/v1":
        spaces: Object = {"name": "namespaces", "kind": "Namespace", "singularName": "namespace", "namespaced": False}
        return {"resources": [spaces | {"verbs": ["get", "list", "watch"]}]}
    return None


def _understood(request: web.Request) -> Asked:
    rest = request.path.strip("/").split("/")
    rest = rest[2:] if rest[0] == "api" else rest[3:]
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "", "")[:3]
    verbs = {"PATCH": "patch", "POST": "create", "DELETE": "delete", "PUT": "update"}
    reading = "get" if name else ("watch" if request.query.get("watch") else "list")
    verb = verbs.get(request.method, reading)
    return Asked(verb, plural, namespace, name, subresource, dict(request.query), request)


def _matches(asked: Asked, obj: Object) -> bool:
    if asked.namespace not in {"", obj.get("metadata", {}).get("namespace", asked.namespace)}:
        return False
    wanted = dict(part.split("=") for part in asked.query.get("labelSelector", "").split(",") if part)
    return wanted.items() <= (obj.get("metadata", {}).get("labels") or wanted).items()


def _step(obj: Object, step: Object) -> None:
    *parents, last = step["path"].strip("/").split("/")
    for part in parents:
        obj = obj[part]
    if step["op"] == "test" and obj.get(last) != step["value"]:
        raise Refusal(422, "Invalid", "the server rejected our request due to an error in our request")
    if step["op"] in {"add", "replace"}:
        obj[last] = step["value"]


def _merge(obj: Object, patch: Object) -> None:
    for key, value in patch.items():
        if value is None:
            obj.pop(key, None)
        elif isinstance(value, dict) and isinstance(obj.get(key), dict):
            _merge(obj[key], value)
        else:
            obj[key] = value
