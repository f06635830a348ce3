"""One HTTP/1.1 connection, seen exactly: who closed it and when, and what came back.

A plain non-blocking socket instead of an HTTP library, because libraries retry, pool and hide resets. It sends one
request at a time and reads one answer with a Content-Length (or up to the connection's end).
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

PREDICT = "/v1/predict"
CHUNK = 64 * 1024
LONGEST_ANSWER = 4 * 2**20


class Closed(Exception):  # noqa: N818  # what was seen, not a mistake
    """The server ended the connection before its answer was whole."""


class Unreadable(Exception):  # noqa: N818
    """What came back is no HTTP answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go."""

    host: str
    port: int
    path: str = PREDICT
    authority: str = ""
    """Name and port that the server is asked for; `host` where left out."""

    def request(self, body: bytes, *, last: bool) -> bytes:
        """The bytes of a POST; `last` asks the server to end the connection after it."""
        connection = "close" if last else "keep-alive"
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.authority or self.host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: {connection}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    closing: bool
    """Whether the server ends the connection with it."""


class Connection:
    """One connection; not to be used by two requests at once."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @classmethod
    async def open(cls, target: Target) -> Self:
        """Connect.

        Raises:
            OSError: refused, unreachable.

        """
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (target.host, target.port))
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    def is_open(self) -> bool:
        """Whether the server has not ended it yet, as far as its bytes have arrived: asked right before writing."""
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # its end has arrived, or bytes that nobody asked for

    async def ask(self, request: bytes) -> Answer:
        """Send one request and read its answer.

        Raises:
            ConnectionError: reset.
            Closed: ended without a reset before the answer was whole.
            Unreadable: no HTTP.

        """
        await asyncio.get_running_loop().sock_sendall(self._sock, request)
        received = await self._until_head(b"")
        head, _, body = received.partition(b"\r\n\r\n")
        status, headers = _parsed(head)
        closing = headers.get("connection", "").lower() == "close"
        if "content-length" not in headers:
            return Answer(status, await self._until_end(body), closing=True)
        length = int(headers["content-length"])
        while len(body) < length:
            body += await self._more()
        return Answer(status, body, closing)

    def close(self) -> None:
        self._sock.close()

    async def _until_head(self, received: bytes) -> bytes:
        while b"\r\n\r\n" not in received:
            received += await self._more()
            if len(received) > LONGEST_ANSWER:
                raise Unreadable(f"more than {LONGEST_ANSWER} bytes without an end of the headers")
        return received

    async def _until_end(self, body: bytes) -> bytes:
        while len(body) <= LONGEST_ANSWER:
            try:
                body += await self._more()
            except Closed:
                return body
        raise Unreadable(f"an answer of more than {LONGEST_ANSWER} bytes")

    async def _more(self) -> bytes:
        piece = await asyncio.get_running_loop().sock_recv(self._sock, CHUNK)
        if not piece:
            raise Closed("the server ended the connection before its answer was whole")
        return piece


def _parsed(head: bytes) -> tuple[int, Mapping[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():  # noqa: PLR2004  # version, status
        raise Unreadable(f'the answer begins with "{first[:80]}"')
    pairs = (line.partition(":") for line in lines)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}
