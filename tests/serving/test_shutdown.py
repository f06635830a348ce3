"""SIGTERM under load: every request that was sent is answered."""

import asyncio
import json
import signal
import time
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import pytest
from serving.processes import KeepAlive, LostError, Running, running, started

from modelserver.serving import closes_at

DRAIN_S = 1.5
ENDPOINTS_MOVE_S = 0.5
"""After that long a Service sends no new connection to a pod that is unready."""


ENOUGH = 300
"""Requests, of which each connection has then had some."""


@dataclass
class Tally:
    answered: int = 0
    after_sigterm: int = 0
    told_to_close: int = 0
    lost: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)


class Load:
    """Clients that keep their connections; each thinks for its own time between requests."""

    def __init__(self, server: Running, body: bytes) -> None:
        self._port = server.port
        self._body = body
        self.tally = Tally()
        self.stopped_at: float | None = None

    async def client(self, thinks_s: float) -> None:
        connection = KeepAlive(self._port)
        while connection.connected or self._may_connect():
            try:
                answer = await connection.post("/v1/predict", self._body)
            except LostError as error:
                self.tally.lost.append(f"thinks {thinks_s} s: {error}")
            else:
                self._count(answer.status, closes=answer.closes)
            await asyncio.sleep(thinks_s)
        await connection.close()

    def _may_connect(self) -> bool:
        return self.stopped_at is None or time.monotonic() - self.stopped_at < ENDPOINTS_MOVE_S

    def _count(self, status: int, *, closes: bool) -> None:
        self.tally.answered += 1
        self.tally.statuses.add(status)
        if self.stopped_at is not None:
            self.tally.after_sigterm += 1
            self.tally.told_to_close += closes


async def test_no_request_is_lost_through_sigterm_under_keep_alive_load(
    models: Path, rows: list[dict[str, float]]
) -> None:
    with running(models / "v2.onnx", MODEL_DRAIN_SECONDS=str(DRAIN_S)) as server:
        load = Load(server, json.dumps({"features": rows[0]}).encode())
        clients = [asyncio.create_task(load.client(thinks_s)) for thinks_s in [0.001, 0.01, 0.05, 0.2, 0.3] * 6]
        await asyncio.to_thread(server.until, lambda: server.health()["counters"]["requests"] > ENOUGH)
        load.stopped_at = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        unready = not server.ready()
        await asyncio.gather(*clients)
        code = await asyncio.to_thread(server.process.wait, 20)

    assert load.tally.lost == []
    assert load.tally.statuses == {200}
    assert load.tally.told_to_close > 0
    assert (unready, code) == (True, 0)
    # Each of the 30 may have had one answer under way when the signal came.
    assert load.tally.after_sigterm - load.tally.told_to_close <= 30


async def test_what_is_in_flight_at_the_end_of_the_drain_is_answered(
    models: Path, rows: list[dict[str, float]]
) -> None:
    with running(models / "slow.onnx", MODEL_DRAIN_SECONDS="0.5") as server:
        connections = [KeepAlive(server.port) for _ in range(5)]
        body = json.dumps({"features": rows[0]}).encode()
        asked = [asyncio.create_task(connection.post("/v1/predict", body)) for connection in connections]
        await asyncio.to_thread(server.until, lambda: server.health()["inflight"] > 0)
        server.process.send_signal(signal.SIGTERM)

        answers = await asyncio.gather(*asked)

        assert [(answer.status, answer.closes) for answer in answers] == [(200, True)] * 5
        assert await asyncio.to_thread(server.process.wait, 20) == 0


@pytest.mark.parametrize(
    ("newest", "closes"),
    [
        pytest.param(-inf, 105.0, id="nobody came"),
        pytest.param(102.0, 105.0, id="nobody came for long"),
        pytest.param(104.5, 106.5, id="somebody came a moment ago"),
        pytest.param(119.0, 120.0, id="they come for ever"),
    ],
)
def test_the_port_stays_open_while_new_clients_are_still_sent_to_it(newest: float, closes: float) -> None:
    assert closes_at(100.0, newest, 5.0) == closes


async def test_clients_that_a_slow_node_still_sends_after_the_drain_are_answered(models: Path) -> None:
    with running(models / "v2.onnx", MODEL_DRAIN_SECONDS="2.5") as server:
        server.process.send_signal(signal.SIGTERM)
        ends = time.monotonic() + 4
        while time.monotonic() < ends:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /ready HTTP/1.1\r\nhost: s\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 503")
            writer.close()

        assert await asyncio.to_thread(server.process.wait, 20) == 0


async def test_an_idle_connection_is_ended_and_not_reset(models: Path) -> None:
    with running(models / "v2.onnx", MODEL_DRAIN_SECONDS="0.1") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /ready HTTP/1.1\r\nhost: s\r\n\r\n")
        await reader.readuntil(b"true}")
        server.process.send_signal(signal.SIGTERM)

        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert await asyncio.to_thread(server.process.wait, 20) == 0


def test_a_server_that_is_still_warming_up_ends_at_once(models: Path) -> None:
    with started(models / "slow-load-v1.onnx") as server:
        server.until(server.alive)
        server.process.send_signal(signal.SIGTERM)

        assert not server.ready()
        assert server.process.wait(5) == 0
