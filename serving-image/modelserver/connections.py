"""Connections of the serving port: uvicorn's, with three things changed.

- They end with an answer that says so, when they are old or have carried many, so that keep-alive clients move when
  weights do; and on every answer once the server drains.
- They are closed by half: our side says it is done and goes on reading for a moment. A plain close() while bytes of
  the client are unread or under way becomes a reset, which can destroy an answer that was already sent.
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
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from modelserver.state import Phase, State

LINGER_S = 2.0
YOUNG_S = 1.0
"""A client that has just connected is about to send something."""

PREDICT_PATHS = frozenset({"/v1/predict", "/predict", "/v1/predict/batch"})


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a connection may live, drawn anew for each, so that a thousand clients do not come back at once."""

    seconds: tuple[float, float] = (15.0, 45.0)
    answers: tuple[int, int] = (200, 400)


@dataclass(frozen=True, slots=True)
class Door:
    """What all connections of the port share."""

    state: State
    lifetime: Lifetime = Lifetime()


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
        self._door = door
        self._receiving = False
        self._answers_left = random.randint(*door.lifetime.answers)  # noqa: S311 - no secret
        self._made_at = loop.time()
        self._ends_at = self._made_at + random.uniform(*door.lifetime.seconds)  # noqa: S311

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(HalfClosing(transport, self.loop))

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport.lost()
        for cycle, _ in self.pipeline:  # never begun, and never will be
            if flight := cycle.scope["state"].get("flight"):
                self._door.state.traffic.forget(flight)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._receiving = True

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._answers_left -= 1
        if self._answers_left <= 0 or self.loop.time() >= self._ends_at or self._door.state.phase is Phase.DRAINING:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._receiving = False
        if self.scope["path"] in PREDICT_PATHS and self.scope["method"] == "POST":
            self.scope["state"]["flight"] = self._door.state.traffic.begin()

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

    def timeout_keep_alive_handler(self) -> None:
        self.close_idle()
