"""ONNX models, run by onnxruntime in the calling thread; nothing here imports scikit-learn.

What the model's metadata_props may say, each as JSON: feature_names, classes, golden_rows, warmup_seconds.
"""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from modelserver.failures import Cause, StartError
from modelserver.labels import UnservableError, classes_of, labels_of, scores_of, shape_of, shares_of
from modelserver.models import Artifact, Metadata, Rows, Scalar, Scores
from modelserver.trying import Answer, Numbers, rows_to_try, same_alone, try_out

# Since 1.29 onnxruntime's own builds send usage data unless they are told not to before they are imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

logger = logging.getLogger(__name__)

FATAL_ONLY = 4
DTYPES: dict[str, type[np.floating]] = {"tensor(float)": np.float32, "tensor(double)": np.float64}
MATRIX = 2
MOST_TRIED = 16
CLOSE = 1e-3
"""By how much a probability in single precision may be beyond its ends."""


class OnnxModel:
    """The first output has the labels, the next that holds probabilities, if any, has those."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self.dtype = DTYPES[session.get_inputs()[0].type]
        batch = session.get_inputs()[0].shape[0]
        self.rows_at_once: int | None = batch if isinstance(batch, int) else None
        self._run = session.run
        self._input = session.get_inputs()[0].name
        outputs = session.get_outputs()
        self._outputs = [outputs[0].name]
        shares = next((one for one in outputs[1:] if _holds_shares(one)), None)
        self.named: tuple[Scalar, ...] = ()
        """Names of the probabilities, where the file has them beside each (ZipMap)."""
        if shares is not None:
            self._outputs.append(shares.name)

    def leave_out_shares(self) -> None:
        self._outputs, self.named = self._outputs[:1], ()

    def answer(self, rows: Rows) -> Answer:
        """Labels and probabilities, as arrays.

        Raises:
            UnservableError: they are of no kind that is served.
        """
        labels, *shares = self._run(self._outputs, {self._input: rows})
        if isinstance(labels, list):  # a sequence or a map, and no tensor
            raise UnservableError("the first output is no tensor; export the model with its labels first")
        if shares and isinstance(shares[0], list):
            self.named = tuple(sorted(shares[0][0]))
            return labels_of(labels), np.array([[one[name] for name in self.named] for one in shares[0]])
        return labels_of(labels), shares_of(shares[0]) if shares else None

    def predict(self, rows: Rows) -> Scores:
        return scores_of(*self.answer(rows))


def load(path: Path, known: Sequence[Sequence[float]] = ()) -> Artifact:
    """Load the model, read its metadata, and try it on rows that it is known to answer.

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
    width = _width(session, metadata)
    model = OnnxModel(session)
    return Artifact(model, width, "onnx", _tried(model, width, metadata, known))


def _holds_shares(output: ort.NodeArg) -> bool:
    """Probabilities are a matrix, or a map by class for each row; one column is a score, as detectors of outliers have.

    Whether they are probabilities at all is seen when the model is tried.
    """
    is_matrix = output.type in DTYPES and len(output.shape) == MATRIX
    return output.type.startswith("seq(map(") or (is_matrix and output.shape[1] != 1)


def _are_shares(shares: Numbers) -> bool:
    return shares.shape[1] > 1 and bool(((shares > -CLOSE) & (shares < 1 + CLOSE)).all())


def _tried(model: OnnxModel, width: int, metadata: Metadata, known: Sequence[Sequence[float]]) -> Metadata:
    """What the model's answers look like; it is asked about one row at a time where it answers otherwise together."""
    rows = rows_to_try(known or metadata.golden_rows, width)[:MOST_TRIED].astype(model.dtype)
    tried = try_out(model.answer, rows[:1] if model.rows_at_once else rows)
    if tried.shares is not None and not _are_shares(tried.shares):
        logger.warning("the second output has values that are no probabilities; it is left out of the answers")
        model.leave_out_shares()
        tried = replace(tried, shares=None)
    if not same_alone(model.answer, tried):
        logger.warning("the model answers rows otherwise alone than together: it is asked for one at a time")
        model.rows_at_once = 1
    scores = scores_of(tried.labels, tried.shares)
    try:
        answers = shape_of(scores, metadata.classes or model.named or None)
    except UnservableError as error:
        raise StartError(Cause.UNREADABLE_MODEL, str(error)) from None
    classes = classes_of(metadata.classes or model.named or None, scores.labels)
    if metadata.classes and not classes:
        raise StartError(
            Cause.UNREADABLE_MODEL,
            f"its metadata lists the classes {metadata.classes!s:.100}, and the model answers {scores.labels[0]!s:.50}",
        )
    return replace(metadata, classes=classes, answers=answers, answered=tuple(map(tuple, tried.rows[:1].tolist())))


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
