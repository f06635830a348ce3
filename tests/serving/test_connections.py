"""Connections end by an answer that says so: when they are old, have carried many, or a body is too long."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from serving.apps import fake, settings
from serving.processes import LOOPBACK, KeepAlive

from modelserver import limits
from modelserver.app import App
from modelserver.bodies import Columns
from modelserver.connections import Connection
from modelserver.port import Lifetime, Port
from modelserver.predict import Predictor
from modelserver.state import State

BODY = b'{"features": [1, 2, 3]}'


@asynccontextmanager
async def listening(lifetime: Lifetime) -> AsyncIterator[tuple[int, State]]:
    """The serving port in this loop."""
    async with open_port(lifetime) as (number, state, _):
        yield number, state


@asynccontextmanager
async def open_port(
    lifetime: Lifetime, environment: Mapping[str, str] | None = None, **bounds: Any
) -> AsyncIterator[tuple[int, State, Port]]:
    artifact, state = fake(), State(settings(**(environment or {})))
    state.artifact = artifact
    state.open()
    app = App(Predictor(artifact, state.settings, state.traffic), state)
    usual = limits.of_serving_port(state.settings, Columns.of(artifact))
    port = Port(app, replace(usual, **bounds), lifetime)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(port), LOOPBACK, 0)
    yield server.sockets[0].getsockname()[1], state, port
    server.close()
    while port.connections:
        for connection in list(port.connections):
            connection.abort()
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
    async with open_port(Lifetime()) as (number, _, port), KeepAlive(number) as client:
        await client.post("/v1/predict", BODY)
        (connection,) = port.connections
        connection.close_quiet(60)
        assert not connection.is_closing()
        connection.close_quiet(-1)
        assert connection.is_closing()
