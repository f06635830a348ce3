"""Connections of the serving port: uvicorn's, with four things changed.

- They end with an answer that says so, when they are old or have carried many, so that keep-alive clients move when
  weights do; and on every answer once the server drains.
- They are closed by half: our side says it is done and goes on reading for a moment. A plain close() while bytes of
  the client are unread or under way becomes a reset, which can destroy an answer that was already sent.
- Predict requests take the short way past ASGI (`exchange`).
- A predict request is begun in the counters when its last byte has arrived, not when its turn comes: what waits
  behind a slow model is seen.

uvicorn's internals are used, at the one version that requirements.lock pins.
"""

import asyncio
import fcntl
import random
import termios
from array import array
from dataclasses import dataclass
from math import inf
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from modelserver.asked import Take
from modelserver.exchange import Exchange, Unparsed
from modelserver.predict import Predictor
from modelserver.state import Phase, State
from modelserver.traffic import Flight

LINGER_S = 2.0
BYTES_FOLLOW = b"inference-header-content-length"
YOUNG_S = 1.0
"""A client that has just connected is about to send something."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a connection may live, drawn anew for each, so that a thousand clients do not come back at once."""

    seconds: tuple[float, float] = (15.0, 45.0)
    answers: tuple[int, int] = (200, 400)


class Door:
    """What all connections of the port share."""

    def __init__(self, state: State, predictor: Predictor, lifetime: Lifetime | None = None) -> None:
        self.state = state
        self.predictor = predictor
        self.lifetime = lifetime or Lifetime()
        self.hot: dict[bytes, Take] = {path.encode(): take for path, take in predictor.paths().items()}
        self.date = b""
        """The date header, with its line end."""
        self.newest = -inf
        """When the last connection was made, by the loop's clock."""


class HalfClosing(asyncio.Transport):
    """A transport whose close() sends what is written, ends our side, and reads on until the client ends its own."""

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._inner = inner
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._inner.write(data)

    def close(self) -> None:
        if self._timer is not None or self._inner.is_closing():
            return
        self._timer = self._loop.call_later(LINGER_S, self._inner.close)
        self._inner.write_eof()
        self._inner.resume_reading()

    def unread(self) -> bool:
        """Bytes have arrived that the loop, busy with a model, has not come to read."""
        if self._inner.is_closing():
            return False
        waiting = array("i", [0])
        fcntl.ioctl(self._inner.get_extra_info("socket").fileno(), termios.FIONREAD, waiting)
        return waiting[0] > 0

    def lost(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def is_closing(self) -> bool:
        return self._timer is not None or self._inner.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's own type
        return self._inner.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()


class Connection(HttpToolsProtocol):
    """One client's connection to the serving port."""

    transport: HalfClosing

    def __init__(self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop, door: Door) -> None:
        super().__init__(config, state, {}, loop)
        self.door = door
        self._exchange: Exchange | None = None  # what is being received now, where it takes the short way
        self._unparsed: Unparsed | None = None
        self._receiving = False
        self._answers_left = random.randint(*door.lifetime.answers)  # noqa: S311 - no secret
        self._made_at = self._quiet_since = loop.time()
        self._ends_at = self._made_at + random.uniform(*door.lifetime.seconds)  # noqa: S311

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(HalfClosing(transport, self.loop))
        self.door.newest = self._made_at

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport.lost()
        for cycle, _ in self.pipeline:  # never begun, and never will be
            if flight := cycle.scope["state"].get("flight"):
                self.door.state.traffic.forget(flight)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._unparsed is not None:
            self._unparsed.receive(data)
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_unparsed(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._exchange = None
        self._receiving = True

    def on_headers_complete(self) -> None:
        self._answers_left -= 1
        take = self._short_way()
        if take is None:
            self._long_way()
        else:
            parser = self.parser
            keep_alive = parser.should_keep_alive() and parser.get_http_version() != "1.0"
            self._exchange = self.cycle = Exchange(self, take, keep_alive=keep_alive)  # type: ignore[assignment]
        if self._answers_left <= 0 or self.loop.time() >= self._ends_at or self.draining:
            self.cycle.keep_alive = False

    def _short_way(self) -> Take | None:
        take = self.door.hot.get(self.url)
        if take is None or self.parser.get_method() != b"POST":
            return None
        if self.url.startswith(b"/v2") and any(name.lower() == BYTES_FOLLOW for name, _ in self.headers):
            return None
        if self.expect_100_continue or self.flow.write_paused:
            return None
        return take if self.cycle is None or self.cycle.response_complete else None

    def _long_way(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()  # makes the scope that the application is called with
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._exchange is None:
            super().on_body(body)
        elif not self._exchange.response_complete:
            self._exchange.receive(body)

    def on_message_complete(self) -> None:
        self._receiving = False
        exchange = self._exchange
        if exchange is not None:
            if not exchange.response_complete and not self.parser.should_upgrade():
                exchange.complete()
            return
        super().on_message_complete()
        if self.scope["method"] == "POST" and self.scope["raw_path"] in self.door.hot:
            self.scope["state"]["flight"] = self.begin()

    def _go_on_unparsed(self, rest: bytes) -> None:
        """Java's client offers h2c with its first request; the parser stops there and takes the body for HTTP/2."""
        exchange = self._exchange
        if exchange is None or exchange.response_complete:
            return
        exchange.keep_alive = False
        lengths = [value for name, value in self.headers if name.lower() == b"content-length"]
        self._unparsed = Unparsed(exchange, int(lengths[0]) if lengths else 0)
        self._unparsed.receive(rest)

    def on_response_complete(self) -> None:
        """Go on with what was pipelined; without uvicorn's timer, for which `close_quiet` stands in."""
        self._quiet_since = self.loop.time()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def begin(self) -> Flight:
        return self.door.state.traffic.begin()

    @property
    def draining(self) -> bool:
        return self.door.state.phase is Phase.DRAINING

    @property
    def idle(self) -> bool:
        """Nothing is being received, computed or sent, and nothing is waiting to be."""
        if self._receiving or self.transport.unread():
            return False
        if self.cycle is None:
            return self.loop.time() > self._made_at + YOUNG_S
        return self.cycle.response_complete

    def close_idle(self) -> None:
        if self.idle:
            self.transport.close()

    def close_quiet(self, seconds: float) -> None:
        """Close the connection when its last answer is so long ago."""
        if self.loop.time() - self._quiet_since > seconds:
            self.close_idle()
