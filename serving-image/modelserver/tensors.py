"""Tensors of the Open Inference Protocol to rows in the model's order; what is not in order is named.

Rows come as one tensor of shape [rows, columns], or as one tensor of shape [rows] (or [rows, 1]) per column, named
as the columns are. Numbers may also follow the JSON as raw bytes: the binary tensor data extension, which
tritonclient uses unless it is told otherwise.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from modelserver.bodies import MAX_ROWS, Columns, Row
from modelserver.refusals import RefusedError, wrong_number
from modelserver.shown import MAX_SHOWN, printable

BAD_REQUEST = 400
DTYPES = {
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4",
    "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
MATRIX = 2

_flat = msgspec.json.Decoder(list[float]).decode
_nested = msgspec.json.Decoder(list[list[float]]).decode


class Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = msgspec.Raw()
    parameters: dict[str, Any] | None = None


class BadInferenceError(RefusedError):
    """A 400 in the protocol's own shape: one sentence, which begins with the field."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(BAD_REQUEST, "")
        self.body = msgspec.json.encode({"error": printable(f"{place}: {message}")})


@dataclass(frozen=True, slots=True)
class Numbers:
    """One tensor's numbers, row by row."""

    name: str
    rows: int
    width: int
    values: list[float]


def rows_of(tensors: Sequence[Tensor], raw: bytes | None, columns: Columns) -> list[Row]:
    """Rows in the model's order, finite and in their ranges; `raw` is what follows the JSON, None where nothing may.

    Raises:
        BadInferenceError: naming the tensor and what is wrong with it.
    """
    chunks = _binary_chunks(tensors, raw)
    numbers = [
        _numbers(f"inputs[{i}]", tensor, chunk) for i, (tensor, chunk) in enumerate(zip(tensors, chunks, strict=True))
    ]
    for i, tensor in enumerate(numbers):
        for j, value in enumerate(tensor.values):
            if message := wrong_number(value, columns.largest):
                raise BadInferenceError(f"inputs[{i}].data[{j}]", message)
    if len(numbers) == 1 and (numbers[0].name not in columns.names or columns.width == 1):
        rows = _matrix(numbers[0], columns.width)
    else:
        rows = _by_name(numbers, columns)
    _check_bounds(rows, columns)
    return rows


def refuse_endless_numbers(body: bytes) -> None:
    """Name the first NaN or infinity of a body that is no JSON for no other reason: Python's json writes them so.

    Raises:
        BadInferenceError: naming the tensor and the number.
    """
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return
    tensors = parsed.get("inputs") if isinstance(parsed, dict) else None
    for i, tensor in enumerate(tensors if isinstance(tensors, list) else ()):
        data = tensor.get("data") if isinstance(tensor, dict) else None
        for j, value in enumerate(_flattened(data)):
            if isinstance(value, float) and not math.isfinite(value):
                raise BadInferenceError(f"inputs[{i}].data[{j}]", f"has to be finite, not {value}")


def _flattened(data: object) -> Iterator[object]:
    for one in data if isinstance(data, list) else ():
        yield from one if isinstance(one, list) else (one,)


def _check_bounds(rows: Sequence[Row], columns: Columns) -> None:
    for number, row in enumerate(rows):
        for index in columns.bounds:
            if message := columns.problem(index, row[index]):
                name = columns.names[index][:MAX_SHOWN] if columns.names else index
                raise BadInferenceError("inputs", f'row {number}: column "{name}" {message}')


def _binary_chunks(tensors: Sequence[Tensor], raw: bytes | None) -> Iterator[bytes | None]:
    taken = 0
    for i, tensor in enumerate(tensors):
        size = (tensor.parameters or {}).get("binary_data_size")
        if size is None:
            yield None
            continue
        if raw is None or not isinstance(size, int) or not 0 <= size <= len(raw) - taken:
            raise BadInferenceError(f"inputs[{i}].parameters.binary_data_size", "does not fit what follows the JSON")
        yield raw[taken : taken + size]
        taken += size
    if raw is not None and taken != len(raw):
        raise BadInferenceError("body", f"{len(raw)} bytes follow the JSON, its tensors ask for {taken}")


def _numbers(place: str, tensor: Tensor, chunk: bytes | None) -> Numbers:
    if tensor.datatype not in DTYPES:
        raise BadInferenceError(
            f"{place}.datatype", f'"{tensor.datatype[:MAX_SHOWN]}" is not taken; known are {", ".join(DTYPES)}'
        )
    if not 1 <= len(tensor.shape) <= MATRIX or min(tensor.shape) < 0:
        raise BadInferenceError(f"{place}.shape", "has to be [rows, columns], or [rows] for a single column")
    rows, width = (*tensor.shape, 1)[:MATRIX]
    if not 1 <= rows <= MAX_ROWS:
        raise BadInferenceError(f"{place}.shape", f"1 to {MAX_ROWS} rows are taken at once, not {rows}")
    values = _from_json(place, tensor) if chunk is None else _from_bytes(place, tensor, chunk)
    if len(values) != rows * width:
        raise BadInferenceError(
            f"{place}.data", f"the shape {tensor.shape} asks for {rows * width} numbers, not {len(values)}"
        )
    return Numbers(tensor.name, rows, width, values)


def _from_json(place: str, tensor: Tensor) -> list[float]:
    if not bytes(tensor.data):
        raise BadInferenceError(f"{place}.data", "is missing")
    try:
        return _flat(tensor.data)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return [value for row in _nested(tensor.data) for value in row]
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInferenceError(f"{place}.data", f"has to be a list of finite numbers: {error}") from None


def _from_bytes(place: str, tensor: Tensor, chunk: bytes) -> list[float]:
    dtype = np.dtype(DTYPES[tensor.datatype])
    if len(chunk) % dtype.itemsize:
        raise BadInferenceError(f"{place}.parameters.binary_data_size", f"is no multiple of {dtype.itemsize}")
    values: list[float] = np.frombuffer(chunk, dtype).tolist()
    return values


def _matrix(numbers: Numbers, width: int) -> list[Row]:
    if numbers.width != width:
        raise BadInferenceError("inputs[0].shape", f"the model takes {width} columns, not {numbers.width}")
    values = numbers.values
    return [values[i : i + width] for i in range(0, len(values), width)]


def _by_name(tensors: Sequence[Numbers], columns: Columns) -> list[Row]:
    if not tensors:
        raise BadInferenceError("inputs", "there is no tensor")
    if not columns.names:
        raise BadInferenceError("inputs", f"this model has no column names; send one tensor of {columns.width} columns")
    found: dict[str, Numbers] = {}
    for i, tensor in enumerate(tensors):
        if tensor.name in found:
            raise BadInferenceError(f"inputs[{i}].name", f'"{tensor.name[:MAX_SHOWN]}" came before')
        if tensor.name not in columns.names:
            raise BadInferenceError(f"inputs[{i}].name", f'the model has no column "{tensor.name[:MAX_SHOWN]}"')
        if tensor.width != 1 or tensor.rows != tensors[0].rows:
            raise BadInferenceError(
                f"inputs[{i}].shape", f"has to be [{tensors[0].rows}], a single column like the first"
            )
        found[tensor.name] = tensor
    for name in columns.names:
        if name not in found:
            raise BadInferenceError("inputs", f'the column "{name[:MAX_SHOWN]}" is missing')
    return list(zip(*(found[name].values for name in columns.names), strict=True))
