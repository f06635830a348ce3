"""The health port's HTTP side: three pages, in the main thread's loop."""

import asyncio
import socket
from email.utils import formatdate
from typing import TYPE_CHECKING

import msgspec

from modelserver.connections import Connection
from modelserver.exchange import Exchange, Handler, refusing
from modelserver.health import Health
from modelserver.limits import Limits
from modelserver.metrics import CONTENT_TYPE, Metrics
from modelserver.port import Port
from modelserver.refusals import TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Callable

Page = tuple[int, bytes, bytes]
"""Status, content type, body."""

JSON = b"application/json"


class HealthApp:
    def __init__(self, health: Health, metrics: Metrics) -> None:
        self._metrics = metrics
        self._pages: dict[bytes, Callable[[], Page]] = {
            b"/health": lambda: _json(*health.document()),
            b"/ready": lambda: _json(*health.readiness()),
            b"/metrics": lambda: (200, CONTENT_TYPE.encode(), metrics.page()),
        }

    def handler(self, _method: bytes, target: bytes) -> Handler:
        page = self._pages.get(target.partition(b"?")[0], _nothing_here)

        def answer(exchange: Exchange) -> None:
            status, content_type, body = page()
            exchange.answer_page(status, [(b"content-type", content_type)], body)

        return answer

    def refuse_body(self, _target: bytes, limit: int) -> Handler:
        return refusing(TOO_LARGE, f"the body has more than {limit} bytes")


class HealthPort:
    """Answers on a bound socket, in the running loop; its `tick` is to be called once a second."""

    def __init__(self, app: HealthApp, limits: Limits) -> None:
        self._port = Port(app, limits)

    async def listen(self, listener: socket.socket) -> asyncio.Server:
        self.tick()
        loop, port = asyncio.get_running_loop(), self._port
        return await loop.create_server(lambda: Connection(port), sock=listener, backlog=port.limits.backlog)

    def tick(self) -> None:
        self._port.tick(formatdate(usegmt=True).encode())


def _json(status: int, document: object) -> Page:
    return status, JSON, msgspec.json.encode(document)


def _nothing_here() -> Page:
    return _json(404, {"detail": "there are /health, /ready and /metrics"})
