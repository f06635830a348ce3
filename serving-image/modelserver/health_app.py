"""The health port's HTTP side: three pages, plain ASGI, in the main thread's loop."""

import asyncio
import socket
from typing import TYPE_CHECKING

import msgspec
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from modelserver.health import Health
from modelserver.metrics import CONTENT_TYPE, Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

Page = tuple[int, bytes, bytes]
"""Status, content type, body."""

JSON = b"application/json"
KEEP_ALIVE_S = 75


class HealthApp:
    def __init__(self, health: Health, metrics: Metrics) -> None:
        self._metrics = metrics
        self._pages: dict[str, Callable[[], Page]] = {
            "/health": lambda: _json(*health.document()),
            "/ready": lambda: _json(*health.readiness()),
            "/metrics": lambda: (200, CONTENT_TYPE.encode(), metrics.page()),
        }

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        page = self._pages.get(scope["path"], _nothing_here)
        status, content_type, body = page()
        headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def listen(app: HealthApp, listener: socket.socket) -> asyncio.Server:
    """Answer on a bound socket, in the running loop."""
    loop = asyncio.get_running_loop()
    config = Config(app, ws="none", lifespan="off", log_config=None, access_log=False, timeout_keep_alive=KEEP_ALIVE_S)
    config.load()
    state = ServerState()
    return await loop.create_server(lambda: HttpToolsProtocol(config, state, {}, loop), sock=listener)


def _json(status: int, document: object) -> Page:
    return status, JSON, msgspec.json.encode(document)


def _nothing_here() -> Page:
    return _json(404, {"detail": "there are /health, /ready and /metrics"})
