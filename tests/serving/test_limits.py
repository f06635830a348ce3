"""Each of MODEL_LIMITS holds: a client that goes beyond it is told so or let go, and nothing of it is an error."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from serving.apps import Wire, fake, served
from serving.processes import LOOPBACK, Running, running
from serving.test_connections import BODY, REQUEST, open_port

from modelserver.connections import Connection
from modelserver.port import Lifetime, Port
from modelserver.state import State

KIB = 1024
POST = b"POST /v1/predict HTTP/1.1\r\nhost: s\r\n"
WHOLE = REQUEST % (b"/v1/predict", len(BODY), b"") + BODY
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def a_port(limits: str = "", **decided: int) -> AsyncIterator[tuple[int, State, Port]]:
    async with open_port(Lifetime(), {"MODEL_LIMITS": limits}, **decided) as (number, state, port):
        yield number, state, port
        assert state.traffic.waiting()[0] == 0
        assert state.traffic.snapshot().errors == 0
    assert port.held == 0


@asynccontextmanager
async def client(number: int, data: bytes = b"") -> AsyncIterator[Streams]:
    """A connection on which something was sent; it ends rudely."""
    reader, writer = await asyncio.open_connection(LOOPBACK, number)
    try:
        writer.write(data)
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def answer_to(number: int, data: bytes) -> bytes:
    """All that the server says until it ends the connection."""
    async with client(number, data) as (reader, _):
        return await reader.read()


async def until(is_so: Callable[[], object]) -> None:
    while not is_so():  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.001)


def received(port: Port, data: bytes) -> tuple[Connection, Wire]:
    """A connection on which the server has read this."""
    connection, wire = Connection(port), Wire()
    connection.connection_made(wire)
    connection.data_received(data)
    return connection, wire


HEADS = {
    "one long line": POST + b"x: " + b"y" * 9 * KIB + b"\r\n\r\n",
    "a line that never ends": POST + b"x: " + b"y" * 64 * KIB,
    "a name that never ends": POST + b"y" * 64 * KIB,
    "an address that never ends": b"POST /" + b"y" * 64 * KIB,
    "many lines": POST + b"x: y\r\n" * 21 + b"\r\n",
    "lines that never end": POST + b"x: y\r\n" * 20_000,
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
async def test_a_head_has_so_many_bytes_and_lines(head: bytes) -> None:
    async with a_port("head_bytes=8192, head_lines=20") as (number, state, _):
        answer = await answer_to(number, head)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"at most 8192 bytes and 20 lines" in answer
        assert state.traffic.snapshot().requests == 0


BODIES = {
    "by its length": POST + b"content-length: 2000\r\n\r\n",
    "in chunks": POST + b"transfer-encoding: chunked\r\n\r\n" + b"400\r\n" + b" " * KIB + b"\r\n" + b"1\r\n \r\n",
    "in chunks that are mostly their own heads": POST
    + b"transfer-encoding: chunked\r\n\r\n"
    + (b"1;" + b"x" * 500 + b"\r\n \r\n") * 200,
}


@pytest.mark.parametrize("request_", BODIES.values(), ids=BODIES)
async def test_a_body_has_so_many_bytes(request_: bytes) -> None:
    async with a_port("body_bytes=1024, head_bytes=1024") as (number, state, _):
        assert (await answer_to(number, request_)).startswith(b"HTTP/1.1 413 ")
        assert state.traffic.snapshot().refusals == 1


HALVES = {
    "half a head": (POST, 3.0, b"HTTP/1.1 408 "),
    "half a body": (POST + b"content-length: 22\r\n\r\n{", 5.0, b"HTTP/1.1 408 "),
    "a whole request and half a head": (WHOLE + POST, 3.0, b"HTTP/1.1 408 "),
}


@pytest.mark.parametrize(("data", "seconds", "last"), HALVES.values(), ids=HALVES)
async def test_what_does_not_come_is_waited_for_so_long(data: bytes, seconds: float, last: bytes) -> None:
    async with a_port("head_seconds=3, body_seconds=5") as (_, state, port):
        connection, wire = received(port, data)
        await until(lambda: not connection.is_waiting)
        answered, now = len(wire.written), port.loop.time()
        connection.look(now + seconds - 1)
        assert not connection.is_closing(), "too early"
        connection.look(now + seconds + 1)
        assert connection.is_closing()
        assert wire.written[answered:].startswith(last)
        assert state.traffic.snapshot().requests == data.count(BODY)
        connection.connection_lost(None)


async def test_an_answer_is_held_for_a_client_that_reads_nothing_so_long_and_no_longer() -> None:
    page = b"GET /openapi.json HTTP/1.1\r\nhost: s\r\n\r\n"
    async with a_port("answer_seconds=7, pipelined=1000") as (number, _, port), client(number) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined] # which sockets have
        writer.write(page * 900)
        await until(lambda: any(one.transport.get_write_buffer_size() for one in port.connections))
        (connection,) = port.connections
        now = port.loop.time()
        for later in (0, 6):
            connection.look(now + later)
            assert not connection.is_closing()
        connection.look(now + 8)
        assert connection.is_closing()
        await until(lambda: not port.connections)


async def test_the_oldest_idle_connection_makes_room_for_a_new_one() -> None:
    async with a_port(connections=3) as (_, state, port):
        waits, wire = received(port, WHOLE)
        idle = [received(port, b"")[0] for _ in range(2)]
        newest, _ = received(port, b"")
        assert [one.is_closing() for one in (waits, *idle, newest)] == [False, True, False, False]
        await until(lambda: b'"latency_ms"' in wire.written)
        for one in (waits, *idle, newest):
            one.connection_lost(None)
        assert state.traffic.snapshot().requests == 1


async def test_135_kilobytes_of_pipelined_requests_whose_answers_nobody_reads_are_no_error() -> None:
    async with a_port() as (number, state, port):
        async with client(number) as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined] # which sockets have
            writer.write(WHOLE * (135 * KIB // len(WHOLE)))
            await until(lambda: state.traffic.snapshot().requests >= port.bounds.pipelined)
        await until(lambda: not port.connections)


async def test_requests_half_received_are_held_up_to_a_sum_and_the_largest_is_told_to_try_again() -> None:
    half = POST + b"content-length: 900000\r\n\r\n" + b" " * 600_000
    async with a_port("body_bytes=1000000, held_bytes=1048576") as (_, state, port):
        clients = [received(port, half[: len(half) - 1000 * number]) for number in range(4)]
        assert port.held <= 2**20
        assert [wire.written.startswith(b"HTTP/1.1 503 ") for _, wire in clients] == [True, True, True, False]
        for connection, _ in clients:
            connection.connection_lost(None)
        assert state.traffic.snapshot().requests == 0


async def test_an_answer_that_is_too_long_is_refused_with_the_remedy() -> None:
    server = served(fake(), MODEL_LIMITS="answer_bytes=1024")
    answer = await server.batch(*[[1, 2, 3]] * 100)
    assert (answer.status_code, "ask for fewer rows" in answer.json()["detail"]) == (422, True)
    counted = server.state.traffic.snapshot()
    assert (counted.requests, counted.refusals, counted.errors) == (1, 1, 0)


async def test_an_output_is_given_once() -> None:
    tensor = {"name": "a", "datatype": "FP64", "shape": [1, 3], "data": [1, 2, 3]}
    asked = {"inputs": [tensor], "outputs": [{"name": "predict"}] * 200_000}
    answer = await served(fake()).client.post("/v2/models/churn/infer", json=asked)
    assert answer.status_code in {400, 413}
    asked["outputs"] = [{"name": "predict"}] * 2
    answer = await served(fake()).client.post("/v2/models/churn/infer", json=asked)
    assert (answer.status_code, "is asked for twice" in str(answer.json())) == (400, True)


@contextmanager
def held_open(port: int, count: int, data: bytes = b"") -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection((LOOPBACK, port), timeout=5)) for _ in range(count)]
        for client in clients:
            client.sendall(data)
        yield clients


@pytest.mark.parametrize("data", [b"", POST], ids=["silent", "half a head"])
def test_descriptors_are_kept_for_the_health_port(models: Path, data: bytes) -> None:
    with running(models / "v2.onnx", ("prlimit", "--nofile=400:400")) as server:
        with held_open(server.port, 390, data):
            assert _answers_for(server, 20)
        assert server.ready()


def test_the_health_port_is_bounded_too(models: Path) -> None:
    with running(models / "v2.onnx") as server:
        with held_open(server.health_port, 300, b"GET /health HTTP/1.1\r\n"):
            assert _answers_for(server, 20)
        with held_open(server.health_port, 1, b"GET /health HTTP/1.1\r\nx: " + b"y" * 20 * KIB) as (client,):
            assert client.recv(100).startswith(b"HTTP/1.1 431 ")


def _answers_for(server: Running, times: int) -> bool:
    return all(server.alive() for _ in range(times))
