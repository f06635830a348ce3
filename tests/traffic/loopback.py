"""A server on the loopback address that answers by a script, so that each way a request can end is made on purpose."""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET

from modelrollout.traffic.connection import Target


@dataclass(slots=True)
class Asked:
    """What the server has seen."""

    connections: int = 0
    bodies: Counter[bytes] = field(default_factory=Counter)
    """How often each body arrived: a client that retries shows here."""


@dataclass(slots=True)
class Exchange:
    """One request, and the connection it came over."""

    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} said", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with a reset instead of an end."""
        self.writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.close()

    def end(self) -> None:
        self.writer.close()


Script = Callable[[Exchange], Awaitable[None]]


async def answer(exchange: Exchange) -> None:
    await exchange.answer()


@asynccontextmanager
async def server(script: Script = answer) -> AsyncIterator[tuple[Target, Asked]]:
    """Run the script for every request that arrives."""
    asked = Asked()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.connections += 1
        while (body := await _request(reader)) is not None:
            asked.bodies[body] += 1
            await script(Exchange(body, reader, writer))
            if writer.is_closing():
                return
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield Target("127.0.0.1", port), asked
    finally:
        listening.close()


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    """The next request's body; None at the connection's end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(int(length.partition(b":")[2]))
