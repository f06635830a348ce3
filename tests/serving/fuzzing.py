"""A stateful fuzz over raw sockets: many clients at once, on both ports, each at every stage of its requests.

A client opens, sends a part, waits, sends the rest, pipelines, reads, does not read, ends its half, resets. Requests
come from `wire_grammar`, most of them wrong. The model fails on rows that only `_failing` sends, which counts them.
"""

import asyncio
import http.client
import json
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from serving.processes import LOOPBACK, Running
from serving.wire_grammar import Grammar

CLIENTS = 24
PATIENCE_S = 60.0
"""For an answer that has to come; others share the machine."""
FAILING = b'{"features": [-1, 2, 3]}'
RESET = struct.pack("ii", 1, 0)


@dataclass
class Told:
    """What the clients saw."""

    exchanges: int = 0
    failed_by_the_model: int = 0
    looks: int = 0
    ways: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def fuzz(server: Running, seed: int, exchanges: int) -> Told:
    """So many exchanges, drawn by the seed; the health port is asked all the while."""
    told, left = Told(), iter(range(exchanges))
    looking = asyncio.create_task(_look(server, told))
    await asyncio.gather(*(_client(server, Grammar(seed * 1000 + number), told, left) for number in range(CLIENTS)))
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
    return told


async def _look(server: Running, told: Told) -> None:
    while True:
        health = await asyncio.to_thread(server.health)
        if health["status"] != "ok":
            told.wrong.append(f"health: {health}")
        told.looks += 1
        await asyncio.sleep(0.05)


async def _client(server: Running, grammar: Grammar, told: Told, left: Iterator[int]) -> None:
    ways = [
        _right,
        _right,
        _failing,
        _wrong,
        _wrong,
        _wrong,
        _abandoned,
        _abandoned,
        _pipelined,
        _unread,
        _halved,
        _slow,
    ]
    for _ in left:
        way = grammar.random.choice(ways)
        port = server.health_port if grammar.random.random() < 0.25 else server.port
        try:
            await way(port if way not in {_right, _failing} else server.port, grammar, told)
        except OSError:
            pass  # the server has ended what was wrong before all of it was sent
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            told.wrong.append(f"{way.__name__}: {error!r}")
        told.exchanges += 1
        told.ways[way.__name__] += 1


async def _open(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.wait_for(asyncio.open_connection(LOOPBACK, port), PATIENCE_S)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    if head.startswith(b"HTTP/1.1 100 "):
        return await _answer(reader)
    lines = head.decode("ascii").lower().split("\r\n")
    (length,) = (int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
    return int(head[9:12]), await asyncio.wait_for(reader.readexactly(length), PATIENCE_S)


async def _right(port: int, grammar: Grammar, told: Told) -> None:
    """Right requests, one after the other, in pieces: each has its answer."""
    reader, writer = await _open(port)
    for _ in range(grammar.random.choice([1, 2, 5])):
        good = grammar.good()
        for piece in grammar.pieces(good.data):
            writer.write(piece)
            await asyncio.sleep(0)
        status, body = await _answer(reader)
        if status != good.status:
            told.wrong.append(f"{status} instead of {good.status}: {good.data!r}: {body!r}")
    writer.close()


async def _failing(port: int, grammar: Grammar, told: Told) -> None:
    """A row that the model fails on."""
    reader, writer = await _open(port)
    writer.write(grammar.framed("/v1/predict", FAILING))
    status, body = await _answer(reader)
    told.failed_by_the_model += 1
    if status != http.client.INTERNAL_SERVER_ERROR:
        told.wrong.append(f"{status} for a row that the model fails on: {body!r}")
    writer.close()


async def _wrong(port: int, grammar: Grammar, _told: Told) -> None:
    """Something wrong, and whatever comes back until nothing does for a moment."""
    reader, writer = await _open(port)
    for piece in grammar.pieces(grammar.bad()):
        writer.write(piece)
        await writer.drain()
    with suppress(TimeoutError):
        while await asyncio.wait_for(reader.read(65536), 0.02):
            pass
    writer.close()


async def _abandoned(port: int, grammar: Grammar, _told: Told) -> None:
    """Gone after any byte, by an end or by a reset."""
    _, writer = await _open(port)
    data = grammar.good().data if grammar.random.random() < 0.5 else grammar.bad()
    writer.write(data[: grammar.random.randrange(len(data) + 1)])
    if grammar.random.random() < 0.5:
        await asyncio.sleep(grammar.random.choice([0, 0.001, 0.01]))
    if grammar.random.random() < 0.5:
        _reset(writer)
    else:
        writer.close()


async def _pipelined(port: int, grammar: Grammar, _told: Told) -> None:
    """Many at once, right and wrong, of which some answers are read."""
    reader, writer = await _open(port)
    count = grammar.random.choice([2, 10, 100, 1000])
    one = [grammar.good().data, grammar.good().data, grammar.bad()]
    weights = grammar.random.choice([[1, 1, 0], [5, 5, 1]])
    writer.write(b"".join(grammar.random.choices(one, weights, k=count)))
    with suppress(TimeoutError):
        for _ in range(grammar.random.choice([0, 1, 5])):
            if not await asyncio.wait_for(reader.read(3000), 0.05):
                break
    _reset(writer) if grammar.random.random() < 0.5 else writer.close()


async def _unread(port: int, grammar: Grammar, _told: Told) -> None:
    """Asks for much and reads nothing."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(raw, (LOOPBACK, port))
        rows = grammar.framed("/v1/predict/batch", b'{"rows": [' + b"[1,2,3]," * 99 + b"[1,2,3]]}")
        page = b"GET /openapi.json HTTP/1.1\r\nHost: s\r\n\r\n"
        data = grammar.random.choice([rows, page]) * grammar.random.choice([1, 20, 200])
        with suppress(TimeoutError):
            await asyncio.wait_for(loop.sock_sendall(raw, data), 0.05)
        await asyncio.sleep(grammar.random.choice([0, 0.01, 0.1]))
    finally:
        raw.close()


async def _halved(port: int, grammar: Grammar, told: Told) -> None:
    """Done sending before the answer is there: it comes still, where the request was whole and right."""
    reader, writer = await _open(port)
    good = grammar.good()
    whole = grammar.random.random() < 0.5
    writer.write(good.data if whole else good.data[: grammar.random.randrange(len(good.data))])
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    if whole and not answer.startswith(b"HTTP/1.1 "):
        told.wrong.append(f"no answer to {good.data!r} whose client is done sending: {answer!r}")
    writer.close()


async def _slow(port: int, grammar: Grammar, told: Told) -> None:
    """Byte by byte, and in one of some cases for ever: the server ends that."""
    reader, writer = await _open(port)
    data = grammar.good().data
    if grammar.random.random() < 0.9:
        for at in range(0, min(len(data), 200), 3):
            writer.write(data[at : at + 3])
            await asyncio.sleep(0)
        writer.close()
        return
    writer.write(data[: grammar.random.randrange(1, len(data) - 1)])
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    if answer and not answer.startswith(b"HTTP/1.1 408 "):
        told.wrong.append(f"half a request was answered: {answer!r}")
    writer.close()


def descriptors(server: Running) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def counters(server: Running) -> dict[str, int]:
    found: dict[str, int] = json.loads(json.dumps(server.health()["counters"]))
    return found
