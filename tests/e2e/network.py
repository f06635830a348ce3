"""Takes away ways to and from pods, on the self-built cluster, by a firewall table of its own."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

POD_RANGE = "10.244.0.0/16"
API_PORT = 6443
"""Where the API server itself listens: its Service's address has been replaced by then."""


@asynccontextmanager
async def blocked(addresses: Sequence[str], port: int) -> AsyncIterator[None]:
    """Drop what other pods send to these addresses while the block runs; the kubelet still gets through."""
    async with _dropped(f"ip saddr {POD_RANGE} ip daddr {{ {', '.join(addresses)} }} tcp dport {port}"):
        yield


@asynccontextmanager
async def cut_off(addresses: Sequence[str], port: int = API_PORT) -> AsyncIterator[None]:
    """Drop what these pods send to the API server while the block runs: no answer, no end, only silence."""
    async with _dropped(f"ip saddr {{ {', '.join(addresses)} }} tcp dport {port}"):
        yield


@asynccontextmanager
async def _dropped(packets: str) -> AsyncIterator[None]:
    """Drop packets, on the way through the node and into it."""
    table = f"e2e_{os.urandom(3).hex()}"
    await nft(f"add table ip {table}")
    try:
        for hook in ("forward", "input"):
            await nft(f"add chain ip {table} {hook} {{ type filter hook {hook} priority -10; }}")
            await nft(f"add rule ip {table} {hook} {packets} drop")
        yield
    finally:
        await nft(f"delete table ip {table}")


async def nft(command: str) -> None:
    """Run commands of nft, all or none of them."""
    program = await asyncio.create_subprocess_exec("nft", "-f", "-", stdin=PIPE, stdout=DEVNULL, stderr=PIPE)
    _, err = await program.communicate(command.encode())
    if program.returncode != 0:
        raise OSError(f"nft {command}: {err.decode().strip()}")
