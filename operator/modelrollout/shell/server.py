"""The small server for people and probes: /metrics, /healthz, /readyz. Read-only."""

from dataclasses import dataclass

from aiohttp import web

from modelrollout.metrics import CONTENT_TYPE, Metrics
from modelrollout.shell.health import Health

OK, UNAVAILABLE = 200, 503


class CannotListen(Exception):  # noqa: N818  # reads as what was found
    """The port is taken or not ours to take."""


@dataclass(slots=True)
class Server:
    """Serves at one address until it is stopped."""

    runner: web.AppRunner
    port: int

    async def stop(self) -> None:
        await self.runner.cleanup()


async def serve(host: str, port: int, metrics: Metrics, health: Health) -> Server:
    """Start serving; port 0 takes any.

    Raises:
        CannotListen: with the port and what to do.

    """
    runner = web.AppRunner(_app(metrics, health), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise CannotListen(f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port") from error
    return Server(runner, int(runner.addresses[0][1]))


def _app(metrics: Metrics, health: Health) -> web.Application:
    async def numbers(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def alive(_: web.Request) -> web.Response:
        return _probe(health.complaint())

    async def ready(_: web.Request) -> web.Response:
        return _probe(f"waiting for {health.waits_for}" if health.waits_for else "")

    app = web.Application()
    app.router.add_get("/metrics", numbers)
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    return app


def _probe(complaint: str) -> web.Response:
    return web.Response(text=complaint or "ok", status=UNAVAILABLE if complaint else OK)
