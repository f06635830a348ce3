"""The Open Inference Protocol: tensors in, tensors out, and a 400 that names the field for what is not in order."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving.apps import FakeModel, Served, fake, served

from modelserver.models import Artifact, Metadata, Rows, Scores

INFER = "/v2/models/churn/infer"
ROW = [1.0, 2.0, 3.0]


def tensor(**changes: object) -> dict[str, object]:
    return {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": ROW} | changes


def column(name: str, *values: float, **changes: object) -> dict[str, object]:
    return {"name": name, "shape": [len(values)], "datatype": "FP64", "data": list(values)} | changes


async def infer(server: Served, *inputs: object, **fields: object) -> httpx.Response:
    return await server.client.post(INFER, json={"inputs": inputs, **fields})


def classifier() -> Artifact:
    def shares(rows: Rows) -> Scores:
        return Scores(["yes"] * len(rows), [[0.25, 0.75]] * len(rows))

    return Artifact(FakeModel(shares), 3, "fake", Metadata(columns=("a", "b", "c"), classes=("no", "yes")))


async def test_a_matrix_is_answered_row_by_row() -> None:
    answer = await infer(served(fake()), tensor(shape=[2, 3], data=[1, 2, 3, 4, 5, 6]), id="7")

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "model_name": "churn",
            "model_version": "2.1.0",
            "id": "7",
            "outputs": [{"name": "predict", "datatype": "FP64", "shape": [2], "data": [6.0, 15.0]}],
        },
    )


async def test_a_classifier_gives_labels_and_probabilities_and_ids_when_asked() -> None:
    server = served(classifier())

    usual = (await infer(server, tensor())).json()["outputs"]
    asked = (await infer(server, tensor(), outputs=[{"name": "prediction_id"}])).json()["outputs"]

    assert usual == [
        {"name": "predict", "datatype": "BYTES", "shape": [1], "data": ["yes"]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [1, 2], "data": [0.25, 0.75]},
    ]
    assert [output["name"] for output in asked] == ["prediction_id"]
    assert asked[0]["data"][0].startswith("7f3a9c21-")


ALIKE: dict[str, list[dict[str, object]]] = {
    "nested": [tensor(data=[ROW])],
    "integers": [tensor(datatype="INT32", data=[1, 2, 3])],
    "columns": [column("c", 3), column("a", 1), column("b", 2)],
    "columns of two dimensions": [column(name, value, shape=[1, 1]) for name, value in zip("abc", ROW, strict=True)],
}


@pytest.mark.parametrize("inputs", ALIKE.values(), ids=ALIKE)
async def test_the_same_row_in_another_shape_is_the_same(inputs: list[dict[str, object]]) -> None:
    server = served(fake(lambda rows: Scores((rows @ [1, 10, 100]).tolist())))

    assert (await infer(server, *inputs)).json()["outputs"][0]["data"] == [321]


async def test_numbers_may_follow_the_json_as_bytes() -> None:
    head = json.dumps({"inputs": [tensor(data=None, parameters={"binary_data_size": 12}, datatype="FP32")]}).encode()
    server = served(fake())

    answer = await server.client.post(
        INFER,
        content=head + np.array(ROW, np.float32).tobytes(),
        headers={"Inference-Header-Content-Length": str(len(head))},
    )

    assert (answer.status_code, answer.json()["outputs"][0]["data"]) == (200, [6.0])


BAD: dict[str, tuple[list[dict[str, object]], str]] = {
    "no tensor": ([], "inputs: there is no tensor"),
    "too narrow": ([tensor(shape=[1, 2], data=[1, 2])], "inputs[0].shape: the model takes 3 columns, not 2"),
    "shape and data": ([tensor(data=[1, 2])], "inputs[0].data: the shape [1, 3] asks for 3 numbers, not 2"),
    "three dimensions": ([tensor(shape=[1, 1, 3])], "inputs[0].shape: has to be [rows, columns]"),
    "a negative size": ([tensor(shape=[-1, 3])], "inputs[0].shape: has to be [rows, columns]"),
    "no rows": ([tensor(shape=[0, 3], data=[])], "inputs[0].shape: 1 to 100 rows are taken at once, not 0"),
    "too many rows": ([tensor(shape=[101, 3], data=[0] * 303)], "inputs[0].shape: 1 to 100 rows"),
    "endless rows": ([tensor(shape=[10**18, 3])], "inputs[0].shape: 1 to 100 rows"),
    "words": ([tensor(data=["a", "b", "c"])], "inputs[0].data: has to be a list of finite numbers"),
    "words by type": ([tensor(datatype="BYTES", data=["a", "b", "c"])], 'inputs[0].datatype: "BYTES" is not taken'),
    "no data": ([tensor(data=None)], "inputs[0].data: has to be a list"),
    "bytes that do not come": (
        [tensor(parameters={"binary_data_size": 24})],
        "inputs[0].parameters.binary_data_size: does not fit what follows the JSON",
    ),
    "a column twice": ([column("a", 1), column("a", 1)], 'inputs[1].name: "a" came before'),
    "an unknown column": ([column("a", 1), column("z", 1)], 'inputs[1].name: the model has no column "z"'),
    "a missing column": ([column("a", 1), column("b", 1)], 'inputs: the column "c" is missing'),
    "columns of two lengths": (
        [column("a", 1), column("b", 1, 2), column("c", 1)],
        "inputs[1].shape: has to be [1], a single column like the first",
    ),
    "a shape of no kind": ([tensor(shape="x")], "inputs[0].shape: Expected `array`, got `str`"),
}


@pytest.mark.parametrize(("inputs", "sentence"), BAD.values(), ids=BAD)
async def test_a_bad_tensor_is_a_400_that_names_the_field(inputs: list[dict[str, object]], sentence: str) -> None:
    server = served(fake())

    answer = await infer(server, *inputs)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(sentence)
    counters = server.state.traffic.snapshot()
    assert (counters.requests, counters.refusals, counters.errors) == (1, 1, 0)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("NaN", "inputs[0].data[0]: has to be finite, not nan"),
        ("-Infinity", "inputs[0].data[0]: has to be finite, not -inf"),
        ("[1], [Infinity]", "inputs[0].data[1]: has to be finite, not inf"),
        ("NaN, oops", "not JSON"),
        ("1e999", "finite"),
        ("1" + "0" * 400, "finite"),
        ("[" * 50_000, "not JSON"),
        ("true", "finite"),
    ],
)
async def test_a_poisoned_number_is_a_400(value: str, sentence: str) -> None:
    body = json.dumps({"inputs": [tensor(data=["HERE", 2, 3])]}).replace('"HERE"', value)

    answer = await served(fake()).client.post(INFER, content=body)

    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


async def test_a_number_too_large_for_the_models_type_is_named() -> None:
    artifact = Artifact(FakeModel(dtype=np.float32), 3, "fake", Metadata(columns=("a", "b", "c")))

    answer = await infer(served(artifact), tensor(data=[1, 1e39, 3]))

    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "inputs[0].data[1]: has to be finite and at most 1.84e+19 in size",
    )


async def test_another_model_or_version_is_a_404_that_names_the_one_served() -> None:
    client = served(fake()).client

    for path in ("/v2/models/other/infer", "/v2/models/churn/versions/9/infer"):
        answer = await client.post(path, json={"inputs": [tensor()]})
        assert answer.status_code == 404
    assert answer.json() == {"detail": 'this pod serves version "2.1.0", not "9"'}


async def test_health_and_metadata_say_what_is_here() -> None:
    server = served(classifier())
    get = server.client.get

    assert (await get("/v2")).json()["extensions"] == ["binary_tensor_data"]
    assert (await get("/v2/health/live")).status_code == 200
    assert (await get("/v2/models/churn/versions/2.1.0")).json() == {
        "name": "churn",
        "versions": ["2.1.0"],
        "platform": "fake",
        "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, 3]}],
        "outputs": [
            {"name": "predict", "datatype": "BYTES", "shape": [-1]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]},
        ],
    }
    server.state.drain()
    assert [(await get(path)).status_code for path in ("/v2/health/ready", "/v2/models/churn/ready")] == [503, 503]


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["x", "a", "b", "c"]) | JSON,
        "shape": st.lists(st.integers(-1, 4), max_size=3) | JSON,
        "datatype": st.sampled_from(["FP64", "FP16", "INT8", "BYTES"]) | JSON,
        "data": st.lists(st.floats() | st.integers(), max_size=6) | JSON,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 30) | JSON}) | JSON,
    },
)


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({"inputs": st.lists(NEARLY, max_size=4) | JSON}) | JSON, st.binary(max_size=30))
async def test_whatever_comes_is_answered_or_refused(parsed: Any, raw: bytes) -> None:
    server = served(fake())
    head = json.dumps(parsed).encode()

    plain = await server.client.post(INFER, content=head)
    mixed = await server.client.post(
        INFER, content=head + raw, headers={"inference-header-content-length": str(len(head))}
    )

    for answer in (plain, mixed):
        assert answer.status_code == 200 or (answer.status_code == 400 and answer.json()["error"])


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
async def test_bytes_of_any_kind_are_refused(body: bytes) -> None:
    assert (await served(fake()).client.post(INFER, content=body)).status_code == 400
