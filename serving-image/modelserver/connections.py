"""Connections of both ports: HTTP/1.1 by httptools' parser (llhttp), one way for every request, one set of limits.

- Whatever a client sends becomes whole exchanges, answered one after the other; anything else is refused, or forgotten
  with its connection. Nothing is begun in the counters here.
- All that a client controls is bounded (`limits`). Times are looked at once a second, for all connections together.
- They end with an answer that says so, when they are old or have carried many, so that keep-alive clients move when
  weights do; and on every answer once the server drains.
- They are closed by half: our side says it is done and goes on reading for a moment. A plain close() while bytes of
  the client are unread or under way becomes a reset, which can destroy an answer that was already sent.
"""

import asyncio
import fcntl
import logging
import random
import termios
from array import array
from collections import deque
from typing import cast

import httptools

from modelserver.exchange import CONTINUE, Exchange, Header, refusing
from modelserver.limits import FREE_BYTES
from modelserver.port import Port

logger = logging.getLogger(__name__)

LINGER_S = 2.0
YOUNG_S = 1.0
"""A client that has just connected is about to send something."""
BAD_REQUEST, TIMED_OUT, TOO_LARGE, NOT_IMPLEMENTED, BUSY, OTHER_VERSION = 400, 408, 413, 501, 503, 505
HEAD_TOO_LARGE = 431
WRITES_AT_ONCE = 64 * 1024
"""What a transport takes without asking to wait: larger answers are counted until they are taken."""


class _StopError(Exception):
    """No more is read from this client."""


