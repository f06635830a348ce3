"""The /health document: the contract that the operator's scraper and judge are built on."""

import json
import platform
import re
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import msgspec
from serving.apps import COLUMNS, Clock, FakeModel, Served, fake, served

import modelserver
from modelserver import memory
from modelserver.buckets import quantile
from modelserver.metrics import Metrics
from modelserver.models import Artifact, Metadata, Rows, Scores
from modelserver.traffic import Outcome
from modelserver.window import Window

WARM_UP = 20


def document(server: Served) -> Any:
    return json.loads(msgspec.json.encode(server.health.document()[1]))


async def answered(server: Served, times: int) -> None:
    for _ in range(times):
        assert (await server.predict({"features": [1, 2, 3]})).status_code == 200


def classifier(shares: list[float]) -> Artifact:
    def answer(rows: Rows) -> Scores:
        return Scores([len(shares) - 1] * len(rows), [shares] * len(rows))

    classes = tuple(range(len(shares)))
    return Artifact(FakeModel(answer), len(COLUMNS), "fake", Metadata(columns=COLUMNS, classes=classes))


async def test_the_document_has_every_part_of_the_contract() -> None:
    server = served(fake(), POD_UID="uid-1")

    found = document(server)

    assert found.pop("instance").startswith("uid-1:")
    assert found.pop("timestamp").endswith("Z")
    assert found.pop("uptime_s") >= 0
    assert found.pop("cpu_seconds") > 0
    assert found.pop("memory_bytes") > 1_000_000
    assert found.pop("memory_limit_bytes") == memory.limit_bytes()
    edges = found["counters"]["latency"].pop("edges_ms")
    assert found["counters"]["latency"].pop("counts") == [0] * (len(edges) + 1)
    assert found == {
        "status": "ok",
        "healthy": True,
        "violations": [],
        "model_loaded": True,
        "model_name": "churn",
        "model_version": "2.1.0",
        "active_model": "churn:2.1.0",
        "revision": "7f3a9c21",
        "digest": "sha256:0",
        "pod_uid": "uid-1",
        "window": {
            "seconds": 60,
            "requests": 0,
            "errors": 0,
            "error_rate": 0.0,
            "mean_ms": None,
            "p50_ms": None,
            "p95_ms": None,
            "p99_ms": None,
            "prediction_drift": None,
        },
        "inflight": 0,
        "oldest_inflight_s": 0.0,
        "counters": {
            "requests": 0,
            "errors": 0,
            "refusals": 0,
            "latency": {"sum_ms": 0.0},
            "predictions": {"count": 0, "sum": 0.0, "sum_squares": 0.0, "edges": [], "counts": []},
        },
    }


def test_limits_are_edges_of_their_own_and_edges_grow_by_a_tenth() -> None:
    edges = document(served(fake(), MODEL_LATENCY_EDGES_MS="123, 750"))["counters"]["latency"]["edges_ms"]

    assert {50.0, 123.0, 200.0, 500.0, 750.0} <= set(edges)
    assert edges == sorted(set(edges))
    assert edges[0] == 0.05
    assert 90_000 < edges[-1] <= 100_000
    assert max(high / low for low, high in pairwise(edges)) < 1.1001


async def test_counters_only_grow_and_each_request_counts_once() -> None:
    server = served(fake())
    before = document(server)["counters"]

    await answered(server, 3)
    await server.predict({"features": [1]})
    after = document(server)["counters"]

    assert (before["requests"], before["refusals"]) == (0, 0)
    assert (after["requests"], after["errors"], after["refusals"]) == (4, 0, 1)
    assert after["predictions"] == {"count": 3, "sum": 18.0, "sum_squares": 108.0, "edges": [], "counts": []}


async def test_the_first_twenty_requests_are_warm_up_and_leave_no_latency() -> None:
    server = served(fake())

    await answered(server, WARM_UP)
    warm = document(server)["counters"]["latency"]["counts"]
    await answered(server, 5)
    hot = document(server)["counters"]["latency"]["counts"]

    assert (sum(warm), sum(hot)) == (0, 5)


async def test_warm_up_ends_after_a_minute() -> None:
    clock = Clock()
    server = served(fake(), clock)

    await answered(server, 1)
    clock.go_on(60)
    await answered(server, 1)

    assert sum(document(server)["counters"]["latency"]["counts"]) == 1


async def test_errors_count_in_the_warm_up_too() -> None:
    def broken(_: Rows) -> Scores:
        raise ValueError("no")

    server = served(fake(broken))

    await server.predict({"features": [1, 2, 3]})

    assert document(server)["counters"]["errors"] == 1


async def test_a_latency_on_an_edge_is_in_the_bucket_below_it() -> None:
    clock = Clock()

    def in_500_ms(rows: Rows) -> Scores:
        clock.go_on(0.5)
        return Scores([0.0] * len(rows))

    server = served(fake(in_500_ms), clock)
    clock.go_on(60)

    await server.predict({"features": [1, 2, 3]})

    latency = document(server)["counters"]["latency"]
    assert latency["counts"][latency["edges_ms"].index(500.0)] == 1
    assert latency["sum_ms"] == 500.0


