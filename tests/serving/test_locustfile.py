"""The locust file that users start from, run by a real locust against a real server."""

import csv
import json
import os
import subprocess
from pathlib import Path

from serving.processes import LOOPBACK, Running, running

LOCUST = Path(__file__).parents[2] / ".venv" / "locust" / "bin" / "locust"
FILE = Path(__file__).parents[2] / "examples" / "load" / "locustfile.py"


def sent(server: Running, folder: Path, **environment: str) -> tuple[int, dict[str, tuple[int, int]]]:
    """What five users sent in three seconds: locust's exit code, and requests with their failures by path."""
    done = subprocess.run(
        [LOCUST, "--locustfile", FILE, "--host", f"http://{LOOPBACK}:{server.port}", "--headless", "--users", "5",
         "--spawn-rate", "5", "--run-time", "3s", "--csv", folder / "load", "--only-summary"],
        env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    with (folder / "load_stats.csv").open(encoding="utf-8") as file:
        rows = {row["Name"]: (int(row["Request Count"]), int(row["Failure Count"])) for row in csv.DictReader(file)}
    return done.returncode, rows


def test_it_asks_the_server_for_its_columns_and_sends_rows_and_batches(models: Path, tmp_path: Path) -> None:
    with running(models / "v2.onnx", MODEL_NAME="cancer") as server:
        code, requests = sent(server, tmp_path)
        counters = server.health()["counters"]

    assert code == 0
    assert requests["/v1/predict"][0] > 10
    assert {failed for _, failed in requests.values()} == {0}
    assert counters["requests"] >= requests["/v1/predict"][0]
    assert counters["errors"] == counters["refusals"] == 0


def test_it_sends_the_rows_of_a_file_and_tells_of_those_that_fail(models: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([[1.0, 2.0]]))

    with running(models / "v2.onnx", MODEL_NAME="cancer") as server:
        code, requests = sent(server, tmp_path, ROWS=str(rows))

    assert code == 1
    asked, failed = requests["/v1/predict"]
    assert asked == failed > 0


def test_it_ends_with_its_own_exit_code_where_the_server_is_gone(tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([[1.0, 2.0]]))
    done = subprocess.run(
        [LOCUST, "--locustfile", FILE, "--host", f"http://{LOOPBACK}:1", "--headless", "--users", "5",
         "--spawn-rate", "5", "--run-time", "50s", "--only-summary"],
        env=os.environ | {"ROWS": str(rows), "GONE_AFTER": "0.5"}, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip

    assert done.returncode == 3
    assert f"http://{LOOPBACK}:1 has not answered for 0.5 s; no more requests are sent" in done.stdout