class Connection(asyncio.Protocol):
    """One client's connection."""

    transport: asyncio.Transport

    def __init__(self, port: Port) -> None:
        self.port = port
        self._parser = httptools.HttpRequestParser(self)
        self._incoming: Exchange | None = None  # whose head is complete
        self._is_receiving = False
        self._current: Exchange | None = None  # which is being answered
        self._next: deque[Exchange] = deque()
        self._is_deaf = False  # no further request is read
        self._ends = False  # our side is done
        self._linger: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._is_full = False  # the client does not take what is written
        self._url = b""
        self._headers: list[Header] = []
        self._head_bytes = self._raw_bytes = self._begun = 0
        self._began_at = self._quiet_since = self._made_at = port.loop.time()
        self._has_answered = self._has_eof = False
        self._unread_since: float | None = None
        self.held = 0
        self._answers_left = random.randint(*port.lifetime.answers)  # noqa: S311 - no secret
        self._ends_at = self._made_at + random.uniform(*port.lifetime.seconds)  # noqa: S311

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.port.admit(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._is_deaf = self._ends = True
        self._next.clear()
        self._incoming = None
        self._hold(0)
        self.port.forget(self)
        self._parser = None  # type: ignore[assignment] # which knows us
        if self._linger is not None:
            self._linger.cancel()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        was_receiving, before = self._is_receiving, self._begun
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(BAD_REQUEST, "this is no HTTP/1.1 request")
        if self._is_receiving and not self._is_deaf:
            # Where a request began amid the data, how much of them is its own is not known.
            self._check_size(
                len(data), is_sure=self._begun == before or (self._begun == before + 1 and not was_receiving)
            )

    def eof_received(self) -> bool:
        """The client is done sending; what it has sent whole is answered still."""
        self._is_deaf = self._has_eof = True
        if self._ends or not self.is_waiting:
            self.transport.close()
            return False
        last = self._next[-1] if self._next else self._current
        if last is not None:
            last.keep_alive = False
        return True

    def pause_writing(self) -> None:
        self._is_full = True
        self._pause()

    def resume_writing(self) -> None:
        self._is_full = False
        self._unread_since = None
        self._hold(0)
        self._advance()

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._is_deaf:
            raise _StopError
        self._url = b""
        self._headers = []
        self._head_bytes = self._raw_bytes = 0
        self._incoming = None
        self._is_receiving = True
        self._begun += 1
        self._began_at = self.port.now

    def on_url(self, part: bytes) -> None:
        self._url += part
        self._head_bytes += len(part)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))
        self._head_bytes += len(name) + len(value) + 4
        bounds = self.port.bounds
        if self._head_bytes > bounds.head_bytes or len(self._headers) > bounds.head_lines:
            self._refuse_head()
            raise _StopError

    def on_headers_complete(self) -> None:
        parser = self._parser
        method = parser.get_method()
        if method == b"CONNECT":
            self._refuse(NOT_IMPLEMENTED, "this is no proxy")
            raise _StopError
        if parser.should_upgrade():
            return
        port, target = self.port, self._url
        exchange = self._incoming = Exchange(self, method, target, tuple(self._headers))
        self._answers_left -= 1
        is_newest = parser.get_http_version() == "1.1"
        exchange.keep_alive = (
            is_newest and parser.should_keep_alive() and self._answers_left > 0 and port.now < self._ends_at
        )
        exchange.handler = port.application.handler(method, target)
        self._check_head(exchange, is_newest=is_newest)

    def _check_head(self, exchange: Exchange, *, is_newest: bool) -> None:
        """Stop at what the parser takes and is no request; the rules are RFC 9112's and h11's."""
        hosts = length = 0
        for name, value in exchange.headers:
            if name == b"host":
                hosts += 1
            elif name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding" and (value.lower() != b"chunked" or not is_newest):
                self._refuse(NOT_IMPLEMENTED, "the only transfer encoding is chunked, of HTTP/1.1")
                raise _StopError
            elif name == b"expect":
                exchange.expects = is_newest and value.lower() == b"100-continue"
        if not is_newest and self._parser.get_http_version() != "1.0":
            self._refuse(OTHER_VERSION, "only HTTP/1.1 and HTTP/1.0 are spoken")
            raise _StopError
        if hosts != 1 and (hosts or is_newest):
            self._refuse(BAD_REQUEST, "a request has one Host header")
            raise _StopError
        if length > self.port.limits.body_bytes:
            self._refuse_body()
            raise _StopError
        if exchange.expects:
            self._continue()

    def on_body(self, part: bytes) -> None:
        if self._incoming is not None and self._incoming.receive(part) > self.port.limits.body_bytes:
            self._refuse_body()
            raise _StopError

    def on_message_complete(self) -> None:
        exchange = self._incoming
        if exchange is None:
            return  # an upgrade: it comes again without
        self._is_receiving = False
        self._incoming = None
        if self.held:
            self._hold(0)
        exchange.complete()
        self._queue(exchange)

    # What comes of a request

    def _queue(self, exchange: Exchange) -> None:
        if not exchange.keep_alive:
            self._is_deaf = True
        if self._current is None and not self._next and not self._is_full:
            self._start(exchange)
            return
        self._next.append(exchange)
        self._pause()
        if len(self._next) >= self.port.bounds.pipelined:
            exchange.keep_alive = False
            self._is_deaf = True

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        try:
            assert exchange.handler is not None  # noqa: S101 - given with the head
            exchange.handler(exchange)
        except Exception:
            logger.exception("a request could not be handled")
            exchange.keep_alive = False
            exchange.answer((500, b'{"error":"ServerError","detail":"the server failed, not the model"}'))

    def send(self, answer: bytes, *, keeps: bool) -> None:
        """Write an answer: the current exchange is done."""
        self._current = None
        if self._ends or self.transport.is_closing():
            return
        self._quiet_since = self.port.now
        self._has_answered = True
        self.transport.write(answer)
        if len(answer) > WRITES_AT_ONCE:
            self._hold(len(answer))
        if not keeps:
            self.close()
        elif self._next:
            self.port.loop.call_soon(self._advance)
        elif self._incoming is not None:
            self._continue()

    def _advance(self) -> None:
        """Go on with the next request, where the answers before it are written."""
        if self._ends or self._is_full or self._current is not None:
            return
        if self._next:
            self._start(self._next.popleft())
        if not self._next and self._is_paused and not self.transport.is_closing():
            self._is_paused = False
            self.transport.resume_reading()

    def _continue(self) -> None:
        """Ask for the body of a client that waits to be asked, in its turn."""
        exchange = self._incoming
        if exchange is None or not exchange.expects or exchange.size:
            return
        if self._current is None and not self._next and not self._is_full:
            exchange.expects = False
            self.transport.write(CONTINUE)

    def _pause(self) -> None:
        if not self._is_paused and not self._ends and not self.transport.is_closing():
            self._is_paused = True
            self.transport.pause_reading()

    def _without_upgrade(self, rest: bytes) -> None:
        """Java's client offers h2c with its first request: read it again as if it had not, the body after the head."""
        method = self._parser.get_method()
        lines = [b"%s: %s\r\n" % header for header in self._headers if header[0] != b"upgrade"]
        head = b"%s %s HTTP/%s\r\n" % (method, self._url, self._parser.get_http_version().encode())
        if self._is_deaf:
            return
        self._parser = httptools.HttpRequestParser(self)
        began = self._began_at
        try:
            self._parser.feed_data(b"".join((head, *lines, b"\r\n")))
            self._began_at = began
            if rest:
                self._parser.feed_data(rest)
        except httptools.HttpParserUpgrade:
            self._refuse(BAD_REQUEST, "a request upgrades once")
        except httptools.HttpParserError:
            self._refuse(BAD_REQUEST, "this is no HTTP/1.1 request")

    # Limits

    def _refuse_head(self) -> None:
        bounds = self.port.bounds
        sentence = f"the head of a request has at most {bounds.head_bytes} bytes and {bounds.head_lines} lines"
        self._refuse(HEAD_TOO_LARGE, sentence)

    def _check_size(self, new: int, *, is_sure: bool) -> None:
        """Bound what was read of a request that is not whole; the parser keeps some of it without telling."""
        self._raw_bytes += new if is_sure else 0
        most_head = self.port.bounds.head_bytes
        if self._incoming is None:
            if self._raw_bytes > most_head:
                self._refuse_head()
                return
            self._hold(self._raw_bytes if is_sure else new)
            return
        if self._raw_bytes > most_head + 2 * self.port.limits.body_bytes:  # chunks may be mostly their own heads
            self._refuse_body()
            return
        self._hold(self._head_bytes + self._incoming.size)

    def _hold(self, size: int) -> None:
        size = size if size > FREE_BYTES else 0
        if size == self.held:
            return
        more = size > self.held
        self.port.held += size - self.held
        self.held = size
        if more:
            self.port.make_room()

    def _refuse_body(self) -> None:
        exchange = self._incoming
        assert exchange is not None  # noqa: S101 - its head is complete
        exchange.handler = self.port.application.refuse_body(exchange.target, self.port.limits.body_bytes)
        self._end_with(exchange)

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer, in its turn, that nothing more is read from this client."""
        if self._is_deaf:
            return
        exchange = Exchange(self, b"", b"")
        exchange.handler = refusing(status, sentence)
        self._end_with(exchange)

    def _end_with(self, exchange: Exchange) -> None:
        exchange.keep_alive = False
        exchange.forget_body()
        self._is_receiving = False
        self._incoming = None
        self._hold(0)
        self._queue(exchange)

    def give_up(self) -> None:
        """Let go of what is held for this client."""
        if self._is_receiving:
            self._refuse(BUSY, "too much is being received at once; try again")
            return
        self._hold(0)
        self.abort()

    def look(self, now: float) -> None:
        """End what takes too long."""
        bounds = self.port.bounds
        if self.transport.get_write_buffer_size():
            self._unread_since = self._unread_since or now
            if now - self._unread_since > bounds.answer_seconds:
                self.abort()
            return
        self._unread_since = None
        if self.held and not self._is_receiving:
            self._hold(0)
        if self._ends or self.is_waiting:
            return
        if not self._is_receiving:
            self.close_quiet(bounds.idle_seconds)
        elif now - self._began_at > (bounds.head_seconds if self._incoming is None else bounds.body_seconds):
            self._refuse(TIMED_OUT, "the request took too long to arrive")

    # How it ends

    @property
    def is_waiting(self) -> bool:
        """A whole request has no answer yet."""
        return self._current is not None or bool(self._next)

    @property
    def is_idle(self) -> bool:
        """Nothing is being received, computed or sent, and nothing is waiting to be."""
        if self._is_receiving or self.is_waiting or self._has_unread():
            return False
        return self._has_answered or self.port.loop.time() > self._made_at + YOUNG_S

    def close_idle(self) -> None:
        if self.is_idle:
            self.close()

    def close_quiet(self, seconds: float) -> None:
        """Close the connection when its last answer is so long ago."""
        if self.port.loop.time() - self._quiet_since > seconds:
            self.close_idle()

    def close(self) -> None:
        """Send what is written, end our side, and read on for a moment until the client ends its own."""
        if self._ends or self.transport.is_closing():
            return
        self._is_deaf = self._ends = True
        self._next.clear()
        if self._has_eof:
            self.transport.close()
            return
        self._linger = self.port.loop.call_later(LINGER_S, self._close)
        self.transport.write_eof()
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()

    def _close(self) -> None:
        if not self.transport.get_write_buffer_size():
            self.transport.abort()
            return
        # A client that is slow to take its last answer has the time of any other (`look`).
        self._linger = self.port.loop.call_later(LINGER_S, self._close)

    def abort(self) -> None:
        self._is_deaf = self._ends = True
        self.transport.abort()

    def is_closing(self) -> bool:
        return self._ends or self.transport.is_closing()

    def _has_unread(self) -> bool:
        """Bytes have arrived that the loop, busy with a model, has not come to read."""
        if self.transport.is_closing():
            return False
        waiting = array("i", [0])
        fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.FIONREAD, waiting)
        return waiting[0] > 0
