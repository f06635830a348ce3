"""Finds somebody else's Kubernetes or network where ours would be, before anything is changed.

On a host that already is a node, our bridges and rules would take its network away: then the answer is a refusal that
says what is there, and `CLUSTER=current` as the way to use it.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster import network, places
from localcluster.processes import find_ours, program_name
from localcluster.sockets import LISTENING, TCP, describe_process, find_owners, read_sockets

PORTS = (2379, 2380, 6443, 10248, 10249, 10250, 10256, 10257, 10259, places.DNS_PORT)
KUBERNETES_PROGRAMS = ("kubelet", "kube-proxy", "k3s", "k0s", "rke2", "microk8s")
OUR_RANGES = (places.SERVICE_RANGE, places.POD_RANGE, f"{places.API_ADDRESS}/32")
OUR_LINKS = (places.API_BRIDGE, places.POD_BRIDGE)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What is on the machine that is not ours."""

    programs: Mapping[int, str]
    ports: Mapping[int, str]
    tables: frozenset[str]
    links: frozenset[str]
    routes: tuple[tuple[str, str], ...]


def look_around(folder: Path, *, tables_are_ours: bool) -> Neighbours:
    """Gather the facts; `tables_are_ours` when this boot's ledger says that kube-proxy's tables are."""
    ours = {process.pid for process in find_ours(folder)}
    routes = [(str(route["dst"]), str(route.get("dev", ""))) for route in network.read_routes()]
    return Neighbours(
        programs={pid: name for pid, name in _programs().items() if pid not in ours and name in KUBERNETES_PROGRAMS},
        ports={port: owner for port, owner in _listeners(ours).items() if port in PORTS},
        tables=frozenset() if tables_are_ours else frozenset(network.read_tables()),
        links=frozenset(network.link_names()),
        routes=tuple(routes),
    )


def find_conflicts(seen: Neighbours) -> tuple[str, ...]:
    """One sentence per thing that is in the way; empty where there is none."""
    programs = [f"{name} runs as process {pid}" for pid, name in sorted(seen.programs.items())]
    ports = [f"port {port} is taken by {owner}" for port, owner in sorted(seen.ports.items())]
    tables = [f"nftables has a table `{name}`" for name in sorted(seen.tables) if name.endswith(" kube-proxy")]
    links = [f"there is a network interface {name}" for name in sorted(seen.links & {"cni0", "flannel.1"})]
    routes = [f"the route {there} by {link} overlaps {ours}" for there, link, ours in _overlaps(seen.routes)]
    return (*programs, *ports, *tables, *links, *routes)


def _overlaps(routes: tuple[tuple[str, str], ...]) -> list[tuple[str, str, str]]:
    return [
        (there, link, ours)
        for there, link in routes
        for ours in OUR_RANGES
        if there != "default" and link and link not in OUR_LINKS and _overlap(there, ours)
    ]


def _overlap(one: str, other: str) -> bool:
    return ipaddress.ip_network(one, strict=False).overlaps(ipaddress.ip_network(other))


def _programs() -> Mapping[int, str]:
    """Name of every process's program by pid; kernel threads have none."""
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            names[int(entry.name)] = _name_of(entry)
    return names


def _name_of(process: Path) -> str:
    try:
        return program_name((process / "cmdline").read_bytes())
    except OSError:
        return ""


def _listeners(ours: set[int]) -> Mapping[int, str]:
    """Who listens on which TCP port, without our own processes."""
    sockets = {one.inode: one.local_port for one in read_sockets(TCP) if one.state == LISTENING}
    owners = find_owners(sockets)
    return {
        port: describe_process(owners.get(inode)) for inode, port in sockets.items() if owners.get(inode) not in ours
    }
