"""The predict path: a body in, a reply out, and one outcome counted. All of it is in this module.

It runs in the serving loop, in turn. Nothing outside knows that, so that rows which arrive together can be put
through the model together without another module changing: `reply` is a coroutine for that reason.
"""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import msgspec
import numpy as np

from modelserver.bodies import MAX_ROWS, BatchBody, Columns, DoubtfulError, PredictBody, Row
from modelserver.models import Artifact, Label, Scores
from modelserver.refusals import RefusedError, explain, other_version
from modelserver.scores import Reader, check_finite
from modelserver.settings import Settings
from modelserver.traffic import Flight, Outcome, Traffic

logger = logging.getLogger(__name__)

OK, MODEL_ERROR, TIMED_OUT = 200, 500, 504
COMPLAIN_EVERY_S = 1.0

Reply = tuple[int, bytes]


class Prediction(msgspec.Struct, omit_defaults=True):
    prediction: Label
    model_version: str
    prediction_id: str
    latency_ms: float
    probabilities: dict[str, float] | None = None


class BatchRow(msgspec.Struct, omit_defaults=True):
    prediction: Label
    prediction_id: str
    probabilities: dict[str, float] | None = None


class BatchPrediction(msgspec.Struct):
    predictions: list[BatchRow]
    model_version: str
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was understood."""

    rows: list[Row]
    model_version: str | None


class Predictor:
    """Answers predict requests with one model; not to be shared between threads."""

    def __init__(self, artifact: Artifact, settings: Settings, traffic: Traffic) -> None:
        self._model = artifact.model
        self._columns = Columns.of(artifact)
        self._reader = Reader(artifact.metadata.classes)
        self._settings = settings
        self._traffic = traffic
        self._read_one = msgspec.json.Decoder(PredictBody).decode
        self._read_batch = msgspec.json.Decoder(BatchBody).decode
        self._write = msgspec.json.Encoder().encode
        # Revision, process and a running number; the time goes between them: any pod can credit a late label.
        self._nonce = secrets.token_hex(3)
        self._numbers = count()
        self._complained_at = -COMPLAIN_EVERY_S

    async def one(self, body: bytes, flight: Flight) -> Reply:
        """Answer `/v1/predict`."""
        return self._reply(body, flight, self._understand_one, self._write_one)

    async def batch(self, body: bytes, flight: Flight) -> Reply:
        """Answer `/v1/predict/batch`."""
        return self._reply(body, flight, self._understand_batch, self._write_batch)

    def refuse(self, refusal: RefusedError, flight: Flight) -> Reply:
        """Answer a request that was refused before its body was read."""
        self._traffic.finish(flight, Outcome.REFUSED)
        return refusal.status, refusal.body

    def _reply(
        self,
        body: bytes,
        flight: Flight,
        understand: Callable[[bytes], Asked],
        write: Callable[[Scores, Flight], bytes],
    ) -> Reply:
        try:
            asked = understand(body)
            self._check_version(asked)
        except RefusedError as refusal:
            return self.refuse(refusal, flight)
        # A request that waited too long has been counted as an error and its client is gone: no work for it.
        if self._overdue(flight):
            return self._too_late(flight)
        try:
            scores = self._model.predict(np.array(asked.rows, dtype=self._model.dtype))
            check_finite(scores)
            values = self._reader.values(scores)
            reply = write(scores, flight)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its error, and the pod lives on
            return self._model_failed(error, flight)
        if self._overdue(flight):
            return self._too_late(flight)
        self._traffic.finish(flight, Outcome.ANSWERED, values)
        return OK, reply

    def _understand_one(self, body: bytes) -> Asked:
        try:
            request = self._read_one(body)
            return Asked([self._columns.row(request.features)], request.model_version)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, DoubtfulError):
            raise explain(body, self._columns, "features") from None

    def _understand_batch(self, body: bytes) -> Asked:
        try:
            request = self._read_batch(body)
            if 1 <= len(request.rows) <= MAX_ROWS:
                return Asked([self._columns.row(row) for row in request.rows], request.model_version)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, DoubtfulError):
            pass
        raise explain(body, self._columns, "rows")

    def _check_version(self, asked: Asked) -> None:
        if asked.model_version is not None and asked.model_version != self._settings.version:
            raise other_version(asked.model_version, self._settings.name, self._settings.version)

    def _write_one(self, scores: Scores, flight: Flight) -> bytes:
        return self._write(
            Prediction(
                scores.labels[0],
                self._settings.version,
                self._next_id(),
                self._latency_ms(flight),
                self._by_class(scores, 0),
            )
        )

    def _write_batch(self, scores: Scores, flight: Flight) -> bytes:
        rows = [BatchRow(label, self._next_id(), self._by_class(scores, i)) for i, label in enumerate(scores.labels)]
        return self._write(BatchPrediction(rows, self._settings.version, self._latency_ms(flight)))

    def _next_id(self) -> str:
        return f"{self._settings.revision}-{time.time_ns() // 1_000_000:x}-{self._nonce}-{next(self._numbers):x}"

    def _by_class(self, scores: Scores, row: int) -> dict[str, float] | None:
        return self._reader.by_class(scores.probabilities[row]) if scores.probabilities is not None else None

    def _latency_ms(self, flight: Flight) -> float:
        return round((self._traffic.clock() - flight.started) * 1000, 3)

    def _overdue(self, flight: Flight) -> bool:
        return self._traffic.clock() - flight.started > self._settings.request_timeout_s

    def _too_late(self, flight: Flight) -> Reply:
        self._traffic.finish(flight, Outcome.FAILED)
        seconds = self._latency_ms(flight) / 1000
        sentence = f"the request took {seconds:.1f} s, the limit is {self._settings.request_timeout_s:g} s"
        return TIMED_OUT, msgspec.json.encode({"error": "Timeout", "detail": sentence})

    def _model_failed(self, error: Exception, flight: Flight) -> Reply:
        self._traffic.finish(flight, Outcome.FAILED)
        kind, reason = type(error).__name__, " ".join(str(error).split())[:300]
        self._complain(f"the model failed: {kind}: {reason}")
        return MODEL_ERROR, msgspec.json.encode({"error": kind, "detail": f"the model failed: {reason}"})

    def _complain(self, sentence: str) -> None:
        """Log at most one failure a second: a bad model fails hundreds of times in one."""
        now = self._traffic.clock()
        if now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            logger.error(sentence)
