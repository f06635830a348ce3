"""The two models that every server gets, fitted once and written in the formats that they read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import skops.io
from skl2onnx import to_onnx
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

COLUMNS = 20
ROWS = 5000
MODELS = {"logistic": "logistic regression, 20 features", "forest": "100 trees of depth 6, 20 features"}


@dataclass(frozen=True, slots=True)
class Material:
    folder: Path
    row: tuple[float, ...]
    """The row that every request asks about."""

    def file(self, model: str, suffix: str) -> Path:
        return self.folder / f"{model}.{suffix}"


def make(folder: Path) -> Material:
    """Fit both models and write them as skops, joblib and ONNX."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, labels = make_classification(ROWS, COLUMNS, n_informative=10, random_state=0)
    fitted: dict[str, Any] = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels),
        "forest": RandomForestClassifier(100, max_depth=6, random_state=0).fit(rows, labels),
    }
    for name, model in fitted.items():
        skops.io.dump(model, folder / f"{name}.skops")
        joblib.dump(model, folder / f"{name}.joblib")
        converted = to_onnx(model, rows[:1].astype("float32"), options={id(model): {"zipmap": False}})
        (folder / f"{name}.onnx").write_bytes(converted.SerializeToString())
    return Material(folder, tuple(rows[0].tolist()))


def bodies(row: tuple[float, ...]) -> dict[str, bytes]:
    """One request about the row in each protocol that some server speaks."""
    tensor = {"name": "x", "shape": [1, COLUMNS], "datatype": "FP64", "data": list(row)}
    return {
        "features": json.dumps({"features": row}).encode(),
        "v2": json.dumps({"inputs": [tensor]}).encode(),
        "instances": json.dumps({"instances": [row]}).encode(),
        "rows": json.dumps({"rows": [row]}).encode(),
    }
