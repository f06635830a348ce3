"""What the connections of one port have in common: what it serves, its clock, its limits, and who is connected."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

from modelserver.exchange import Handler
from modelserver.limits import Limits

if TYPE_CHECKING:
    from modelserver.connections import Connection


class Application(Protocol):
    """What a port serves."""

    def handler(self, method: bytes, target: bytes) -> Handler:
        """What takes the whole requests of this kind."""
        ...

    def refuse_body(self, target: bytes, limit: int) -> Handler:
        """What answers a request with more bytes than are taken."""
        ...


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a connection may live, drawn anew for each, so that a thousand clients do not come back at once."""

    seconds: tuple[float, float] = (15.0, 45.0)
    answers: tuple[int, int] = (200, 400)


FOR_EVER = Lifetime(seconds=(inf, inf), answers=(1 << 62, 1 << 62))


class Port:
    """What all connections of a port share; of one loop."""

    def __init__(
        self,
        application: Application,
        limits: Limits,
        lifetime: Lifetime = FOR_EVER,
        is_draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self.application = application
        self.limits, self.bounds = limits, limits.bounds
        self.lifetime = lifetime
        self.is_draining = is_draining
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time()
        """The loop's clock, to a second."""
        self.date = b""
        """The date header, with its line end."""
        self.newest = -inf
        """When the last connection was made, by the loop's clock."""
        self.connections: dict[Connection, None] = {}
        """In the order in which they were made."""
        self.held = 0
        """Bytes that connections hold for clients that are not done sending or taking."""

    def tick(self, date: bytes) -> None:
        """Look at all connections; to be called once a second."""
        self.now = self.loop.time()
        self.date = b"date: %s\r\n" % date
        for connection in list(self.connections):
            connection.look(self.now)

    def admit(self, newcomer: "Connection") -> None:
        """Count a new connection; beyond the limit the oldest one that waits for nothing makes room."""
        self.connections[newcomer] = None
        self.newest = self.now = self.loop.time()
        if len(self.connections) > self.limits.connections:
            gone = next((one for one in self.connections if not one.is_waiting), newcomer)
            self.forget(gone)
            gone.abort()

    def forget(self, connection: "Connection") -> None:
        self.connections.pop(connection, None)

    def make_room(self) -> None:
        """Beyond the limit of held bytes, the connection that holds most is ended."""
        while self.held > self.bounds.held_bytes:
            largest = max(self.connections, key=lambda one: one.held, default=None)
            if largest is None or not largest.held:
                return
            largest.give_up()
