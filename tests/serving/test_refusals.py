"""A request that is not in order gets a 4xx that names the field, and counts as a refusal, never as an error."""

import json

import pytest
from serving.apps import fake, served

BODY = ("body",)
FEATURES = ("body", "features")

REFUSED: dict[str, tuple[bytes, tuple[str | int, ...], str]] = {
    "NaN": (b'{"features": [1, NaN, 3]}', (*FEATURES, 1), "has to be finite, not NaN"),
    "infinity": (b'{"features": [1, 2, -Infinity]}', (*FEATURES, 2), "has to be finite and at most 1.34e+154 in size"),
    "too large for a float": (b'{"features": [1e999, 2, 3]}', (*FEATURES, 0), "has to be finite"),
    "what a model cannot add up": (
        b'{"features": [-1.7976931348623157e308, -1.7976931348623157e308, 1]}',
        (*FEATURES, 0),
        "has to be finite and at most 1.34e+154 in size",
    ),
    "a number of 400 digits": (b'{"features": [1' + b"0" * 400 + b", 2, 3]}", (*FEATURES, 0), "has to be finite"),
    "NaN by name": (b'{"features": {"a": 1, "b": NaN, "c": 3}}', (*FEATURES, "b"), "has to be finite, not NaN"),
    "too few": (b'{"features": [1, 2]}', FEATURES, "the model takes 3 values, not 2"),
    "too many": (b'{"features": [1, 2, 3, 4]}', FEATURES, "the model takes 3 values, not 4"),
    "none": (b'{"features": []}', FEATURES, "the model takes 3 values, not 0"),
    "a missing column": (b'{"features": {"a": 1, "b": 2}}', (*FEATURES, "c"), "this column is missing"),
    "an unknown column": (
        b'{"features": {"a": 1, "b": 2, "c": 3, "d": 4}}',
        (*FEATURES, "d"),
        "the model has no such column",
    ),
    "another column": (b'{"features": {"a": 1, "b": 2, "d": 4}}', (*FEATURES, "c"), "this column is missing"),
    "a string": (b'{"features": [1, "2", 3]}', (*FEATURES, 1), "has to be a number"),
    "a truth": (b'{"features": {"a": true, "b": 2, "c": 3}}', (*FEATURES, "a"), "has to be a number"),
    "null": (b'{"features": [1, null, 3]}', (*FEATURES, 1), "has to be a number"),
    "a list in a list": (b'{"features": [[1, 2, 3]]}', FEATURES, "the model takes 3 values, not 1"),
    "features of no kind": (b'{"features": 7}', FEATURES, "has to be a list of numbers or an object of numbers"),
    "no features": (b"{}", FEATURES, "is missing"),
    "an unknown field": (b'{"features": [1, 2, 3], "featurs": 1}', (*BODY, "featurs"), "unknown field"),
    "a lone surrogate": (b'{"features": [1, 2, 3], "\\ud800": 1}', (*BODY, "\\ud800"), "unknown field"),
    "a version of no kind": (b'{"features": [1, 2, 3], "model_version": 2}', (*BODY, "model_version"), "a string"),
    "no object": (b"[1, 2, 3]", BODY, "the body has to be an object"),
    "no JSON": (b"features=1", BODY, "the body is not JSON"),
    "no text": (b"\xff\xfe\x00", BODY, "the body is not JSON"),
    "nothing": (b"", BODY, "the body is not JSON"),
    "deep JSON": (b'{"features": [1, 2, 3], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", BODY, "nested too deeply"),
}


@pytest.mark.parametrize(("body", "field", "sentence"), REFUSED.values(), ids=REFUSED)
async def test_a_bad_body_is_a_422_that_names_the_field(
    body: bytes, field: tuple[str | int, ...], sentence: str
) -> None:
    server = served(fake())

    answer = await server.send(body)

    problem = answer.json()["detail"][0]
    assert (answer.status_code, tuple(problem["loc"])) == (422, field)
    assert sentence in problem["msg"]
    counters = server.state.traffic.snapshot()
    assert (counters.requests, counters.refusals, counters.errors) == (1, 1, 0)


async def test_a_bad_row_of_a_batch_is_named_by_its_index() -> None:
    answer = await served(fake()).batch([1, 2, 3], {"a": 1, "b": "x", "c": 3}, [1, 2])

    places = [problem["loc"] for problem in answer.json()["detail"]]
    assert (answer.status_code, places) == (422, [["body", "rows", 1, "b"], ["body", "rows", 2]])


@pytest.mark.parametrize("count", [0, 101])
async def test_a_batch_of_a_wrong_size_is_told_the_limit(count: int) -> None:
    answer = await served(fake()).batch(*[[1, 2, 3]] * count)

    problem = answer.json()["detail"][0]
    assert (answer.status_code, problem["msg"]) == (422, f"1 to 100 rows are taken at once, not {count}")


async def test_another_model_version_is_a_404_that_names_the_one_served() -> None:
    server = served(fake())

    answer = await server.predict({"features": [1, 2, 3], "model_version": "1.0.0"})

    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": 'this pod serves churn version "2.1.0", not "1.0.0"'},
    )
    assert server.state.traffic.snapshot().requests == 0
    assert server.state.traffic.waiting()[0] == 0


async def test_a_body_of_ten_megabytes_is_too_large() -> None:
    server = served(fake())

    answer = await server.send(b"[" + b"1," * 5_000_000 + b"1]")

    assert (answer.status_code, answer.json()) == (413, {"detail": "the body has more than 281944 bytes"})
    assert server.state.traffic.snapshot().refusals == 1


async def test_names_are_refused_where_the_model_has_none() -> None:
    answer = await served(fake(columns=())).predict({"features": {"a": 1, "b": 2, "c": 3}})

    message = "this model has no column names; send a list of 3 numbers"
    assert (answer.status_code, answer.json()["detail"][0]["msg"]) == (422, message)


async def test_a_thousand_problems_are_not_all_listed() -> None:
    body = {"features": {f"x{i}": 1 for i in range(1000)}}

    answer = await served(fake()).send(json.dumps(body).encode())

    assert len(answer.json()["detail"]) == 10


async def test_an_endless_name_is_shown_in_part() -> None:
    answer = await served(fake()).send(json.dumps({"features": {"a" * 1_000_000: 1}}).encode())

    assert len(answer.content) < 1000
