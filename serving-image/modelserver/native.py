"""The server's own protocol: `/v1/predict` for one row and `/v1/predict/batch` for up to 100."""

import secrets
import time
from itertools import count

import msgspec

from modelserver.asked import Asked
from modelserver.bodies import MAX_ROWS, BatchBody, Columns, DoubtfulError, PredictBody
from modelserver.models import Label, Scores
from modelserver.refusals import Served, explain
from modelserver.scores import Reader, Shares
from modelserver.settings import Settings

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, DoubtfulError)


class Between(msgspec.Struct):
    low: float
    high: float
    level: float


class Prediction(msgspec.Struct, omit_defaults=True):
    prediction: Label
    model_version: str
    prediction_id: str
    latency_ms: float
    probabilities: Shares | None = None
    interval: Between | None = None


class BatchRow(msgspec.Struct, omit_defaults=True):
    prediction: Label
    prediction_id: str
    probabilities: Shares | None = None
    interval: Between | None = None


class BatchPrediction(msgspec.Struct):
    predictions: list[BatchRow]
    model_version: str
    latency_ms: float


class PredictionIds:
    """Revision, time, process and a running number: any pod can credit a label that comes late."""

    def __init__(self, revision: str) -> None:
        self._revision = revision
        self._nonce = secrets.token_hex(3)
        self._numbers = count()

    def next(self) -> str:
        return f"{self._revision}-{time.time_ns() // 1_000_000:x}-{self._nonce}-{next(self._numbers):x}"


class OneRow:
    """`/v1/predict`."""

    def __init__(self, columns: Columns, reader: Reader, settings: Settings, ids: PredictionIds) -> None:
        self._columns = columns
        self._reader = reader
        self._version = settings.version
        self._served = Served(settings.name, settings.version)
        self._next_id = ids.next
        self._read = msgspec.json.Decoder(PredictBody).decode
        self._write = msgspec.json.Encoder().encode

    def understand(self, body: bytes) -> Asked:
        try:
            request = self._read(body)
            self._served.check(request.model_version)
            return Asked((self._columns.row(request.features),))
        except UNREADABLE:
            raise explain(body, self._columns, "features", self._served) from None

    def write(self, _: Asked, scores: Scores, latency_ms: float) -> bytes:
        reader = self._reader
        return self._write(
            Prediction(
                scores.labels[0],
                self._version,
                self._next_id(),
                latency_ms,
                reader.by_class(scores, 0),
                between(reader, scores, 0) if reader.interval else None,
            )
        )


class ManyRows:
    """`/v1/predict/batch`."""

    def __init__(self, columns: Columns, reader: Reader, settings: Settings, ids: PredictionIds) -> None:
        self._columns = columns
        self._reader = reader
        self._version = settings.version
        self._served = Served(settings.name, settings.version)
        self._next_id = ids.next
        self._read = msgspec.json.Decoder(BatchBody).decode
        self._write = msgspec.json.Encoder().encode

    def understand(self, body: bytes) -> Asked:
        try:
            request = self._read(body)
            self._served.check(request.model_version)
            if 1 <= len(request.rows) <= MAX_ROWS:
                return Asked([self._columns.row(row) for row in request.rows])
        except UNREADABLE:
            pass
        raise explain(body, self._columns, "rows", self._served)

    def write(self, _: Asked, scores: Scores, latency_ms: float) -> bytes:
        reader, by_class = self._reader, self._reader.by_class
        rows = [BatchRow(label, self._next_id(), by_class(scores, i)) for i, label in enumerate(scores.labels)]
        if reader.interval:
            for i, row in enumerate(rows):
                row.interval = between(reader, scores, i)
        return self._write(BatchPrediction(rows, self._version, latency_ms))


def between(reader: Reader, scores: Scores, row: int) -> Between | None:
    """The interval of one row, as it is answered."""
    ends = reader.around(scores, row)
    return Between(*ends, reader.interval.level) if ends and reader.interval else None
