"""The application in this process, around any model, and a client that calls it without a socket."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from modelserver import formats, sources
from modelserver.app import App
from modelserver.health import Health
from modelserver.models import Artifact, Metadata, Rows, Scores
from modelserver.predict import Predictor
from modelserver.settings import Settings
from modelserver.sources import Fetched
from modelserver.state import State

COLUMNS = ("a", "b", "c")


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
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")
    return Served(state, client, Health(state), app)


def fake(answer: Callable[[Rows], Scores] = sums, columns: tuple[str, ...] = COLUMNS) -> Artifact:
    return Artifact(FakeModel(answer), len(COLUMNS), "fake", Metadata(columns=columns))


def loaded(path: Path, *trust: str) -> Artifact:
    return formats.load(sources.fetch(settings(MODEL_URI=str(path))), trust)
