"""Fitted models and samples of them, written as people have them, and the tools run on them in this process."""

import csv
import io
import json
import pickle
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

from modelserver import bundles, sources
from modelserver.making import command
from modelserver.models import Artifact
from modelserver.settings import Settings

COLUMNS = ("age", "income")
RANDOM = np.random.default_rng(7)
ROWS = RANDOM.normal((40.0, 3000.0), (12.0, 800.0), (300, 2))
NOISE = RANDOM.normal(0.0, 1.0, len(ROWS))
TRUTH = ROWS @ (0.5, 0.01) + NOISE
LABELS = (np.median(TRUTH) < TRUTH).astype(int)


def regression() -> LinearRegression:
    return LinearRegression().fit(ROWS[:100], TRUTH[:100])


def dictionary(**changes: Any) -> dict[str, Any]:
    """A model behind its scaler, as training scripts pickle them."""
    scaler = StandardScaler().fit(ROWS)
    model = LogisticRegression().fit(scaler.transform(ROWS), LABELS)
    own = {"model": model, "scaler": scaler, "feature_columns": list(COLUMNS), "version": "1.4.0"}
    return own | changes


def pickled(folder: Path, content: object, name: str = "artifact.pkl") -> Path:
    path = folder / name
    path.write_bytes(pickle.dumps(content))
    return path


def skops_file(folder: Path, content: object, name: str = "model.skops") -> Path:
    path = folder / name
    skops.io.dump(content, path)
    return path


def csv_file(folder: Path, rows: Any = ROWS, header: Sequence[str] = COLUMNS, **more: Any) -> Path:
    path = folder / "sample.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*header, *more])
        writer.writerows([[*row, *rest] for row, *rest in zip(rows, *more.values(), strict=True)])
    return path


def json_file(folder: Path, content: object, name: str = "sample.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def run(*words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = command.main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def loaded(path: Path, **environment: str) -> Artifact:
    settings = Settings.from_environment({"MODEL_URI": str(path), **environment})
    return bundles.load(sources.fetch(settings), settings)


def made(folder: Path, model: Path, *words: object, name: str = "b.tar.gz", **sample: Any) -> Path:
    """A bundle that was made without a complaint."""
    path = folder / name
    code, _, err = run("bundle", "--from", model, "--sample", csv_file(folder, **sample), "--name", "churn",
                       "--version", "1", "--out", path, *words)  # fmt: skip
    assert (code, err) == (0, "")
    return path


def promised(folder: Path, columns: Mapping[str, Mapping[str, object]]) -> Path:
    return json_file(folder, columns, "columns.json")
