"""A share of the predict requests as JSON lines: what was asked of which model, and how long it took.

Off unless REQUEST_LOG_SHARE is above 0, and then on the way past every request that is not drawn. No value of a feature
is logged unless REQUEST_LOG_FEATURES names its column: rows are people's data.
"""

import logging
import random
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from modelserver.asked import Answer, Reply, Take
from modelserver.settings import Settings

logger = logging.getLogger(__name__)

OK = 200
ALL = "*"
MOST_ROWS = 10
"""Rows of one request whose values and ids are logged."""


class RequestLog:
    """Writes lines for a share of the requests."""

    def __init__(
        self,
        settings: Settings,
        columns: tuple[str, ...],
        clock: Callable[[], float],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._share = settings.request_log_share
        self._features = settings.request_log_features
        self._model = {"model_version": settings.version, "revision": settings.revision}
        self._columns = columns
        self._clock = clock
        self._draw = draw

    def around(self, path: str, take: Take) -> Take:
        """What takes a request and logs it where it is drawn; `take` itself where none is."""
        if self._share <= 0:
            return take

        def logged(body: bytes, answer: Answer) -> None:
            if self._draw() >= self._share:
                take(body, answer)
                return
            started = self._clock()

            def answered(reply: Reply) -> None:
                answer(reply)
                self._write(path, body, self._clock() - started, reply)

            take(body, answered)

        return logged

    def _write(self, path: str, body: bytes, seconds: float, reply: Reply) -> None:
        status, answer = reply
        fields: dict[str, Any] = {"path": path, "status": status, **self._model}
        fields["latency_ms"] = round(seconds * 1000, 3)
        if status == OK:
            fields |= _ids(_object(answer))
            fields |= self._values(_object(body)) if self._features else {}
        logger.info("request", extra={"fields": fields})

    def _values(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The columns that may be logged; only of bodies that name rows or features, as this server's own do."""
        if "features" in asked:
            return {"features": self._allowed(asked["features"])}
        rows = asked.get("rows")
        return {"features": [self._allowed(row) for row in rows[:MOST_ROWS]]} if isinstance(rows, list) else {}

    def _allowed(self, row: Any) -> Any:  # noqa: ANN401 - JSON
        if ALL in self._features and not (isinstance(row, list) and self._columns):
            return row
        named = dict(zip(self._columns, row, strict=False)) if isinstance(row, list) else row
        return {name: value for name, value in named.items() if ALL in self._features or name in self._features}


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}  # a body of the other protocol, whose numbers follow its JSON
    return found if isinstance(found, dict) else {}


def _ids(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What a label that comes late refers to."""
    if "prediction_id" in answer:
        return {"prediction_id": answer["prediction_id"]}
    rows = answer.get("predictions")
    if not isinstance(rows, list):
        return {}
    return {"rows": len(rows), "prediction_ids": [row["prediction_id"] for row in rows[:MOST_ROWS]]}
