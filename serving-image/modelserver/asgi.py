"""A whole request through an ASGI application, and its answer: how FastAPI's pages are asked."""

import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

from modelserver.exchange import Exchange, Header

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

logger = logging.getLogger(__name__)

SERVER_ERROR = 500
OURS = (b"content-length", b"connection", b"transfer-encoding")
"""Headers that belong to the connection."""


async def answer(application: "ASGIApp", exchange: Exchange) -> None:
    """Answer the exchange with what the application sends."""
    asked: list[Message] = [{"type": "http.request", "body": exchange.body, "more_body": False}]
    status, headers, body = SERVER_ERROR, list[Header](), bytearray()

    async def receive() -> "Message":
        return asked.pop() if asked else {"type": "http.disconnect"}

    async def send(message: "Message") -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in OURS]
        else:
            body.extend(message.get("body", b""))

    try:
        await application(_scope(exchange), receive, send)
    except Exception:
        logger.exception("a page could not be made")
        exchange.answer((SERVER_ERROR, b'{"detail":"the page could not be made"}'))
        return
    exchange.answer_page(status, headers, bytes(body))


def _scope(exchange: Exchange) -> "Scope":
    path, _, query = exchange.target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": exchange.method.decode("ascii"),
        "scheme": "http",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": list(exchange.headers),
        "client": None,
        "server": None,
    }
