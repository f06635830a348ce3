"""Who is connected to the cluster's addresses from outside of it.

When the cluster is gone its addresses belong to nobody: what is still sent there leaves the machine by its default
route. So `down` asks first who is connected, and asks again before it takes the guards away.
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from localcluster import cgroups, network, places
from localcluster.places import NodePlaces
from localcluster.processes import find_ours
from localcluster.sockets import LISTENING, TCP, TIME_WAIT, UDP, Socket, describe_process, find_owners, read_sockets

RANGES = tuple(ipaddress.ip_network(one) for one in (places.SERVICE_RANGE, places.POD_RANGE, places.API_ADDRESS))
LOOK_SECONDS = 0.05
HOLD_SECONDS = 1.0


@dataclass(frozen=True, slots=True, order=True)
class Client:
    """A program and the address that it talks to."""

    program: str
    address: str
    owned: bool = True
    """False where no process is known to hold it, for instance any more."""


def find_clients(node: NodePlaces) -> "Counter[Client]":
    """Connections from outside of the cluster to its addresses, now."""
    sockets = (*outward(read_sockets(TCP)), *outward(read_sockets(UDP)))
    if not sockets:
        return Counter()
    owners = find_owners({one.inode for one in sockets})
    ours = {process.pid for process in find_ours(node.root)} | cgroups.pod_pids()
    return Counter(_client(one, owners.get(one.inode)) for one in sockets if owners.get(one.inode) not in ours)


def outward(sockets: Sequence[Socket]) -> tuple[Socket, ...]:
    """Those to an address of the cluster that were opened on this side; a finished one (TIME_WAIT) sends nothing."""
    served = {one.local_port for one in sockets if one.state == LISTENING}
    return tuple(
        one
        for one in sockets
        if one.state not in (LISTENING, TIME_WAIT)
        and one.local_port not in served
        and any(one.remote in network for network in RANGES)
    )


def _client(one: Socket, pid: int | None) -> Client:
    address = f"{one.remote}:{one.remote_port}"
    if one.inode == "0":
        return Client("a connection that its program has closed", address, owned=False)
    return Client(describe_process(pid), address, owned=pid is not None)


@dataclass(frozen=True, slots=True)
class Clock:
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def clients_after(
    look: Callable[[], "Counter[Client]"], *, patience: float, quiet: float, clock: Clock = Clock()
) -> "Counter[Client]":
    """Wait until nobody has been connected for `quiet` seconds; answer who still was in the last ones after `patience`.

    One look does not see who connects anew for each request, so many are put together.
    """
    since = clock.now()
    end = since + patience
    seen: Counter[Client] = Counter()
    while clock.now() - since < quiet:
        if found := look():
            if clock.now() > end:
                return found | seen
            seen, since = found, clock.now()
        clock.sleep(LOOK_SECONDS)
    return Counter()


def connected_programs(node: NodePlaces) -> "Counter[Client]":
    """Programs that hold a connection to the cluster, and those that connect anew for each request.

    A connection that lives for milliseconds is gone before its owner is found, so new ones are held for a second.
    """
    if found := owned(find_clients(node)):
        return found
    with network.holding_new_connections():
        time.sleep(HOLD_SECONDS)
        return owned(find_clients(node))


def owned(clients: "Counter[Client]") -> "Counter[Client]":
    """Those that a program is known to hold: what was closed already ends by itself."""
    return Counter({client: count for client, count in clients.items() if client.owned})


def list_clients(clients: "Counter[Client]", most: int = 20) -> str:
    """One line for each program and address."""
    lines = [f"  - {one.program} to {one.address}{_times(count)}" for one, count in sorted(clients.items())]
    more = [f"  - and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join([*lines[:most], *more])


def _times(count: int) -> str:
    return f", {count} connections" if count > 1 else ""
