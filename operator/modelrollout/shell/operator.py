"""The one door to kopf: its settings, its events, its start and its end.

kopf watches ModelRollouts and nothing else; each event becomes a key in our queue. It keeps no state of ours, puts no
finalizer and no annotation on anything, and posts no Events: `machine` does the work. It speaks to the API server
through our own client (`kube.session`), so that whatever the API server does, nothing ends kopf.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import kopf

from modelrollout import names
from modelrollout.kube.client import Kube
from modelrollout.metrics import Metrics
from modelrollout.settings import Settings
from modelrollout.shell.machine import Machine, Outside

RECONNECT_SECONDS = 1.0
"""A watch that a proxy closes at once would otherwise be taken up thousands of times a second."""
NEVER = 1e9
EXIT_SECONDS = 15.0

log = logging.getLogger(__name__)


async def operate(settings: Settings, clock: Callable[[], float] = time.monotonic) -> bool:
    """Run the operator until it is told to stop; gives whether it ended because one of its tasks did.

    `clock` gives monotonic seconds.
    """
    metrics, ending = Metrics(), asyncio.Event()
    died: list[str] = []

    def end(task: str) -> None:
        died.append(task)
        ending.set()

    kube = await Kube.connect(settings.kubeconfig, settings.context, metrics.called)
    try:
        machine = Machine(settings, Outside(kube, metrics, end, clock=clock))
        await machine.listen()
        await kopf.operator(
            registry=registry(machine, kube, ending),
            settings=kopf_settings(),
            standalone=True,
            stop_flag=ending,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
            identity=_identity(),
        )
    finally:
        await kube.close()
    return bool(died)


def _identity() -> Any:  # noqa: ANN401  # kopf's own type for it is not public
    """Who we are, for kopf, which would ask for the name of the user: a container's user has none."""
    return f"modelrollout@{socket.gethostname()}"


def kopf_settings() -> kopf.OperatorSettings:
    """Settings for kopf: nothing that writes, nothing that ends by itself."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.watching.reconnect_backoff = RECONNECT_SECONDS
    settings.watching.inactivity_timeout = NEVER
    settings.process.ultimate_exiting_timeout = EXIT_SECONDS
    return settings


def registry(machine: Machine, kube: Kube, ending: asyncio.Event) -> kopf.OperatorRegistry:
    """Handlers for kopf: four thin ones."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.startup(registry=handlers, errors=kopf.ErrorsMode.PERMANENT)
    async def start(**_: Any) -> None:  # noqa: ANN401  # kopf's own arguments
        try:
            await machine.start()
        except asyncio.CancelledError:  # told to stop before it began; kopf then skips the cleanup
            ending.set()
            await machine.stop()
            raise

    @kopf.on.cleanup(registry=handlers)
    async def stop(**_: Any) -> None:  # noqa: ANN401
        ending.set()  # or kopf would wait 5 s for its own task that watches the flag
        await machine.stop()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:  # noqa: ANN401
        session: Any = machine.session  # kopf asks for an aiohttp session and uses four things of it
        return kopf.AiohttpSession(server=kube.server, aiohttp_session=session)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=handlers)
    async def changed(event: kopf.RawEvent, **_: Any) -> None:  # noqa: ANN401
        raw = plain(event["object"])
        if event["type"] == "DELETED":
            machine.gone(raw)
            return
        machine.seen(raw)

    return handlers


def plain(body: Any) -> dict[str, Any]:  # noqa: ANN401  # kopf's own mapping of JSON
    """A copy of an object without managedFields, which would be half of the memory."""
    meta = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": meta}
