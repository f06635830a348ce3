"""Poisoned requests to a real process, over both protocols: refused by field, and the worker lives on."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving.processes import LOOPBACK, Running, running

WIDTH = 30
PREDICT, BATCH, INFER = "/v1/predict", "/v1/predict/batch", "/v2/models/cancer/infer"

NUMBERS = {
    "NaN": "NaN",
    "infinity": "-Infinity",
    "too large": "1e999",
    "digits": "1" + "0" * 400,
    "a string": '"1"',
    "a truth": "true",
    "null": "null",
    "a list": "[1]",
}
BODIES = {
    "deep JSON": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "half of a JSON": '{"features": [1, 2',
    "ten megabytes": "[" + "1," * 5_000_000 + "1]",
    "nothing": "",
    "a page": "<html>",
}


def rows(number: str) -> dict[str, str]:
    """The same poisoned row for each path."""
    row = ",".join([number, *["1"] * (WIDTH - 1)])
    tensor = f'{{"name": "features", "shape": [1, {WIDTH}], "datatype": "FP64", "data": [{row}]}}'
    return {
        PREDICT: f'{{"features": [{row}]}}',
        BATCH: f'{{"rows": [[{row}]]}}',
        INFER: f'{{"inputs": [{tensor}]}}',
    }


@pytest.fixture(scope="module", params=["v2.skops", "v2.onnx"])
def server(models: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(models / request.param, MODEL_NAME="cancer") as started:
        yield started


def sent(server: Running, path: str, body: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=30)
    try:
        connection.request("POST", path, body.encode(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def refused(server: Running, path: str, body: str) -> str:
    """What a refusal says; the model has seen nothing of it."""
    before = server.health()["counters"]
    status, answer = sent(server, path, body)
    after = server.health()["counters"]
    assert 400 <= status < 500, (status, answer)
    assert (after["refusals"] - before["refusals"], after["errors"]) == (1, 0)
    return json.dumps(answer)


@pytest.mark.parametrize("path", [PREDICT, BATCH, INFER])
@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_a_poisoned_number_is_refused_by_its_field(server: Running, path: str, number: str) -> None:
    said = refused(server, path, rows(number)[path])
    fields = {PREDICT: '"features"', BATCH: '"rows", 0', INFER: "inputs[0].data"}
    assert fields[path] in said


@pytest.mark.parametrize("path", [PREDICT, BATCH, INFER])
@pytest.mark.parametrize("number", ["1.7e308", "-1.7e308", "1e-320"])
def test_a_number_at_the_end_of_all_numbers_is_answered_or_refused(server: Running, path: str, number: str) -> None:
    status, answer = sent(server, path, rows(number)[path])
    assert status in {200, 400, 422}, answer
    assert "NaN" not in json.dumps(answer)
    assert server.health()["counters"]["errors"] == 0


@pytest.mark.parametrize("number", ["1.3e154", "-1.3e154", "1.8e19", "-1.8e19"])
def test_a_whole_row_at_the_end_of_what_is_taken_is_answered_or_refused(server: Running, number: str) -> None:
    """Of one sign, and of both: sums of them overflow, or what is subtracted does."""
    other = number.removeprefix("-") if number.startswith("-") else f"-{number}"
    for row in ([number] * WIDTH, [number, other] * (WIDTH // 2)):
        status, answer = sent(server, PREDICT, f'{{"features": [{",".join(row)}]}}')
        assert status in {200, 422}, answer
    assert server.health()["counters"]["errors"] == 0


@pytest.mark.parametrize("path", [PREDICT, BATCH, INFER])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_none_is_refused(server: Running, path: str, body: str) -> None:
    assert refused(server, path, body)


def test_after_all_of_it_the_same_process_answers(server: Running) -> None:
    for path, body in rows("1").items():
        assert sent(server, path, body)[0] == 200
    health = server.health()
    assert (health["healthy"], health["counters"]["errors"], server.process.poll()) == (True, 0, None)
