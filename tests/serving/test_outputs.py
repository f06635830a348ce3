"""What a bundle's manifest does to requests and answers: ranges, clipping, intervals, the baseline."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scrape.healths import TARGET
from serving.apps import FakeModel, Served, served
from serving.bundle_files import BASELINE, classifier, folder, loaded

from modelrollout.judge import Baseline, Sample, drift
from modelrollout.scrape.answer import read
from modelserver.clipped import Clipped
from modelserver.metrics import Metrics
from modelserver.models import Rows, Scores
from modelserver.outputs import Clip

INTERVAL = {"level": 0.9, "lower": -1.5, "upper": 0.5}
INFER = "/v2/models/churn/infer"


def serving(parent: Path, content: bytes | None = None, **changes: Any) -> Served:
    return served(loaded(folder(parent, content, **changes)))


async def predicted(server: Served, *values: float) -> Any:
    return (await server.predict({"features": values})).json()


def near(*numbers: float) -> Any:
    return pytest.approx(list(numbers))


async def test_an_interval_goes_with_every_row(tmp_path: Path) -> None:
    server = serving(tmp_path, prediction={"interval": INTERVAL})

    one = await predicted(server, 1, 2)
    many = (await server.batch([1, 2], [0, 1])).json()["predictions"]

    assert one["interval"] == {"low": pytest.approx(1.5), "high": pytest.approx(3.5), "level": 0.9}
    assert [row["interval"]["low"] for row in many] == near(1.5, -0.5)


async def test_predictions_and_intervals_are_clipped(tmp_path: Path) -> None:
    server = serving(tmp_path, prediction={"min": 0, "max": 3.2, "interval": INTERVAL})

    low, inside, high = [await predicted(server, *row) for row in ((-5, 0), (1, 2), (9, 9))]

    assert [low["prediction"], inside["prediction"], high["prediction"]] == near(0, 3, 3.2)
    ends = [(one["interval"]["low"], one["interval"]["high"]) for one in (low, inside, high)]
    assert ends == [near(0, 0.5), near(1.5, 3.2), near(1.7, 3.2)]


async def test_what_is_counted_is_what_was_answered(tmp_path: Path) -> None:
    server = serving(tmp_path, prediction={"max": 3})

    await predicted(server, 100, 100)

    assert server.state.traffic.snapshot().prediction_sum == 3.0


async def test_without_them_an_answer_has_neither(tmp_path: Path) -> None:
    answer = await predicted(serving(tmp_path), 1, 2)

    assert sorted(answer) == ["latency_ms", "model_version", "prediction", "prediction_id"]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_clipping_does_not_hide_a_broken_model(wrong: float) -> None:
    def answer(rows: Rows) -> Scores:
        return Scores([wrong] * len(rows))

    found = Clipped(FakeModel(answer), Clip(0, 1)).predict(np.zeros((1, 3))).labels[0]

    assert str(found) == str(wrong)


async def test_the_inference_protocol_gives_intervals_as_a_tensor(tmp_path: Path) -> None:
    server = serving(tmp_path, prediction={"interval": INTERVAL})
    tensor = {"name": "rows", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 0, 1]}

    found = (await server.client.post(INFER, json={"inputs": [tensor]})).json()["outputs"]
    described = (await server.client.get("/v2/models/churn")).json()["outputs"]

    assert [one["name"] for one in found] == [one["name"] for one in described] == ["predict", "predict_interval"]
    assert (found[1]["shape"], found[1]["data"]) == ([2, 2], near(1.5, 3.5, -0.5, 1.5))
    assert described[1] == {"name": "predict_interval", "datatype": "FP64", "shape": [-1, 2]}


LIMITED = [{"name": "x", "min": 0, "max": 120, "type": "integer"}, {"name": "y"}]
REFUSED = [
    ([-1, 0], "has to be at least 0"),
    ([121, 0], "has to be at most 120"),
    ([1.5, 0], "has to be a whole number"),
]


@pytest.mark.parametrize(("row", "said"), REFUSED)
async def test_a_value_outside_its_range_is_refused_by_name(tmp_path: Path, row: list[float], said: str) -> None:
    server = serving(tmp_path, columns=LIMITED)

    by_place = await server.predict({"features": row})
    by_name = await server.predict({"features": {"y": row[1], "x": row[0]}})
    of_many = await server.batch([1, 1], row)

    problems = [answer.json()["detail"] for answer in (by_place, by_name, of_many)]
    assert [answer.status_code for answer in (by_place, by_name, of_many)] == [422, 422, 422]
    assert problems == [
        [{"type": "out_of_range", "loc": ["body", *place], "msg": said}]
        for place in (["features", 0], ["features", "x"], ["rows", 1, 0])
    ]


async def test_the_inference_protocol_refuses_by_row_and_column(tmp_path: Path) -> None:
    server = serving(tmp_path, columns=LIMITED)
    tensor = {"name": "rows", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 121, 1]}

    answer = await server.client.post(INFER, json={"inputs": [tensor]})

    assert (answer.status_code, answer.json()) == (400, {"error": 'inputs: row 1: column "x" has to be at most 120'})


@pytest.mark.parametrize("row", [[0, 0], [120, 1e9], [7, -1e9]])
async def test_the_ends_of_a_range_are_inside_it(tmp_path: Path, row: list[float]) -> None:
    assert (await serving(tmp_path, columns=LIMITED).predict({"features": row})).status_code == 200


async def test_unusual_rows_are_served_and_counted(tmp_path: Path) -> None:
    server = serving(tmp_path, columns=[{"name": "x", "usual": [0, 3]}, {"name": "y"}])

    answers = await server.batch([0, 9], [3, 9], [3.1, 9], [-0.1, 9])
    await server.predict({"features": [50, 0]})

    assert answers.status_code == 200
    assert b"model_rows_outside_usual_ranges_total{" in Metrics(server.state).page()
    assert server.state.traffic.snapshot().unusual_rows == 3


async def test_the_listing_names_the_bundle(tmp_path: Path) -> None:
    server = serving(tmp_path, code="5e1f0c2", data="2026-01")

    found = (await server.client.get("/v1/models")).json()["models"][0]

    assert found["bundle"] == {"name": "sums", "version": "2.1.0", "code": "5e1f0c2", "data": "2026-01"}


def scraped(server: Served) -> Sample:
    """What the operator reads in the server's own /health."""
    document = json.loads(msgspec.json.encode(server.health.document()[1]))
    found = read(json.dumps(document | {"pod_uid": TARGET.uid}).encode(), TARGET)
    assert isinstance(found, Sample)
    return found


