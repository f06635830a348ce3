"""The process: health port and signals in the main thread, the model in the serving thread.

loading -> ok -> draining -> exit 0; whatever keeps the model from being served ends in a StartError.
"""

import asyncio
import logging
import signal
import socket
from typing import Any

import uvloop

from modelserver import limits
from modelserver.failures import Cause, StartError
from modelserver.health import Health
from modelserver.health_app import HealthApp, HealthPort
from modelserver.metrics import Metrics
from modelserver.serving import MOST, Serving
from modelserver.settings import Settings
from modelserver.state import Phase, State

logger = logging.getLogger(__name__)

TICK_S = 1.0
STOP_GRACE_S = 3.0
"""On top of drain and request time-out, before a thread that hangs is left behind."""


def run(settings: Settings) -> bool:
    """Serve until SIGTERM; False when something hung and was left behind.

    Raises:
        StartError: the model cannot be served.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings))


async def _run(settings: Settings) -> bool:
    state = State(settings)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ended: asyncio.Future[BaseException | None] = loop.create_future()
    health = Health(state)
    health_port = HealthPort(HealthApp(health, Metrics(state)), limits.of_health_port(settings))
    health_server = await health_port.listen(bind(settings.host, settings.health_port))

    def tell(error: BaseException | None) -> None:
        loop.call_soon_threadsafe(ended.set_result, error)

    serving = Serving(state, bind(settings.host, settings.port), tell)
    serving.start()
    ticking = asyncio.create_task(_tick(health, health_port))
    done = await _until_the_end(state, serving, stop, ended)
    ticking.cancel()
    health_server.close()
    return done


async def _until_the_end(
    state: State, serving: Serving, stop: asyncio.Event, ended: "asyncio.Future[BaseException | None]"
) -> bool:
    stopping = asyncio.create_task(stop.wait())
    either: set[asyncio.Future[Any]] = {stopping, ended}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if ended.done():
        raise ended.result() or RuntimeError("the serving thread ended by itself")
    if state.phase is Phase.LOADING:
        logger.info("SIGTERM while loading: nothing to finish")
        state.drain()
        return False
    state.drain()
    serving.drain()
    logger.info("SIGTERM: unready, draining for %g s or longer", state.settings.drain_s)
    longest = MOST * state.settings.drain_s + state.settings.request_timeout_s + STOP_GRACE_S
    await asyncio.wait({ended}, timeout=longest)
    if not ended.done():
        logger.error("the predict path hangs: leaving it behind after %g s", longest)
    return ended.done()


async def _tick(health: Health, port: HealthPort) -> None:
    while True:
        health.tick()
        port.tick()
        await asyncio.sleep(TICK_S)


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet: until it does, connections are refused and not left waiting.

    Raises:
        StartError: the port is taken.
    """
    dual = not host and socket.has_dualstack_ipv6()
    listener = socket.socket(socket.AF_INET6 if dual or ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if dual:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartError(Cause.PORT_IN_USE, f"cannot listen on port {port}: {error.strerror}") from None
    return listener
