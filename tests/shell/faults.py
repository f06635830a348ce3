"""What an API server can do to its clients, each as a script for `kube.apiserver`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from kube.apiserver import ApiServer, Asked, Object, refuse

from modelrollout.kube.resources import CHILDREN, MODEL_ROLLOUTS

Answer = Callable[[Asked], Awaitable[web.StreamResponse]]
PLURALS = [resource.plural for resource in (*CHILDREN, MODEL_ROLLOUTS)]


@dataclass(frozen=True)
class Fault:
    """How requests are answered while it lasts; only watches where it says so."""

    answer: Answer
    watches_only: bool = False
    refuses: bool = False

    async def begin(self, api: ApiServer) -> None:
        """Break every stream that is open, and answer like this from now on."""

        async def script(asked: Asked) -> web.StreamResponse | None:
            if self.watches_only and asked.verb != "watch":
                return None
            return await self.answer(asked)

        api.script = script
        if self.answer is stalled:
            api.fall_silent()
        for plural in PLURALS:
            api.say(plural, None)
        if self.refuses:
            await api.refuse_connections()

    async def end(self, api: ApiServer) -> None:
        """Answer well again; streams that are open, and calls that hang, stay as they are."""
        api.script = None
        if self.refuses:
            await api.accept_connections()


def status(code: int, headers: dict[str, str] | None = None) -> Answer:
    async def answer(_: Asked) -> web.StreamResponse:
        return refuse(code, "Refused", headers=headers)

    return answer


async def hung(_: Asked) -> web.StreamResponse:
    await asyncio.sleep(1e7)
    raise AssertionError


async def reset(asked: Asked) -> web.StreamResponse:
    assert asked.request.transport is not None
    asked.request.transport.abort()
    return await hung(asked)


async def stalled(asked: Asked) -> web.StreamResponse:
    """The head of an answer, and nothing more."""
    response = web.StreamResponse()
    await response.prepare(asked.request)
    return await hung(asked)


async def ends_at_once(asked: Asked) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(asked.request)
    return response


def says(line: bytes) -> Answer:
    """One line, and the end."""

    async def answer(asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(asked.request)
        await response.write(line + b"\n")
        return response

    return answer


GONE: Object = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
BIG: Object = {
    "type": "MODIFIED",
    "object": {
        "metadata": {"name": "big", "namespace": "elsewhere", "uid": "big", "resourceVersion": "1", "x": "y" * 2**21}
    },
}

FAULTS = {
    "500": Fault(status(500)),
    "503": Fault(status(503)),
    "403": Fault(status(403)),
    "401 with the same token": Fault(status(401)),
    "429 with Retry-After": Fault(status(429, {"Retry-After": "3"})),
    "refused": Fault(reset, refuses=True),
    "hung": Fault(hung),
    "reset": Fault(reset),
    "a watch that stalls": Fault(stalled, watches_only=True),
    "a watch that ends at once": Fault(ends_at_once, watches_only=True),
    "410 as an event": Fault(says(json.dumps({"type": "ERROR", "object": GONE}).encode()), watches_only=True),
    "410 as a status": Fault(status(410), watches_only=True),
    "a line of garbage": Fault(says(b'{"type": "MODIF\xff\x00'), watches_only=True),
    "a line of 2 MB": Fault(says(json.dumps(BIG).encode()), watches_only=True),
}
