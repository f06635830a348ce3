"""Takes away the way from other pods to some pods' port, on the self-built cluster, by a firewall table of its own."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

POD_RANGE = "10.244.0.0/16"


@asynccontextmanager
async def blocked(addresses: Sequence[str], port: int) -> AsyncIterator[None]:
    """Drop what other pods send to these addresses while the block runs; the kubelet still gets through."""
    table = f"e2e_{os.urandom(3).hex()}"
    rule = f"ip saddr {POD_RANGE} ip daddr {{ {', '.join(addresses)} }} tcp dport {port} drop"
    await _nft(f"add table ip {table}")
    try:
        await _nft(f"add chain ip {table} forward {{ type filter hook forward priority -10; }}")
        await _nft(f"add rule ip {table} forward {rule}")
        yield
    finally:
        await _nft(f"delete table ip {table}")


async def _nft(command: str) -> None:
    program = await asyncio.create_subprocess_exec("nft", "-f", "-", stdin=PIPE, stdout=DEVNULL, stderr=PIPE)
    _, err = await program.communicate(command.encode())
    if program.returncode != 0:
        raise OSError(f"nft {command}: {err.decode().strip()}")
