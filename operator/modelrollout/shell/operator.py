"""The one door to kopf: its settings, its events, its start and its end.

kopf watches ModelRollouts and nothing else; each event becomes a key in our queue. It keeps no state of ours, puts no
finalizer and no annotation on anything, and posts no Events: `machine` does the work. The settings keep it alive
through whatever the API server does; what cannot be survived ends the process, which is safe at any moment.
"""

import asyncio
import logging
import random
import socket
from collections.abc import Iterator
from typing import Any

import kopf

from modelrollout import names
from modelrollout.kube.client import Kube
from modelrollout.kube.transport import Credentials
from modelrollout.metrics import Metrics
from modelrollout.settings import Settings
from modelrollout.shell.machine import Machine, Outside

SERVER_SECONDS = 120
CLIENT_SECONDS = 135.0
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 60.0
RECONNECT_SECONDS = 1.0
"""A watch that a proxy closes at once would otherwise be taken up thousands of times a second."""
NEVER = 1e9
LOGIN_SECONDS = 1.0
EXIT_SECONDS = 15.0

log = logging.getLogger(__name__)


class Backoffs:
    """Waits between tries of one API call: doubling to 30 s, with jitter, for ever, and anew for each call."""

    def __iter__(self) -> Iterator[float]:
        wait = 0.5
        while True:
            yield wait * random.uniform(0.5, 1.5)  # noqa: S311  # spreads load, keeps no secret
            wait = min(2 * wait, 30.0)


async def operate(settings: Settings) -> bool:
    """Run the operator until it is told to stop; gives whether it ended because one of its tasks did."""
    metrics, ending = Metrics(), asyncio.Event()
    died: list[str] = []

    def end(task: str) -> None:
        died.append(task)
        ending.set()

    kube = await Kube.connect(settings.kubeconfig, settings.context, metrics.called)
    try:
        machine = Machine(settings, Outside(kube, metrics, end))
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
    settings.networking.error_backoffs = Backoffs()
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.request_timeout = REQUEST_SECONDS
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.client_timeout = CLIENT_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.watching.reconnect_backoff = RECONNECT_SECONDS
    settings.watching.inactivity_timeout = NEVER
    settings.process.ultimate_exiting_timeout = EXIT_SECONDS
    return settings


def registry(machine: Machine, kube: Kube, ending: asyncio.Event) -> kopf.OperatorRegistry:
    """Handlers for kopf: four thin ones."""
    handlers = kopf.OperatorRegistry()
    logins = Logins(kube)

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
    async def login(**_: Any) -> kopf.ConnectionInfo:  # noqa: ANN401
        return await logins.next()

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


class Logins:
    """Credentials for kopf, each unlike the one before.

    kopf gives up when it is handed, after a 401, what it has seen to fail; the token of a service account may be the
    same one, refused for a moment. So each login differs in its priority, and they are not tried more than once a
    second.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._count = 0

    async def next(self) -> kopf.ConnectionInfo:
        """Read the credentials anew."""
        if self._count:
            await asyncio.sleep(LOGIN_SECONDS)
        self._count += 1
        return connection(await self._kube.credentials(), self._count)


def connection(credentials: Credentials, priority: int) -> kopf.ConnectionInfo:
    scheme, _, token = (credentials.authorization or "").partition(" ")
    return kopf.ConnectionInfo(
        server=credentials.server,
        ca_path=credentials.ca_path,
        certificate_path=credentials.certificate_path,
        private_key_path=credentials.key_path,
        insecure=credentials.insecure or None,
        scheme=scheme or None,
        token=token or None,
        priority=priority,
    )
