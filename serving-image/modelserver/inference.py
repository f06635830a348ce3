"""The Open Inference Protocol, version 2: an infer request to rows, scores to output tensors; answers are JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from modelserver.asked import Asked
from modelserver.bodies import Columns
from modelserver.labels import DATATYPES
from modelserver.models import Artifact, Metadata, Scalar, Scores
from modelserver.native import PredictionIds
from modelserver.refusals import LATEST
from modelserver.scores import Reader
from modelserver.settings import Settings
from modelserver.shown import MAX_SHOWN
from modelserver.tensors import BadInferenceError, Tensor, refuse_endless_numbers, rows_of

LABELS, SHARES, ENDS, IDS = "predict", "predict_proba", "predict_interval", "prediction_id"
INFER_HEADER = b"inference-header-content-length"
PAIR = 2


class Wanted(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class Inference(msgspec.Struct):
    inputs: list[Tensor]
    id: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    outputs: list[Wanted] | None = None
    parameters: dict[str, Any] | None = None


class OutputTensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: Sequence[Scalar]


class Inferred(msgspec.Struct, omit_defaults=True):
    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | None = None


def label_datatype(metadata: Metadata) -> str:
    """Datatype of the predictions; a regression's are FP64."""
    if metadata.answers is not None:
        return metadata.answers.datatype
    return DATATYPES[type(metadata.classes[0])] if metadata.classes else "FP64"


def label_shape(metadata: Metadata) -> list[int]:
    """Shape of the predictions; -1 stands for the rows."""
    outputs = metadata.answers.outputs if metadata.answers else None
    return [-1] if outputs is None else [-1, outputs]


def share_count(metadata: Metadata) -> int | None:
    """Probabilities of a row; None where there are none."""
    return metadata.answers.shares if metadata.answers else len(metadata.classes) or None


def usual_outputs(metadata: Metadata) -> tuple[str, ...]:
    """Outputs of a request that names none."""
    if share_count(metadata):
        return LABELS, SHARES
    return (LABELS, ENDS) if metadata.interval else (LABELS,)


def infer_paths(settings: Settings) -> tuple[str, ...]:
    """Where this pod's model is asked, without and with its version."""
    name, version = quote(settings.name, safe=""), quote(settings.version, safe="")
    return f"/v2/models/{name}/infer", *(f"/v2/models/{name}/versions/{one}/infer" for one in (version, LATEST))


@dataclass(frozen=True, slots=True)
class Note:
    """What the answer has to know of its request."""

    request_id: str | None
    outputs: tuple[str, ...]


class Infer:
    """An infer request that is JSON all through."""

    def __init__(self, artifact: Artifact, settings: Settings, ids: PredictionIds) -> None:
        self._columns = Columns.of(artifact)
        self._settings = settings
        self._next_id = ids.next
        self._datatype = label_datatype(artifact.metadata)
        self._reader = Reader(artifact.metadata)
        self._usual = usual_outputs(artifact.metadata)
        self._read = msgspec.json.Decoder(Inference).decode
        self._encode = msgspec.json.Encoder().encode

    def understand(self, body: bytes) -> Asked:
        return self.understand_with(body, None)

    def understand_with(self, body: bytes, raw: bytes | None) -> Asked:
        """Read the JSON of a request and the raw bytes that follow it.

        Raises:
            RefusedError: naming the field that is not in order.
        """
        request = self._parse(body)
        names = tuple(wanted.name for wanted in request.outputs) if request.outputs else self._usual
        for number, name in enumerate(names):
            if name not in (*self._usual, IDS):
                known = ", ".join((*self._usual, IDS))
                raise BadInferenceError(
                    f"outputs[{number}].name", f'"{name[:MAX_SHOWN]}" is not given; known are {known}'
                )
            if name in names[:number]:
                raise BadInferenceError(f"outputs[{number}].name", f'"{name}" is asked for twice')
        return Asked(rows_of(request.inputs, raw, self._columns), note=Note(request.id, names))

    def write(self, asked: Asked, scores: Scores, _: float) -> bytes:
        note = asked.note
        assert isinstance(note, Note)  # noqa: S101 - what `understand` put there
        outputs = [
            self._output(name, scores) for name in note.outputs if name != SHARES or scores.probabilities is not None
        ]
        return self._encode(Inferred(self._settings.name, self._settings.version, outputs, note.request_id))

    def _parse(self, body: bytes) -> Inference:
        try:
            return self._read(body)
        except msgspec.ValidationError as error:
            message, _, place = str(error).partition(" - at `$")
            raise BadInferenceError(place.strip("`.") or "body", message) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refuse_endless_numbers(body)
            raise BadInferenceError("body", f"it is not JSON: {error}") from None

    def _output(self, name: str, scores: Scores) -> OutputTensor:
        count = len(scores.labels)
        if name == IDS:
            return OutputTensor(IDS, "BYTES", [count], [self._next_id() for _ in range(count)])
        if name == SHARES:
            shares = scores.probabilities or []
            return OutputTensor(SHARES, "FP64", [count, len(shares[0])], [one for row in shares for one in row])
        if name == ENDS:
            ends = [self._reader.around(scores, row) or () for row in range(count)]
            return OutputTensor(ENDS, "FP64", [count, PAIR], [end for pair in ends for end in pair])
        first = scores.labels[0]
        shape = [count, len(first)] if isinstance(first, list) else [count]
        flat = [one for label in scores.labels for one in (label if isinstance(label, list) else (label,))]
        labels = [float(one) for one in flat] if self._datatype == "FP64" else flat
        return OutputTensor(LABELS, self._datatype, shape, labels)


class InferWithBytes:
    """An infer request whose JSON has this many bytes; the tensors' numbers follow it."""

    def __init__(self, infer: Infer, header_bytes: int) -> None:
        self._infer = infer
        self._header_bytes = header_bytes
        self.write = infer.write

    def understand(self, body: bytes) -> Asked:
        if not 0 < self._header_bytes <= len(body):
            raise BadInferenceError("inference-header-content-length", f"{self._header_bytes} is not within the body")
        return self._infer.understand_with(body[: self._header_bytes], body[self._header_bytes :])
