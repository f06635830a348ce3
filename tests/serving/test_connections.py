"""Connections end by an answer that says so: when they are old, have carried many, or a body is too long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from serving.apps import fake, settings
from serving.processes import LOOPBACK, KeepAlive
from uvicorn.config import Config
from uvicorn.server import ServerState

from modelserver.app import App
from modelserver.connections import Connection, Door, Lifetime
from modelserver.predict import Predictor
from modelserver.state import State

BODY = b'{"features": [1, 2, 3]}'


OPEN: set[Connection] = set()


def connections() -> list[Connection]:
    return [connection for connection in OPEN if not connection.transport.is_closing()]


@asynccontextmanager
async def listening(lifetime: Lifetime) -> AsyncIterator[tuple[int, State]]:
    """The serving port in this loop."""
    artifact, state = fake(), State(settings())
    state.artifact = artifact
    state.open()
    predictor = Predictor(artifact, state.settings, state.traffic)
    config = Config(App(predictor, state), ws="none", lifespan="off", log_config=None)
    config.load()
    loop, port, door = asyncio.get_running_loop(), ServerState(), Door(state, predictor, lifetime)

    def opened() -> Connection:
        connection = Connection(config, port, loop, door)
        OPEN.add(connection)
        return connection

    OPEN.clear()
    server = await loop.create_server(opened, LOOPBACK, 0)
    yield server.sockets[0].getsockname()[1], state
    server.close()
    while port.connections:
        for connection in list(port.connections):
            connection.transport.close()
        await asyncio.sleep(0.01)


async def test_a_connection_that_carried_enough_answers_ends_with_the_last() -> None:
    async with listening(Lifetime(seconds=(60, 60), answers=(3, 3))) as (port, _), KeepAlive(port) as connection:
        answers = [await connection.post("/v1/predict", BODY) for _ in range(6)]

    assert [answer.closes for answer in answers] == [False, False, True] * 2
    assert {answer.status for answer in answers} == {200}


async def test_a_connection_that_is_old_ends_with_its_next_answer() -> None:
    async with listening(Lifetime(seconds=(0, 0), answers=(300, 300))) as (port, _):
        answer = await KeepAlive(port).post("/v1/predict", BODY)

    assert (answer.status, answer.closes) == (200, True)


async def test_other_paths_end_with_the_connection_too() -> None:
    async with listening(Lifetime(seconds=(0, 0), answers=(300, 300))) as (port, _):
        assert (await KeepAlive(port).post("/nothing", BODY)).closes


async def test_a_body_that_is_too_long_gets_its_answer_and_no_reset() -> None:
    async with listening(Lifetime()) as (port, state):
        answer = await KeepAlive(port).post("/v1/predict", b"1" * 10_000_000)

    assert (answer.status, answer.closes) == (413, True)
    assert state.traffic.snapshot().refusals == 1


async def test_pipelined_requests_are_all_answered() -> None:
    async with listening(Lifetime()) as (port, state):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        request = b"POST /v1/predict HTTP/1.1\r\nhost: s\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY
        writer.write(request * 3)
        for _ in range(3):
            await reader.readuntil(b'"latency_ms"')
        writer.close()
        await writer.wait_closed()

    assert state.traffic.snapshot().requests == 3


async def test_a_client_that_leaves_before_its_request_is_whole_counts_for_nothing() -> None:
    async with listening(Lifetime()) as (port, state):
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"POST /v1/predict HTTP/1.1\r\nhost: s\r\ncontent-length: 1000\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with KeepAlive(port) as connection:
            answer = await connection.post("/v1/predict", BODY)

    assert answer.status == 200
    assert (state.traffic.snapshot().requests, state.traffic.waiting()[0]) == (1, 0)


REQUEST = b"POST %s HTTP/1.1\r\nhost: s\r\ncontent-length: %d\r\n%s\r\n"


PAST_THE_SHORT_WAY = {
    "a query": (b"/v1/predict?x=1", b""),
    "an escape": (b"/v1/%70redict", b""),
    "an upgrade": (b"/v1/predict", b"connection: upgrade\r\nupgrade: h2c\r\n"),
    "an expectation": (b"/v1/predict", b"expect: 100-continue\r\n"),
}


@pytest.mark.parametrize(("path", "headers"), PAST_THE_SHORT_WAY.values(), ids=PAST_THE_SHORT_WAY)
async def test_ways_past_the_short_one_answer_the_same(path: bytes, headers: bytes) -> None:
    async with listening(Lifetime()) as (port, state):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(REQUEST % (path, len(BODY), headers) + BODY)
        assert b'"prediction":6.0' in await reader.readuntil(b'"latency_ms"')
        writer.close()
        await writer.wait_closed()

    assert state.traffic.snapshot().requests == 1


async def test_a_body_in_pieces_is_one_request() -> None:
    async with listening(Lifetime()) as (port, state):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(REQUEST % (b"/v1/predict", len(BODY), b""))
        for i in range(len(BODY)):
            writer.write(BODY[i : i + 1])
            await writer.drain()
        assert b'"prediction":6.0' in await reader.readuntil(b'"latency_ms"')
        writer.close()
        await writer.wait_closed()

    assert state.traffic.snapshot().requests == 1


async def test_a_client_of_http_1_0_gets_its_answer_and_the_end() -> None:
    async with listening(Lifetime()) as (port, _):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"POST /v1/predict HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in answer


async def test_a_pipelined_mixture_is_answered_in_order() -> None:
    async with listening(Lifetime()) as (port, _):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        one = REQUEST % (b"/v1/predict", len(BODY), b"") + BODY
        writer.write(one + b"GET /health HTTP/1.1\r\nhost: s\r\n\r\n" + one)
        seen = b""
        for mark in (b'"latency_ms"', b'"status"', b'"latency_ms"'):
            seen += await reader.readuntil(mark)
        writer.close()
        await writer.wait_closed()

    assert seen.count(b"HTTP/1.1 200 OK") == 3


async def test_a_connection_without_traffic_is_closed_after_a_while() -> None:
    async with listening(Lifetime()) as (port, _), KeepAlive(port) as client:
        await client.post("/v1/predict", BODY)
        (connection,) = connections()
        connection.close_quiet(60)
        assert not connection.transport.is_closing()
        connection.close_quiet(-1)
        assert connection.transport.is_closing()