async def test_the_operator_reads_baseline_and_predictions_on_the_same_edges(tmp_path: Path) -> None:
    server = serving(tmp_path, baseline=BASELINE)

    await server.batch([1, 0], [1, 1], [1, 1.6], [5, 5])

    sample = scraped(server)
    assert sample.baseline == Baseline(400, 2.0, 0.5, (1.5, 2.5), (100, 200, 100))
    assert (sample.predictions.edges, sample.predictions.counts) == ((1.5, 2.5), (1, 1, 2))


@pytest.mark.parametrize(
    ("rows", "answer"), [([[1, 1], [1, 0.4], [2, 0.6]], "undecided"), ([[9, 9]], "drifted")], ids=["near", "far"]
)
async def test_the_judge_finds_drift_in_what_the_server_counts(
    tmp_path: Path, rows: list[list[float]], answer: str
) -> None:
    server = serving(tmp_path, baseline=BASELINE)

    for _ in range(300 // len(rows)):
        await server.batch(*rows)

    sample = scraped(server)
    assert sample.baseline is not None
    assert drift.unusable(sample.baseline) == ""
    assert drift.moved(sample.predictions, sample.baseline, 2.0, 0.01).answer == answer


async def test_a_baseline_without_spread_is_told_and_judged_by_nobody(tmp_path: Path) -> None:
    server = serving(tmp_path, baseline={"count": 400, "mean": 2.0, "sd": 0.0})

    await predicted(server, 9, 9)

    sample = scraped(server)
    assert sample.baseline == Baseline(400, 2.0, 0.0)
    assert "has no spread" in drift.unusable(sample.baseline)


async def test_the_window_shows_how_far_the_mean_has_moved(tmp_path: Path) -> None:
    server = serving(tmp_path, baseline=BASELINE)
    server.health.tick()

    before = server.health.document()[1]["window"].prediction_drift
    await server.batch([1, 1], [2, 2])

    assert before is None
    assert server.health.document()[1]["window"].prediction_drift == pytest.approx((3.0 - 2.0) / 0.5)


async def test_a_classifiers_baseline_is_of_its_positive_class(tmp_path: Path) -> None:
    server = serving(tmp_path, classifier(), baseline=BASELINE | {"mean": 0.5, "edges": [0.25, 0.75]})

    await server.batch([0, 1], [3, 1])

    assert scraped(server).predictions.counts == (1, 0, 1)