async def test_a_request_that_waits_too_long_is_an_error_before_it_is_answered_and_only_once() -> None:
    clock = Clock()
    server = served(fake(), clock)
    flight = server.state.traffic.begin()

    clock.go_on(9.5)
    in_time = document(server)
    clock.go_on(1)
    overdue = document(server)
    again = document(server)
    server.state.traffic.finish(flight, Outcome.ANSWERED, [1.0])
    after = document(server)

    assert (in_time["counters"]["errors"], in_time["inflight"], in_time["oldest_inflight_s"]) == (0, 1, 9.5)
    assert (overdue["counters"]["errors"], overdue["counters"]["requests"], overdue["inflight"]) == (1, 1, 1)
    assert again["counters"] == overdue["counters"]
    assert (after["counters"], after["inflight"]) == (overdue["counters"], 0)


async def test_a_predict_path_that_finishes_nothing_for_a_minute_is_unhealthy() -> None:
    clock = Clock()
    server = served(fake(), clock)
    server.state.traffic.begin()

    clock.go_on(59)
    assert server.health.document()[0] == 200
    clock.go_on(1)
    status, found = server.health.document()

    assert (status, found["status"], found["healthy"]) == (503, "stuck", False)
    assert found["violations"] == ["nothing was predicted for 60 s while 1 requests wait"]


async def test_a_minute_without_requests_is_healthy() -> None:
    clock = Clock()
    server = served(fake(), clock)

    clock.go_on(3600)
    server.state.traffic.begin()

    assert server.health.document()[0] == 200


async def test_answers_while_shutting_down_count_for_nothing() -> None:
    server = served(fake())
    await answered(server, 1)

    server.state.drain()
    await answered(server, 1)
    await server.predict({"features": [1]})

    found = document(server)
    assert (found["status"], found["counters"]["requests"]) == ("draining", 1)
    assert server.health.readiness() == (503, {"ready": False, "status": "draining"})


async def test_probabilities_of_the_second_class_are_the_prediction_of_two_classes() -> None:
    server = served(classifier([0.25, 0.75]))

    await server.predict({"features": [1, 2, 3]})

    predictions = document(server)["counters"]["predictions"]
    assert predictions == {"count": 1, "sum": 0.75, "sum_squares": 0.5625, "edges": [], "counts": []}


async def test_three_classes_are_counted_one_by_one() -> None:
    server = served(classifier([0.2, 0.2, 0.6]))

    await server.predict({"features": [1, 2, 3]})
    await server.batch([1, 2, 3], [1, 2, 3])

    predictions = document(server)["counters"]["predictions"]
    assert (predictions["edges"], predictions["counts"]) == ([0.5, 1.5], [0, 0, 3])


async def test_a_batch_is_one_request_and_as_many_predictions_as_rows() -> None:
    server = served(fake())

    await server.batch([1, 2, 3], [4, 5, 6])

    counters = document(server)["counters"]
    assert (counters["requests"], counters["predictions"]["count"]) == (1, 2)


async def test_the_window_forgets_what_is_older_than_a_minute() -> None:
    clock = Clock()
    server = served(fake(), clock)
    window = Window(server.state.traffic.edges_ms)
    window.add(clock.now, server.state.traffic.snapshot())
    await answered(server, 5)
    clock.go_on(30)
    window.add(clock.now, server.state.traffic.snapshot())
    await answered(server, 2)
    await server.predict({"features": [1]})

    whole = window.until(server.state.traffic.snapshot())
    clock.go_on(60)
    window.add(clock.now, server.state.traffic.snapshot())
    last = window.until(server.state.traffic.snapshot())

    assert (whole.requests, last.requests) == (8, 3)


def test_quantiles_come_from_the_buckets() -> None:
    edges = (1.0, 2.0, 4.0)

    assert quantile(edges, [0, 10, 10, 0], 0.5) == 2.0
    assert quantile(edges, [0, 10, 10, 0], 0.75) == 3.0
    assert quantile(edges, [0, 0, 0, 1], 0.5) == 4.0
    assert quantile(edges, [0, 0, 0, 0], 0.5) is None


async def test_prometheus_reads_the_same_counters() -> None:
    server = served(fake())
    await answered(server, WARM_UP + 1)
    await server.predict({"features": [1]})

    page = Metrics(server.state).page().decode()

    who = 'revision="7f3a9c21",version="2.1.0"'
    assert f'model_requests_total{{model="churn",outcome="answered",{who}}} 21.0' in page
    assert f'model_requests_total{{model="churn",outcome="refused",{who}}} 1.0' in page
    assert f'model_request_duration_seconds_count{{model="churn",{who}}} 1.0' in page
    assert "process_resident_memory_bytes" in page


def test_metrics_tell_which_model_is_served_and_by_what() -> None:
    page = Metrics(served(fake()).state).page().decode()

    (model,) = re.findall(r"^model_info\{(.*)\} 1.0$", page, re.MULTILINE)
    (build,) = re.findall(r"^model_server_build_info\{(.*)\} 1.0$", page, re.MULTILINE)
    assert model == 'digest="sha256:0",name="churn",revision="7f3a9c21",version="2.1.0"'
    assert f'python="{platform.python_version()}"' in build
    assert f'scikit_learn="{version("scikit-learn")}"' in build
    assert f'version="{modelserver.__version__}"' in build
