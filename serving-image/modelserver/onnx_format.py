"""ONNX models, run by onnxruntime in the calling thread; nothing here imports scikit-learn.

What the model's metadata_props may say, each as JSON: feature_names, classes, golden_rows, warmup_seconds.
"""

import json
import os
from pathlib import Path

import numpy as np

from modelserver.failures import Cause, StartError
from modelserver.models import Artifact, Label, Metadata, Rows, Scores

# Since 1.29 onnxruntime's own builds send usage data unless they are told not to before they are imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

FATAL_ONLY = 4
DTYPES: dict[str, type[np.floating]] = {"tensor(float)": np.float32, "tensor(double)": np.float64}
MATRIX = 2


class OnnxModel:
    def __init__(self, session: ort.InferenceSession) -> None:
        self.dtype = DTYPES[session.get_inputs()[0].type]
        batch = session.get_inputs()[0].shape[0]
        self.rows_at_once: int | None = batch if isinstance(batch, int) else None
        self._run = session.run
        self._input = session.get_inputs()[0].name
        outputs = session.get_outputs()
        self._outputs = [outputs[0].name]
        probabilities = next((o for o in outputs[1:] if o.type in DTYPES and len(o.shape) == MATRIX), None)
        if probabilities is not None:
            self._outputs.append(probabilities.name)

    def predict(self, rows: Rows) -> Scores:
        answer = self._run(self._outputs, {self._input: rows})
        labels: list[Label] = answer[0].ravel().tolist()
        return Scores(labels, answer[1].tolist() if len(answer) > 1 else None)


def load(path: Path) -> Artifact:
    """Load the model and read its metadata.

    Raises:
        StartError: the file is broken, or not a model of one matrix of numbers.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY  # what fails is raised as well, and answered with its class
    try:
        session = ort.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise StartError(Cause.UNREADABLE_MODEL, f"onnxruntime cannot load it: {_first_line(error)}") from error
    metadata = _metadata(session.get_modelmeta().custom_metadata_map)
    return Artifact(OnnxModel(session), _width(session, metadata), "onnx", metadata)


def _width(session: ort.InferenceSession, metadata: Metadata) -> int:
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in DTYPES or len(inputs[0].shape) != MATRIX:
        found = ", ".join(f"{i.name}: {i.type}{i.shape}" for i in inputs)
        raise StartError(Cause.UNREADABLE_MODEL, f"the ONNX model has to take one matrix of numbers, it takes {found}")
    batch, width = inputs[0].shape
    if isinstance(batch, int) and batch != 1:
        raise StartError(
            Cause.UNREADABLE_MODEL,
            f"the ONNX model takes exactly {batch} rows at a time; export it with a batch dimension that has no size",
        )
    if isinstance(width, int):
        return width
    if not metadata.columns:
        raise StartError(
            Cause.UNREADABLE_MODEL, "the ONNX model does not say how many columns it takes; add feature_names to it"
        )
    return len(metadata.columns)


def _metadata(props: dict[str, str]) -> Metadata:
    try:
        return Metadata(
            columns=tuple(str(name) for name in json.loads(props.get("feature_names", "[]"))),
            classes=tuple(json.loads(props.get("classes", "[]"))),
            golden_rows=tuple(tuple(map(float, row)) for row in json.loads(props.get("golden_rows", "[]"))),
            warm_up_seconds=float(json.loads(props.get("warmup_seconds", "0"))),
        )
    except (TypeError, ValueError) as error:
        raise StartError(Cause.UNREADABLE_MODEL, f"the ONNX model's metadata cannot be read: {error}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
