"""Request logs: off by default, a share where one is asked for, and no value of a column that was not named."""

import json
import logging
from typing import Any

import pytest
from serving.apps import COLUMNS, Clock, fake, served, settings

from modelserver.asked import Answer
from modelserver.logs import JsonLines
from modelserver.request_log import RequestLog

ROW = {"features": {"a": 1.5, "b": 2.0, "c": 3.0}}


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines so far, as they are written."""
    caplog.set_level(logging.INFO, "modelserver.request_log")
    return lambda: [json.loads(JsonLines().format(record)) for record in caplog.records]


async def test_nothing_is_logged_unless_it_is_asked_for(lines: Any) -> None:
    await served(fake()).predict(ROW)
    assert lines() == []


async def test_a_line_says_what_was_asked_of_which_model_and_no_values(lines: Any) -> None:
    answer = await served(fake(), Clock(), REQUEST_LOG_SHARE="1").predict(ROW)
    (line,) = lines()
    assert line.pop("time")
    assert line == {
        "level": "info",
        "message": "request",
        "path": "/v1/predict",
        "status": 200,
        "model_version": "2.1.0",
        "revision": "7f3a9c21",
        "latency_ms": 0.0,
        "prediction_id": answer.json()["prediction_id"],
    }


@pytest.mark.parametrize(
    ("asked", "logged"),
    [
        ("b", {"b": 2.0}),
        ("b, c", {"b": 2.0, "c": 3.0}),
        ("*", {"a": 1.5, "b": 2.0, "c": 3.0}),
        ("other", {}),
    ],
)
@pytest.mark.parametrize("body", [ROW, {"features": [1.5, 2.0, 3.0]}], ids=["by name", "in order"])
async def test_only_columns_that_were_named_are_logged(
    lines: Any, asked: str, logged: dict[str, float], body: Any
) -> None:
    await served(fake(), REQUEST_LOG_SHARE="1", REQUEST_LOG_FEATURES=asked).predict(body)
    assert [line["features"] for line in lines()] == [logged]


async def test_rows_without_names_are_logged_only_when_all_may_be(lines: Any) -> None:
    for asked in ("a", "*"):
        server = served(fake(columns=()), REQUEST_LOG_SHARE="1", REQUEST_LOG_FEATURES=asked)
        await server.predict({"features": [1, 2, 3]})
    assert [line["features"] for line in lines()] == [{}, [1, 2, 3]]


async def test_a_batch_is_one_line_with_its_first_rows(lines: Any) -> None:
    server = served(fake(), REQUEST_LOG_SHARE="1", REQUEST_LOG_FEATURES="a")
    await server.batch(*([i, 0, 0] for i in range(25)))
    (line,) = lines()
    assert (line["rows"], len(line["prediction_ids"])) == (25, 10)
    assert line["features"] == [{"a": i} for i in range(10)]


async def test_a_refusal_is_logged_without_what_was_refused(lines: Any) -> None:
    server = served(fake(), REQUEST_LOG_SHARE="1", REQUEST_LOG_FEATURES="*")
    await server.predict({"features": ["a secret"]})
    (line,) = lines()
    assert line["status"] == 422
    assert "secret" not in json.dumps(line)


async def test_the_other_protocol_is_logged_too(lines: Any) -> None:
    body = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}]}
    server = served(fake(), REQUEST_LOG_SHARE="1", REQUEST_LOG_FEATURES="*")
    await server.client.post("/v2/models/churn/infer", json=body)
    assert [(line["path"], line["status"]) for line in lines()] == [("/v2/models/churn/infer", 200)]


def test_a_share_is_drawn_and_the_rest_passes_by(lines: Any) -> None:
    draws = iter([0.0, 0.24, 0.25, 0.9])
    log = RequestLog(settings(REQUEST_LOG_SHARE="0.25"), COLUMNS, Clock(), lambda: next(draws))
    answered: list[int] = []

    def take(_body: bytes, answer: Answer) -> None:
        answer((200, b"{}"))

    logged = log.around("/v1/predict", take)
    for _ in range(4):
        logged(b"", lambda reply: answered.append(reply[0]))
    assert (answered, len(lines())) == ([200] * 4, 2)


def test_without_a_share_requests_take_the_way_they_took() -> None:
    def take(_body: bytes, _answer: Answer) -> None: ...

    assert RequestLog(settings(), COLUMNS, Clock()).around("/v1/predict", take) is take
