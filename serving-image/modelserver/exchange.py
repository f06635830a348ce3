"""One request and its answer, on one connection; whatever the request is for, it goes this way.

An exchange knows nothing of counters: a request for a prediction is begun there when it is taken, whole, and ended by
the same module (`predict`). So a client that sends half a request, or never reads its answer, has begun nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from modelserver.asked import Reply
    from modelserver.connections import Connection

Header = tuple[bytes, bytes]
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
JSON_KEEP = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
JSON_CLOSE = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"


class Exchange:
    """`headers` are in lower case, without those that the connection itself has acted upon."""

    __slots__ = (
        "_connection", "_parts", "body", "expects", "handler", "headers", "is_answered", "keep_alive", "method",
        "target",
    )  # fmt: skip

    def __init__(self, connection: Connection, method: bytes, target: bytes, headers: Sequence[Header] = ()) -> None:
        self._connection = connection
        self.method = method
        self.target = target
        self.headers = headers
        self.body = b""
        self.keep_alive = True
        self.is_answered = False
        self.expects = False
        """The client sends the body when it is asked to."""
        self.handler: Handler | None = None
        self._parts: bytearray | None = None

    def receive(self, part: bytes) -> int:
        """Add a part of the body; how many bytes there are now."""
        if self._parts is not None:
            self._parts += part
            return len(self._parts)
        if self.body:
            self._parts = bytearray(self.body)
            self._parts += part
            return len(self._parts)
        self.body = part
        return len(part)

    @property
    def size(self) -> int:
        """Bytes of the body so far."""
        return len(self.body if self._parts is None else self._parts)

    def forget_body(self) -> None:
        self.body, self._parts = b"", None

    def complete(self) -> None:
        """The last byte has arrived."""
        if self._parts is not None:
            self.body = bytes(self._parts)
            self._parts = None

    def header(self, name: bytes) -> bytes | None:
        """A header's value, the first of several; the name is in lower case."""
        return next((value for known, value in self.headers if known == name), None)

    def answer(self, reply: Reply) -> None:
        """Answer with JSON, unless the client is gone."""
        if self.is_answered:
            return
        status, body = reply
        if not body:
            self.answer_page(status, [], body)
            return
        self.is_answered = True
        connection = self._connection
        port = connection.port
        keeps = self.keep_alive and not port.is_draining()  # after SIGTERM the client has to go elsewhere
        head = (JSON_KEEP if keeps else JSON_CLOSE) % len(body)
        if self.method == b"HEAD":
            body = b""
        connection.send(b"".join((STATUS_LINES[status], port.date, head, body)), keeps=keeps)

    def answer_page(self, status: int, headers: list[Header], body: bytes) -> None:
        """Answer with anything else; the headers are without the body's length and the connection's fate."""
        if self.is_answered:
            return
        self.is_answered = True
        connection = self._connection
        keeps = self.keep_alive and not connection.port.is_draining()
        lines = [STATUS_LINES[status], connection.port.date]
        lines += [b"%s: %s\r\n" % header for header in headers]
        lines += () if keeps else (b"connection: close\r\n",)
        lines += (b"content-length: %d\r\n\r\n" % len(body), b"" if self.method == b"HEAD" else body)
        connection.send(b"".join(lines), keeps=keeps)


Handler = Callable[[Exchange], None]
"""Takes a whole request and answers it, at once or later."""


def refusing(status: int, sentence: str) -> Handler:
    """What answers that a request is not taken."""
    body = msgspec.json.encode({"detail": sentence})
    return lambda exchange: exchange.answer((status, body))
