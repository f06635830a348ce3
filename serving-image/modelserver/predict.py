"""The predict path: bodies in, replies out, one outcome counted for each.

What has arrived in one turn of the event loop goes through the model together, at the end of that turn: nobody waits
for company, and a server under load pays a model's fixed costs (most of what scikit-learn does for one row) once for
all. A request that the model fails on is alone to blame: the others of its turn are asked again, one by one.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np

from modelserver.asked import Answer, Asked, Reply, Shape, Take
from modelserver.bodies import Columns
from modelserver.inference import Infer, InferWithBytes, infer_paths
from modelserver.models import Artifact, Rows, Scores
from modelserver.native import ManyRows, OneRow, PredictionIds
from modelserver.ranges import Watch
from modelserver.refusals import UNPROCESSABLE, OtherVersionError, RefusedError
from modelserver.request_log import RequestLog
from modelserver.scores import Reader, check_count, check_finite
from modelserver.settings import Settings
from modelserver.shown import shown
from modelserver.traffic import Flight, Outcome, Traffic

logger = logging.getLogger(__name__)

OK, MODEL_ERROR, TIMED_OUT = 200, 500, 504
COMPLAIN_EVERY_S = 1.0
ROWS_TOGETHER = 256
"""Rows in one call of the model; more would make the first of them wait for what helps the last ones little."""


@dataclass(slots=True)
class Waiting:
    """A request that was understood and whose turn has not come."""

    asked: Asked
    shape: Shape
    flight: Flight
    answer: Answer
    is_ended: bool = False


class Predictor:
    """Answers predict requests with one model; not to be shared between threads."""

    def __init__(self, artifact: Artifact, settings: Settings, traffic: Traffic) -> None:
        columns, self._reader = Columns.of(artifact), Reader(artifact.metadata)
        self._log = RequestLog(settings, columns.names, traffic.clock)
        ids = PredictionIds(settings.revision)
        self._one = OneRow(columns, self._reader, settings, ids)
        self._many = ManyRows(columns, self._reader, settings, ids)
        self._infer = Infer(artifact, settings, ids)
        self._model = artifact.model
        usual = artifact.metadata.usual
        self._watch = Watch(usual, artifact.model.dtype) if usual is not None else None
        self._settings = settings
        self._traffic = traffic
        self._waiting: list[Waiting] = []
        self._complained_at = -COMPLAIN_EVERY_S

    def paths(self) -> dict[str, Take]:
        """Where predict requests are posted to, and what takes them."""
        own: dict[str, Take] = {"/v1/predict": self.one, "/predict": self.one, "/v1/predict/batch": self.batch}
        takes = {**own, **dict.fromkeys(infer_paths(self._settings), self.infer)}
        return {path: self._log.around(path, take) for path, take in takes.items()}

    def one(self, body: bytes, answer: Answer) -> None:
        """Take the body of a `/v1/predict`."""
        self.take(self._one, body, answer)

    def batch(self, body: bytes, answer: Answer) -> None:
        """Take the body of a `/v1/predict/batch`."""
        self.take(self._many, body, answer)

    def infer(self, body: bytes, answer: Answer) -> None:
        """Take the body of a `/v2/models/NAME/infer`."""
        self.take(self._infer, body, answer)

    def infer_with_bytes(self, header_bytes: int) -> Take:
        """What takes such a body whose numbers follow its JSON."""
        take = partial(self.take, InferWithBytes(self._infer, header_bytes))
        return self._log.around(infer_paths(self._settings)[0], take)

    def take(self, shape: Shape, body: bytes, answer: Answer) -> None:
        """Refuse the body at once, or answer it at the end of this turn of the running loop.

        The one place where a request begins in the counters: whole, so that nothing between here and its end waits for
        a client. What begins here ends in this call, or in `_take_turn` with all that it takes.
        """
        flight = self._traffic.begin()
        try:
            asked = shape.understand(body)
        except OtherVersionError as elsewhere:
            self._traffic.forget(flight)
            answer((elsewhere.status, elsewhere.body))
            return
        except Exception as error:  # noqa: BLE001 - what no reader has foreseen is the body's fault, not the model's
            self._traffic.finish(flight, Outcome.REFUSED)
            refusal = error if isinstance(error, RefusedError) else self._unforeseen(error)
            answer((refusal.status, refusal.body))
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._take_turn)
        self._waiting.append(Waiting(asked, shape, flight, answer))

    def refuse(self, refusal: RefusedError, answer: Answer) -> None:
        """Count a refusal of a request whose body was not read, and say it."""
        self._traffic.finish(self._traffic.begin(), Outcome.REFUSED)
        answer((refusal.status, refusal.body))

    def _unforeseen(self, error: Exception) -> RefusedError:
        self._complain(f"a body could not be read: {type(error).__name__}: {error}")
        return RefusedError(UNPROCESSABLE, "the body cannot be read")

    def _take_turn(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            for together in _portions(waiting):
                # A request that waited too long has been counted as an error: no work for it.
                alive = [one for one in together if self._in_time(one)]
                if alive:
                    self._predict(alive)
        finally:
            for one in waiting:
                if not one.is_ended:
                    self._fail(one, RuntimeError("the server lost the request"))

    def _predict(self, together: Sequence[Waiting]) -> None:
        rows = [row for one in together for row in one.asked.rows]
        try:
            taken = np.array(rows, dtype=self._model.dtype)
            scores = self._score(taken)
            check_count(scores, len(rows))
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its error, and the pod lives on
            self._sort_out(together, error)
            return
        if self._watch is not None:
            self._traffic.count_unusual(self._watch.outside(taken))
        first = 0
        for one in together:
            last = first + len(one.asked.rows)
            self._finish(one, scores if len(together) == 1 else scores.rows(first, last))
            first = last

    def _score(self, rows: Rows) -> Scores:
        at_once = self._model.rows_at_once
        if at_once is None or len(rows) <= at_once:
            return self._model.predict(rows)
        parts = [self._model.predict(rows[i : i + at_once]) for i in range(0, len(rows), at_once)]
        labels = [label for part in parts for label in part.labels]
        if parts[0].probabilities is None:
            return Scores(labels)
        return Scores(labels, [shares for part in parts for shares in part.probabilities or ()])

    def _sort_out(self, together: Sequence[Waiting], error: Exception) -> None:
        if len(together) == 1:
            self._fail(together[0], error)
            return
        for one in together:
            if self._in_time(one):
                self._predict([one])

    def _finish(self, one: Waiting, scores: Scores) -> None:
        try:
            check_finite(scores)
            values = self._reader.values(scores)
            reply = one.shape.write(one.asked, scores, self._latency_ms(one.flight))
        except Exception as error:  # noqa: BLE001 - an answer that cannot be written is the model's error too
            self._fail(one, error)
            return
        if len(reply) > self._settings.bounds.answer_bytes:
            most = self._settings.bounds.answer_bytes
            sentence = f"the answer has {len(reply)} bytes, at most {most} are sent; ask for fewer rows"
            self._end(one, Outcome.REFUSED, (UNPROCESSABLE, msgspec.json.encode({"detail": sentence})))
        elif self._in_time(one):
            self._end(one, Outcome.ANSWERED, (OK, reply), values)

    def _end(self, one: Waiting, outcome: Outcome, reply: Reply, values: Sequence[float] = ()) -> None:
        """Finish a request in the counters and answer it; what becomes of the answer is nobody's fault here."""
        if one.is_ended:
            return
        one.is_ended = True
        self._traffic.finish(one.flight, outcome, values)
        try:
            one.answer(reply)
        except Exception:
            logger.exception("an answer could not be given")

    def _in_time(self, one: Waiting) -> bool:
        if self._traffic.clock() - one.flight.started <= self._settings.request_timeout_s:
            return True
        seconds = self._latency_ms(one.flight) / 1000
        sentence = f"the request took {seconds:.1f} s, the limit is {self._settings.request_timeout_s:g} s"
        self._end(one, Outcome.FAILED, (TIMED_OUT, msgspec.json.encode({"error": "Timeout", "detail": sentence})))
        return False

    def _fail(self, one: Waiting, error: Exception) -> None:
        kind, reason = type(error).__name__, shown(" ".join(str(error).split()), 300)
        self._complain(f"the model failed: {kind}: {reason}")
        detail = msgspec.json.encode({"error": kind, "detail": f"the model failed: {reason}"})
        self._end(one, Outcome.FAILED, (MODEL_ERROR, detail))

    def _latency_ms(self, flight: Flight) -> float:
        return round((self._traffic.clock() - flight.started) * 1000, 3)

    def _complain(self, sentence: str) -> None:
        """Log at most one failure a second: a bad model fails hundreds of times in one."""
        now = self._traffic.clock()
        if now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            logger.error(sentence)


def _portions(waiting: Sequence[Waiting]) -> Iterator[Sequence[Waiting]]:
    """In order, with at most ROWS_TOGETHER rows each; one request is never divided."""
    portion: list[Waiting] = []
    rows = 0
    for one in waiting:
        rows += len(one.asked.rows)
        if portion and rows > ROWS_TOGETHER:
            yield portion
            portion, rows = [], len(one.asked.rows)
        portion.append(one)
    if portion:
        yield portion
