"""The kernel's tables of sockets, and which process holds which of them."""

import ipaddress
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster.processes import program_name

TCP = ("tcp", "tcp6")
UDP = ("udp", "udp6")
LISTENING = "0A"
TIME_WAIT = "06"


@dataclass(frozen=True, slots=True)
class Socket:
    """One row: where it is bound, whom it talks to, its state as the kernel numbers it, and its inode (0: nobody's)."""

    local: ipaddress.IPv4Address | ipaddress.IPv6Address
    local_port: int
    remote: ipaddress.IPv4Address | ipaddress.IPv6Address
    remote_port: int
    state: str
    inode: str


def read_sockets(tables: tuple[str, ...], process: str = "self") -> tuple[Socket, ...]:
    """Every socket of a process's network."""
    files = [Path("/proc") / process / "net" / table for table in tables]
    return tuple(socket for file in files if file.exists() for socket in parse_sockets(file.read_text()))


def parse_sockets(table: str) -> tuple[Socket, ...]:
    """Read the format of /proc/net/tcp, tcp6, udp and udp6."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return tuple(Socket(*_place(row[1]), *_place(row[2]), row[3], row[9]) for row in rows)


def _place(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """Read "0100007F:094B": words of 32 bits in the machine's byte order, and the port."""
    words, _, port = text.partition(":")
    packed = b"".join(struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8))
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address, int(port, 16)


def find_owners(inodes: Collection[str]) -> Mapping[str, int]:
    """A process that holds each of the sockets, where one does that can be seen from here."""
    owners: dict[str, int] = {}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(link.readlink())
        except OSError:
            continue
        inode = target.removeprefix("socket:[").removesuffix("]")
        if target.startswith("socket:[") and inode in inodes:
            owners[inode] = int(link.parts[2])
    return owners


def describe_process(pid: int | None) -> str:
    """Its program and pid; of a script its own name, not the interpreter's."""
    if pid is None:
        return "a process that cannot be seen from here"
    try:
        argv = (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        argv = b""
    return f"{describe_program(argv) or 'a process'} (process {pid})"


def describe_program(argv: bytes) -> str:
    name = program_name(argv)
    words = argv.rstrip(b"\0").decode(errors="replace").split("\0")[1:]
    if name.startswith("python") and words[:1] == ["-m"] and len(words) > 1:
        return f"{name} -m {words[1]}"
    if name.startswith("python") and words and not words[0].startswith("-"):
        return words[0].rsplit("/", 1)[-1]
    return name
