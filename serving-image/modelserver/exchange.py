"""A predict request and its answer without ASGI in between: from the parser to the predictor to the socket.

It stands where uvicorn's request-response cycle would stand, and has that class's names for what the connection
looks at. Only requests for the hot paths come here, and only one at a time per connection: whatever is out of the
ordinary (pipelining, Expect, a client that does not read) takes the way through the application, which does the same
in more steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelserver.predict import OK
from modelserver.refusals import TOO_LARGE, too_large
from modelserver.route import MAX_BODY_BYTES

if TYPE_CHECKING:
    from modelserver.asked import Reply, Take
    from modelserver.connections import Connection

STATUS_LINES = {
    OK: b"HTTP/1.1 200 OK\r\n",
    400: b"HTTP/1.1 400 Bad Request\r\n",
    404: b"HTTP/1.1 404 Not Found\r\n",
    TOO_LARGE: b"HTTP/1.1 413 Content Too Large\r\n",
    422: b"HTTP/1.1 422 Unprocessable Content\r\n",
    500: b"HTTP/1.1 500 Internal Server Error\r\n",
    504: b"HTTP/1.1 504 Gateway Timeout\r\n",
}
GO_ON = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
CLOSE = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"


class _Unheard:
    """uvicorn wakes the application by an event; here nothing sleeps."""

    def set(self) -> None:
        """Wake nobody."""


UNHEARD = _Unheard()


class Exchange:
    __slots__ = (
        "_connection",
        "_parts",
        "_size",
        "_take",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
    )
    message_event = UNHEARD

    def __init__(self, connection: Connection, take: Take, *, keep_alive: bool) -> None:
        self._connection = connection
        self._take = take
        self._parts: list[bytes] = []
        self._size = 0
        self.keep_alive = keep_alive
        self.more_body = True
        self.disconnected = False
        self.response_complete = False

    def receive(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= MAX_BODY_BYTES:
            self._parts.append(part)
            return
        self._parts.clear()
        self.keep_alive = False  # the rest of the body is not read
        flight = self._connection.begin()
        self.answer(self._connection.door.predictor.refuse(too_large(MAX_BODY_BYTES), flight))

    def complete(self) -> None:
        """The last byte has arrived."""
        self.more_body = False
        self._take(b"".join(self._parts), self._connection.begin(), self.answer)

    def answer(self, reply: Reply) -> None:
        """Send the answer, unless its client is gone."""
        status, body = reply
        connection = self._connection
        self.response_complete = True
        if self.disconnected or connection.transport.is_closing():
            return
        # After SIGTERM the client has to go elsewhere.
        keeps = self.keep_alive and not connection.draining
        tail = GO_ON if keeps else CLOSE
        connection.transport.write(b"".join((STATUS_LINES[status], connection.door.date, tail % len(body), body)))
        if not keeps:
            connection.transport.close()
        connection.on_response_complete()


class Unparsed:
    """The body of a request whose parser has ended with its head."""

    def __init__(self, exchange: Exchange, length: int) -> None:
        self._exchange = exchange
        self._left = length

    def receive(self, data: bytes) -> None:
        part = data[: self._left]
        self._left -= len(part)
        if not self._exchange.response_complete:
            self._exchange.receive(part)
        if not self._left and self._exchange.more_body and not self._exchange.response_complete:
            self._exchange.complete()
