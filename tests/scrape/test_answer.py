"""What counts as an answer of /health."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scrape.healths import TARGET, health

from modelrollout.judge import Baseline, Latency, Predictions, Sample
from modelrollout.ledger import Failure
from modelrollout.scrape.answer import read


def body(answer: Any) -> bytes:
    return json.dumps(answer).encode()


def test_a_whole_answer_becomes_a_sample() -> None:
    assert read(body(health()), TARGET) == Sample(
        pod="churn-a-1",
        instance="uid-1:17",
        requests=10,
        errors=1,
        refusals=2,
        latency=Latency((1.0, 5.0, 500.0), (3, 4, 2, 1)),
        oldest_inflight_s=0.25,
        memory_bytes=2**28,
        predictions=Predictions(count=10),
    )


def test_the_example_for_images_of_ones_own_is_believed() -> None:
    page = (Path(__file__).parents[2] / "serving-image" / "README.md").read_text()
    (example,) = re.findall(r'^    (\{"instance".*\n(?:     .*\n)+)', page, re.MULTILINE)

    found = read(example.encode(), replace(TARGET, uid="UID"))

    assert isinstance(found, Sample)
    assert (found.requests, found.errors) == (100, 1)


def test_predictions_and_the_models_own_baseline_are_read() -> None:
    buckets = {"edges": [-0.5, 0.5], "counts": [3, 4, 3]}
    answer = health(
        counters={"predictions": {"count": 10, "sum": -1.5, "sum_squares": 4, **buckets}},
        baseline={"count": 900, "mean": -0.1, "sd": 0.6, **buckets},
    )

    found = read(body(answer), TARGET)

    assert isinstance(found, Sample)
    assert found.predictions == Predictions(10, -1.5, 4.0, (-0.5, 0.5), (3, 4, 3))
    assert found.baseline == Baseline(900, -0.1, 0.6, (-0.5, 0.5), (3, 4, 3))


@pytest.mark.parametrize("told", [1e200, -1e300, None], ids=str)
def test_predictions_beyond_counting_leave_the_rest_readable(told: float | None) -> None:
    """The serving image writes null for a sum that is no number any more."""
    found = read(body(health(counters={"predictions": {"count": 3, "sum": told, "sum_squares": None}})), TARGET)

    assert isinstance(found, Sample)
    assert (found.requests, found.predictions) == (10, Predictions())


def latency(edges: Any, counts: Any) -> Any:
    return health(counters={"latency": {"edges_ms": edges, "counts": counts}})


NOT_ANSWERS: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "no JSON"),
    ("a page", b"<html>ok</html>", "no JSON"),
    ("not an object", b"[]", "Expected `object`, got `array`"),
    ("cut off", body(health())[:-5], "no JSON"),
    ("no counters", body({"instance": "i", "pod_uid": "uid-1"}), "missing required field `counters`"),
    ("another pod", body(health(pod_uid="uid-2")), r"from another pod \(uid uid-2\)"),
    ("no pod", body(health(pod_uid="")), r"from another pod \(uid missing\)"),
    ("no instance", body(health(instance="")), "instance: Expected `str` of length >= 1"),
    (
        "a text for a number",
        body(health(counters={"requests": "10"})),
        "counters.requests: Expected `int`, got `str`",
    ),
    ("a fraction", body(health(counters={"errors": 1.5})), "counters.errors"),
    ("yes", body(health(counters={"errors": True})), "counters.errors"),
    ("below nothing", body(health(counters={"requests": -1})), "Expected `int` >= 0"),
    ("beyond counting", body(health(counters={"requests": 10**30})), "counters.requests"),
    ("no number", body(health(oldest_inflight_s=float("nan"))), "no JSON"),
    ("endless", body(latency([1.0, float("inf")], [1, 1, 1])), "no JSON"),
    ("a bucket missing", body(latency([1.0, 5.0], [1, 1])), "counts has to be one longer"),
    ("edges that fall", body(latency([5.0, 1.0], [1, 1, 1])), "edges_ms has to ascend"),
    (
        "a bucket of predictions missing",
        body(health(counters={"predictions": {"edges": [0.5], "counts": [1]}})),
        "counts has to be one longer than edges",
    ),
    ("a baseline that falls", body(health(baseline={"count": 1, "mean": 0, "sd": 1, "edges": [2, 1]})), "ascend"),
    ("edges twice", body(latency([1.0, 1.0], [1, 1, 1])), "edges_ms has to ascend"),
    ("too many edges", body(latency([float(n) for n in range(600)], [1] * 601)), "of length <= 512"),
    ("text that is no text", b'{"instance": "\xff\xfe"}', "no JSON"),
]


@pytest.mark.parametrize(("answer", "why"), [one[1:] for one in NOT_ANSWERS], ids=[one[0] for one in NOT_ANSWERS])
def test_anything_else_is_no_answer_and_says_why(answer: bytes, why: str) -> None:
    found = read(answer, TARGET)

    assert isinstance(found, Failure)
    assert re.search(why, found.reason), found
    assert found.heard


def test_a_new_field_of_a_newer_image_is_no_trouble() -> None:
    assert isinstance(read(body(health(novelty={"a": 1})), TARGET), Sample)
