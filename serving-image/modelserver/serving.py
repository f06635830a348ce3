"""The serving thread: loads the model, warms it up, answers on the serving port, drains.

It has a loop of its own, so that a model which hangs or hogs this thread leaves the health port alone.
"""

import asyncio
import gc
import logging
import socket
import threading
from collections.abc import Callable
from email.utils import formatdate

import uvloop

from modelserver import bundles, limits, sources
from modelserver.app import App
from modelserver.bodies import Columns
from modelserver.connections import LINGER_S, Connection
from modelserver.models import Artifact
from modelserver.port import Lifetime, Port
from modelserver.predict import Predictor
from modelserver.roomy import with_room
from modelserver.state import Phase, State
from modelserver.warmup import warm_up

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.02
QUIET, MOST = 0.4, 4.0
"""As parts of the drain: for how long nobody new may have come, and how long it is at most."""


class Serving(threading.Thread):
    """Runs until `drain` has been called and everything under way is answered.

    `ended` is called in this thread at the end, with what went wrong or None.
    """

    def __init__(self, state: State, listener: socket.socket, ended: Callable[[BaseException | None], None]) -> None:
        super().__init__(name="serving", daemon=True)
        self._state = state
        self._listener = listener
        self._ended = ended
        self._loop = uvloop.new_event_loop()
        self._drain = asyncio.Event()

    def run(self) -> None:
        with_room(self._run)

    def _run(self) -> None:
        try:
            artifact = self._load()
            self._loop.run_until_complete(self._serve(artifact))
        except BaseException as error:  # noqa: BLE001 - told to the main thread, which ends the process
            self._ended(error)
        else:
            self._ended(None)

    def drain(self) -> None:
        """Start the graceful end; from any thread."""
        self._loop.call_soon_threadsafe(self._drain.set)

    def _load(self) -> Artifact:
        fetched = sources.fetch(self._state.settings)
        artifact = bundles.load(fetched, self._state.settings)
        warm_up(artifact)
        self._state.loaded(fetched, artifact)
        return artifact

    async def _serve(self, artifact: Artifact) -> None:
        settings, state = self._state.settings, self._state
        app = App(Predictor(artifact, settings, state.traffic), state)
        bounds = limits.of_serving_port(settings, Columns.of(artifact))
        port = Port(app, bounds, Lifetime(), lambda: state.phase is Phase.DRAINING)
        server = await self._loop.create_server(lambda: Connection(port), sock=self._listener, backlog=bounds.backlog)
        # What is alive now stays: without this a collection that walks it shows as 48 ms in the p99.
        gc.collect()
        gc.freeze()
        gc.enable()  # after what `__main__` has switched off
        self._state.open()
        logger.info("ready: %s", self._state.settings.uri)
        clock = asyncio.create_task(_every_second(port))
        await self._drain.wait()
        await self._leave(server, port)
        clock.cancel()

    async def _leave(self, server: asyncio.AbstractServer, port: Port) -> None:
        """Go on answering while endpoints move (each answer ends its connection), then finish, then close the idle."""
        began = self._loop.time()
        drain_s = self._state.settings.drain_s
        while (left := closes_at(began, port.newest, drain_s) - self._loop.time()) > 0:  # noqa: ASYNC110 - until a time
            await asyncio.sleep(left)
        deadline = self._loop.time() + self._state.settings.request_timeout_s + LINGER_S
        # Behind a slow model clients may still wait to be accepted: closing the listener would reset them.
        while _busy(port) and self._loop.time() < deadline:  # noqa: ASYNC110 - they are many, and no event tells
            await asyncio.sleep(LOOK_EVERY_S)
        server.close()
        while port.connections and self._loop.time() < deadline:
            for connection in list(port.connections):
                connection.close_idle()
            await asyncio.sleep(LOOK_EVERY_S)
        if cut_off := _busy(port):
            logger.error("%d requests were cut off: they were not done in time", len(cut_off))


def closes_at(began: float, newest: float, drain_s: float) -> float:
    """When the port may close: after the drain, or later while somebody's node has not heard yet and sends new clients.

    All in seconds of one clock: when the drain began, when the newest connection was made, and the drain's length.
    """
    return min(max(began + drain_s, newest + QUIET * drain_s), began + MOST * drain_s)


def _busy(port: Port) -> list[Connection]:
    return [connection for connection in port.connections if not connection.is_idle]


async def _every_second(port: Port) -> None:
    while True:
        port.tick(formatdate(usegmt=True).encode())
        await asyncio.sleep(1)
