"""The comparison of serving images: what wrk says is read right, an open loop counts what fails, the table says it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.serving.document import Section
from bench.serving.load import Closed, Opened, Request, open_loop, read_wrk
from bench.serving.peers import Start
from bench.serving.profile import ELSEWHERE, STAGES, stages
from bench.serving.report import Measured, lines
from bench.serving.stage import raise_curtain

WRK = """Running 3s test @ http://127.0.0.1:21000/v1/predict
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.11ms  500.00us  12.00ms   90.00%
    Req/Sec    14.10k   100.00    15.00k    80.00%
  Latency Distribution
     50%  950.00us
     75%    1.20ms
     90%    1.50ms
     99%    2.25ms
  42000 requests in 3.00s, 11.00MB read
"""
ENDING = "Requests/sec:  14000.50\nTransfer/sec:      3.67MB\n"


def test_what_wrk_prints_is_read() -> None:
    found = read_wrk(WRK + ENDING)

    assert (found.rps, round(found.p50_ms, 6), found.p99_ms, found.failed) == (14000.5, 0.95, 2.25, 0)


def test_what_failed_under_wrk_is_counted() -> None:
    trouble = "  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 5\n"

    assert read_wrk(WRK + trouble + ENDING).failed == 12


class FifthFails(BaseHTTPRequestHandler):
    """Refuses every fifth request of a connection."""

    protocol_version = "HTTP/1.1"
    number = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.number += 1
        self.send_response(500 if self.number % 5 == 0 else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FifthFails) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_an_open_loop_sends_what_was_due_and_counts_what_failed(port: int) -> None:
    seen = open_loop(Request(port, "/", b"{}"), rps=400, seconds=0.25)

    assert len(seen.latencies_ms) == 100
    assert 0 < seen.failed <= 20


def test_a_port_that_somebody_else_answers_on_is_not_measured(port: int, tmp_path: Path) -> None:
    nothing = Start(("true",), {}, "/", "features", "/")

    with pytest.raises(RuntimeError, match=f"port {port} is taken"):
        raise_curtain(nothing, port, 0, tmp_path / "log")


def measured(rps: float, p99_ms: float) -> Measured:
    one = Measured(1.5, [Closed(rps, p99_ms / 2, p99_ms, 0)])
    for many in one.opened.values():
        many.append(Opened((1.0, 2.0, 3.0), 0))
    return one


def test_the_table_names_the_best_peer_and_how_far_it_is() -> None:
    results = {
        ("logistic", "this image"): measured(12_000, 2.0),
        ("logistic", "plain FastAPI"): measured(2_700, 10.0),
        ("logistic", "KServe"): measured(2_000, 9.0),
        ("logistic", "BentoML"): measured(800, 8.0),
    }

    told = lines(results, ["## Heading"])

    assert "| this image | 12,000 | 1.00 / 2.00 | 2.00 / 3.00 | 2.00 / 3.00 | 1.5 | 0 |" in told
    assert told[-2:] == [
        "- 6.0 times the best peer (KServe) with scikit-learn; p99 2.00 ms against 8.00 ms of the best peer.",
        "- At 50 requests/s its p50 is 1.00 times plain FastAPI's.",
    ]


def test_a_section_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    document, section = tmp_path / "performance.md", Section("some")
    document.write_text(f"before\n{section.begin}old\n{section.end}after\n")

    section.write(["new"], document)

    assert document.read_text() == f"before\n{section.begin}new\n{section.end}after\n"


def test_a_sample_belongs_to_the_innermost_function_of_ours() -> None:
    loop = "Thread._bootstrap (threading.py:1002);Serving.run (modelserver/serving.py:50)"
    turn = f"{loop};Predictor._take_turn (modelserver/predict.py:116);Predictor._predict (modelserver/predict.py:121)"
    stacks = [
        f"{loop} 5",
        f"{turn} 2",
        f"{turn};SklearnModel.predict (modelserver/estimators.py:33);predict (sklearn/native.py:1) 3",
        f"{loop};Connection.on_body (modelserver/connections.py:1);OneRow.understand (modelserver/native.py:7) 4",
        f"{turn};Predictor._finish (modelserver/predict.py:157);OneRow.write (modelserver/native.py:85) 6",
        f"{loop};made_up (modelserver/new.py:1) 1",
        "Runner.run (asyncio/runners.py:118) 99",
    ]

    found = stages(stacks)

    loop_itself, _, reading, turning, model, writing, _ = STAGES
    assert found == {loop_itself: 6, turning: 2, model: 3, reading: 4, writing: 6}
    assert ELSEWHERE not in found
