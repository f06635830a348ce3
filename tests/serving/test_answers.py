"""What /v1/predict and its neighbours answer to a request that is in order."""

import asyncio
import re
import time

import httpx
import pytest
from serving.apps import fake, served

from modelserver.models import Rows, Scores


def shares(rows: Rows) -> Scores:
    return Scores([1] * len(rows), [[0.25, 0.75]] * len(rows))


async def test_a_list_and_an_object_in_any_order_are_the_same_row() -> None:
    server = served(fake(lambda rows: Scores((rows @ [1, 10, 100]).tolist())))

    as_list = await server.predict({"features": [1, 2, 3]})
    as_object = await server.predict({"features": {"c": 3, "a": 1, "b": 2}})

    assert as_list.json()["prediction"] == as_object.json()["prediction"] == 321


async def test_an_answer_carries_prediction_probabilities_version_and_latency() -> None:
    answer = (await served(fake(shares)).predict({"features": [1, 2, 3]})).json()

    assert answer.pop("latency_ms") >= 0
    assert answer.pop("prediction_id").startswith("7f3a9c21-")
    assert answer == {"prediction": 1, "probabilities": {"0": 0.25, "1": 0.75}, "model_version": "2.1.0"}


async def test_a_prediction_id_carries_revision_and_time_and_is_never_the_same() -> None:
    server = served(fake())
    before = time.time()

    ids = [(await server.predict({"features": [1, 2, 3]})).json()["prediction_id"] for _ in range(5)]

    assert len(set(ids)) == 5
    revision, milliseconds, _, _ = ids[0].split("-")
    assert revision == "7f3a9c21"
    assert before - 1 < int(milliseconds, 16) / 1000 < time.time() + 1


async def test_the_short_path_answers_like_the_long_one() -> None:
    answer = await served(fake()).client.post("/predict", json={"features": [1, 2, 3]})

    assert (answer.status_code, answer.json()["prediction"]) == (200, 6)


async def test_a_batch_answers_each_row_in_order() -> None:
    answer = await served(fake()).batch([1, 2, 3], {"a": 1, "b": 1, "c": 1})

    assert [row["prediction"] for row in answer.json()["predictions"]] == [6, 3]
    assert answer.json()["model_version"] == "2.1.0"


async def test_a_hundred_rows_are_a_batch() -> None:
    answer = await served(fake()).batch(*[[1, 2, 3]] * 100)

    assert len(answer.json()["predictions"]) == 100


async def test_naming_the_version_that_is_served_changes_nothing() -> None:
    answer = await served(fake()).predict({"features": [1, 2, 3], "model_version": "2.1.0"})

    assert answer.status_code == 200


async def test_models_and_versions_name_what_is_served() -> None:
    server = served(fake())
    expected = {
        "name": "churn",
        "version": "2.1.0",
        "revision": "7f3a9c21",
        "format": "fake",
        "digest": "sha256:0",
        "columns": ["a", "b", "c"],
        "classes": [],
        "bundle": None,
    }

    assert (await server.client.get("/v1/models")).json() == {"models": [expected]}
    assert (await server.client.get("/v1/models/churn/versions")).json() == {"models": [expected]}
    assert (await server.client.get("/v1/models/other/versions")).status_code == 404


async def test_the_documents_describe_both_predict_routes() -> None:
    server = served(fake())

    paths = (await server.client.get("/openapi.json")).json()["paths"]

    assert {"/v1/predict", "/v1/predict/batch", "/v1/models"} <= set(paths)
    assert paths["/v1/predict"]["post"]["requestBody"]["required"]
    page = await server.client.get("/docs")
    assert "/v1/predict/batch" in page.text
    assert not re.search("<script|src=|https?:", page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_the_serving_port_tells_whether_it_is_ready_without_the_counters() -> None:
    server = served(fake())

    assert (await server.client.get("/ready")).status_code == 200
    assert (await server.client.get("/health")).json() == {"status": "ok"}
    server.state.drain()
    assert (await server.client.get("/ready")).status_code == 503


@pytest.mark.parametrize("path", ["/health", "/ready", "/v2/health/live", "/v2/health/ready"])
async def test_what_is_asked_every_second_is_answered_as_the_documented_page_answers_it(path: str) -> None:
    server = served(fake())
    pages = httpx.AsyncClient(transport=httpx.ASGITransport(server.app.pages), base_url="http://server")

    for _ in range(2):
        brief, whole = await server.client.get(path), await pages.get(path)
        headers = {name: value for name, value in brief.headers.items() if name != "connection"}
        assert (brief.status_code, brief.content, headers) == (whole.status_code, whole.content, dict(whole.headers))
        server.state.drain()


async def test_pages_are_made_once_however_many_ask_first() -> None:
    server = served(fake())

    answers = await asyncio.gather(*(server.client.get("/v1/models") for _ in range(3)))

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert (await server.client.post("/ready")).json() == {"detail": "Method Not Allowed"}
    assert (await server.client.get("/nowhere")).json() == {"detail": "Not Found"}
