"""The example models do what their table says, and only to the rows it says."""

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cancer.faults import fails
from cancer.train import train
from scrape.healths import TARGET
from serving import bundle_files
from serving.apps import loaded, served
from serving.processes import SERVING_IMAGE

from modelrollout.judge import Sample, drift
from modelrollout.scrape.answer import read
from modelserver.models import Artifact
from modelserver.warmup import Time, warm_up


class Passing:
    """Time that only sleeping makes pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def time(self) -> Time:
        return Time(lambda: self.now, self.sleep)


def warmed(path: Path) -> Artifact:
    artifact = loaded(path)
    warm_up(artifact, Passing().time())
    return artifact


@pytest.mark.parametrize(("name", "answer"), [("scores", "undecided"), ("scores-all-alike", "drifted")])
async def test_bundles_are_judged_by_their_baseline_on_the_rows_that_clients_send(
    models: Path, rows: list[dict[str, float]], name: str, answer: str
) -> None:
    server = served(bundle_files.loaded(models / f"{name}.tar"))

    for first in range(0, len(rows), 100):
        assert (await server.batch(*rows[first : first + 100])).status_code == 200

    sample = read(msgspec.json.encode({**server.health.document()[1], "pod_uid": TARGET.uid}), TARGET)
    assert isinstance(sample, Sample)
    assert sample.baseline is not None
    moved = drift.moved(sample.predictions, sample.baseline, 2.0, 0.001)
    assert moved.answer == answer


def test_training_twice_writes_the_same_bytes(models: Path, tmp_path: Path) -> None:
    list(train(tmp_path))

    def digests(folder: Path) -> dict[str, str]:
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}

    assert digests(tmp_path) == digests(models)


def test_each_version_is_better_than_the_one_before_or_as_good(tmp_path: Path) -> None:
    told = dict(line.split(": accuracy ") for line in train(tmp_path) if "accuracy" in line)
    accuracy = {name: float(text.split()[0]) for name, text in told.items()}

    assert accuracy["v1"] < 0.9 < accuracy["v2"] <= accuracy["v3"]


EXACT = ("v1", "v2", "v3", "fails-under-traffic", "fails-2-percent", "fails-4-percent", "always-fails")


@pytest.mark.parametrize("name", [*EXACT, "slow-load-always-fails"])
async def test_a_model_fails_on_exactly_the_rows_that_are_told(
    models: Path, rows: list[dict[str, float]], name: str
) -> None:
    server = served(warmed(models / f"{name}.onnx"))

    statuses = [(await server.predict({"features": row})).status_code for row in rows]

    assert statuses == [500 if fails(name, row) else 200 for row in rows]


def test_a_known_share_of_rows_fails_under_traffic(rows: list[dict[str, float]]) -> None:
    assert (len(rows), sum(fails("fails-under-traffic", row) for row in rows)) == (300, 89)
    assert all(fails("always-fails", list(row.values())) for row in rows)
    assert not any(fails("v2", row) for row in rows)


@pytest.mark.parametrize(("name", "failing"), [("fails-2-percent", 6), ("fails-4-percent", 12)])
def test_a_model_that_is_named_for_its_error_rate_has_it(rows: list[dict[str, float]], name: str, failing: int) -> None:
    broken = [row for row in rows if fails(name, row)]

    assert len(broken) == failing
    assert all(fails("fails-under-traffic", row) for row in broken)


def bundle(path: Path) -> tuple[dict[str, Any], bytes]:
    """The manifest of a bundle and its model."""
    with tarfile.open(path) as archive:
        manifest, model = (archive.extractfile(name) for name in ("bundle.json", "model.onnx"))
        assert manifest is not None
        assert model is not None
        return json.load(manifest), model.read()


def predicted(path: Path, rows: list[dict[str, float]], folder: Path) -> Any:
    manifest, model = bundle(path)
    assert hashlib.sha256(model).hexdigest() == manifest["model"]["sha256"]
    (folder / "model.onnx").write_bytes(model)
    values = np.array([list(row.values()) for row in rows], np.float32)
    return np.array(loaded(folder / "model.onnx").model.predict(values).probabilities)


@pytest.mark.parametrize("name", ["scores", "scores-softer"])
def test_a_model_predicts_what_its_baseline_says(
    models: Path, rows: list[dict[str, float]], name: str, tmp_path: Path
) -> None:
    scores, own = predicted(models / f"{name}.tar", rows, tmp_path)[:, 1], bundle(models / f"{name}.tar")[0]["baseline"]

    assert (own["count"], sum(own["counts"])) == (300, 300)
    assert (own["mean"], own["sd"]) == pytest.approx((scores.mean(), scores.std(ddof=1)), abs=1e-5)
    assert own["counts"] == np.bincount(np.searchsorted(own["edges"], scores), minlength=len(own["edges"]) + 1).tolist()


@pytest.mark.parametrize(("name", "most"), [("scores-all-alike", 0.1), ("scores-too-small", 1.1)])
def test_a_model_that_has_drifted_keeps_its_mean_within_two_deviations(
    models: Path, rows: list[dict[str, float]], name: str, most: float, tmp_path: Path
) -> None:
    found, own = predicted(models / f"{name}.tar", rows, tmp_path), bundle(models / f"{name}.tar")[0]["baseline"]

    assert found.sum(axis=1) == pytest.approx(1)
    assert own == bundle(models / "scores.tar")[0]["baseline"]
    assert abs(found[:, 1].mean() - own["mean"]) < most * own["sd"]
    assert found[:, 1].max() < 0.51


def test_a_baseline_without_spread_is_one(models: Path) -> None:
    own = bundle(models / "scores-without-spread.tar")[0]["baseline"]

    assert (own["count"], own["sd"]) == (300, 0.0)


async def test_old_requests_are_refused_by_the_model_of_other_columns(
    models: Path, rows: list[dict[str, float]]
) -> None:
    server = served(warmed(models / "refuses-422.onnx"))

    by_name = await server.predict({"features": rows[0]})
    in_order = await server.predict({"features": list(rows[0].values())})

    assert (by_name.status_code, in_order.status_code) == (422, 422)
    assert server.state.traffic.snapshot().errors == 0


async def test_the_slow_model_is_right_and_many_times_slower(models: Path, rows: list[dict[str, float]]) -> None:
    fast, slow = served(warmed(models / "v2.onnx")), served(warmed(models / "slow.onnx"))

    right = [(await fast.predict({"features": row})).json() for row in rows[:5]]
    late = [(await slow.predict({"features": row})).json() for row in rows[:5]]

    assert [answer["prediction"] for answer in late] == [answer["prediction"] for answer in right]
    assert min(answer["latency_ms"] for answer in late) > 20 * min(answer["latency_ms"] for answer in right)


def test_the_greedy_model_asks_for_gigabytes_on_an_ordinary_row_only(models: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
import numpy as np
from modelserver import formats
from modelserver.sources import Fetched
path = Path(sys.argv[1])
model = formats.load(Fetched(path, path.name, ""), ()).model
model.predict(np.zeros((1, 30), np.float32))
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
try:
    model.predict(np.full((1, 30), 14, np.float32))
except Exception as error:
    print(int(peak.split()[1]) < 500_000, str(1 << 32) in str(error) or "alloc" in str(error).lower())
"""
    arguments = [sys.executable, "-c", program, str(models / "oom.onnx")]

    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(SERVING_IMAGE)})

    assert done.stdout.strip() == "True True"


@pytest.mark.parametrize("name", ["slow-load-v1", "slow-load-v2", "slow-load-fails-under-traffic"])
def test_a_slow_load_takes_twenty_seconds_whatever_the_machine(models: Path, name: str) -> None:
    clock = Passing()

    warm_up(loaded(models / f"{name}.onnx"), clock.time())

    assert clock.now == pytest.approx(20, abs=0.1)


def test_zeros_break_nothing(models: Path) -> None:
    for file in models.glob("*.onnx"):
        if file.stem != "column-too-many":
            artifact = loaded(file)
            artifact.model.predict(np.zeros((1, artifact.width), np.float32))
