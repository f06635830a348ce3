"""Estimators as ONNX, with what the server reads from a model's metadata."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

OPSET = 17
INPUT, LABEL, PROBABILITIES = "X", "label", "probabilities"


def convert(estimator: Any, columns: Sequence[str]) -> onnx.ModelProto:  # noqa: ANN401 - scikit-learn has no types
    """One float matrix in, label and probabilities out."""
    width = len(columns)
    model: onnx.ModelProto = to_onnx(
        estimator,
        initial_types=[(INPUT, FloatTensorType([None, width]))],
        target_opset=OPSET,
        options={"zipmap": False},
        name="cancer",
    )
    describe(model, feature_names=list(columns), classes=[0, 1])
    return model


def describe(model: onnx.ModelProto, **props: object) -> None:
    """Set metadata properties, each as JSON; others stay."""
    known: Mapping[str, str] = {prop.key: prop.value for prop in model.metadata_props}
    onnx.helper.set_model_props(model, {**known, **{key: json.dumps(value) for key, value in props.items()}})


def content(model: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized


def scores(model: onnx.ModelProto, rows: Any) -> list[float]:  # noqa: ANN401 - a matrix, as pandas gives it
    """The probability of class 1 for each row, as the server answers it."""
    session = InferenceSession(content(model), providers=["CPUExecutionProvider"])
    (found,) = session.run([PROBABILITIES], {INPUT: rows.astype("float32")})
    positive: list[float] = found[:, 1].tolist()
    return positive


def write(path: Path, model: onnx.ModelProto) -> None:
    path.write_bytes(content(model))
