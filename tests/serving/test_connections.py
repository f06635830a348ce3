"""Connections end by an answer that says so: when they are old, have carried many, or a body is too long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serving.apps import fake, settings
from serving.processes import LOOPBACK, KeepAlive
from uvicorn.config import Config
from uvicorn.server import ServerState

from modelserver.app import App
from modelserver.connections import Connection, Door, Lifetime
from modelserver.predict import Predictor
from modelserver.state import State

BODY = b'{"features": [1, 2, 3]}'


@asynccontextmanager
async def listening(lifetime: Lifetime) -> AsyncIterator[tuple[int, State]]:
    """The serving port in this loop."""
    artifact, state = fake(), State(settings())
    state.artifact = artifact
    state.open()
    config = Config(
        App(Predictor(artifact, state.settings, state.traffic), state), ws="none", lifespan="off", log_config=None
    )
    config.load()
    loop, port, door = asyncio.get_running_loop(), ServerState(), Door(state, lifetime)
    server = await loop.create_server(lambda: Connection(config, port, loop, door), LOOPBACK, 0)
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
