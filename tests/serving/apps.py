"""The application in this process, around any model, and a client that calls it without a socket."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from modelserver import formats, limits, sources
from modelserver.app import App
from modelserver.bodies import Columns
from modelserver.connections import Connection
from modelserver.health import Health
from modelserver.models import Artifact, Metadata, Rows, Scores
from modelserver.port import Port
from modelserver.predict import Predictor
from modelserver.settings import Settings
from modelserver.sources import Fetched
from modelserver.state import State

COLUMNS = ("a", "b", "c")


class Wire(asyncio.Transport):
    """The server's end of a connection, with nothing in between: what is written is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.changed = asyncio.Event()
        self.is_shut = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        self.changed.set()

    def write_eof(self) -> None:
        self.is_shut = True
        self.changed.set()

    close = abort = write_eof

    def is_closing(self) -> bool:
        return self.is_shut

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class InProcess(httpx.AsyncBaseTransport):
    """Gives each request to a connection of its own, as bytes, and reads the answer's bytes."""

    def __init__(self, app: App, artifact: Artifact, state: State) -> None:
        self._app = app
        self._limits = limits.of_serving_port(state.settings, Columns.of(artifact))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
        lines += [b"%s: %s" % header for header in request.headers.raw]
        wire, connection = Wire(), Connection(Port(self._app, self._limits))
        connection.connection_made(wire)
        connection.data_received(b"\r\n".join([*lines, b"", body]))
        while (answer := _parsed(wire.written)) is None:
            wire.changed.clear()
            await wire.changed.wait()
        connection.connection_lost(None)
        return answer


def _parsed(written: bytearray) -> httpx.Response | None:
    head, end, body = bytes(written).partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    length = int(dict(headers)["content-length"])
    return httpx.Response(int(first.split()[1]), headers=headers, content=body) if len(body) >= length else None


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.now += seconds


def sums(rows: Rows) -> Scores:
    """A regression that adds up."""
    return Scores(rows.sum(axis=1).tolist())


@dataclass
class FakeModel:
    """A model that is a function."""

    answer: Callable[[Rows], Scores] = sums
    dtype: type[np.floating] = field(default=np.float64)
    rows_at_once: int | None = None

    def predict(self, rows: Rows) -> Scores:
        return self.answer(rows)


@dataclass
class Served:
    state: State
    client: httpx.AsyncClient
    health: Health
    app: App

    async def predict(self, body: object) -> httpx.Response:
        return await self.client.post("/v1/predict", json=body)

    async def send(self, body: bytes) -> httpx.Response:
        return await self.client.post("/v1/predict", content=body)

    async def batch(self, *rows: object) -> httpx.Response:
        return await self.client.post("/v1/predict/batch", json={"rows": rows})


def settings(**environment: str) -> Settings:
    return Settings.from_environment(
        {"MODEL_URI": "/nowhere", "MODEL_NAME": "churn", "MODEL_VERSION": "2.1.0", "MODEL_REVISION": "7f3a9c21"}
        | environment
    )


def served(artifact: Artifact, clock: Clock | None = None, **environment: str) -> Served:
    """A server that is open for requests."""
    state = State(settings(**environment), clock or time.perf_counter)
    state.loaded(Fetched(Path("/nowhere"), "nowhere", "sha256:0"), artifact)
    state.open()
    app = App(Predictor(artifact, state.settings, state.traffic), state)
    client = httpx.AsyncClient(transport=InProcess(app, artifact, state), base_url="http://server")
    return Served(state, client, Health(state), app)


def fake(answer: Callable[[Rows], Scores] = sums, columns: tuple[str, ...] = COLUMNS) -> Artifact:
    return Artifact(FakeModel(answer), len(COLUMNS), "fake", Metadata(columns=columns))


def loaded(path: Path, *trust: str) -> Artifact:
    return formats.load(sources.fetch(settings(MODEL_URI=str(path))), trust)
