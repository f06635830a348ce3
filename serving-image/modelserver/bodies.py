"""Request bodies to rows, fast: what is not plainly right is handed to `refusals`, which finds out why.

A row is a list of numbers in the model's order, finite in the model's own type, and so are products of two of them.
"""

import math
from collections.abc import Callable, Sequence
from operator import itemgetter

import msgspec
import numpy as np

from modelserver.models import Artifact
from modelserver.ranges import Bound

Features = list[float] | dict[str, float]
Row = Sequence[float]
MAX_ROWS = 100


class PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    features: Features
    model_version: str | None = None


class BatchBody(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[Features]
    model_version: str | None = None


class DoubtfulError(Exception):
    """The body is not plainly right."""


class Columns:
    """The model's columns: names (perhaps none), their number, the largest number that is taken, and their bounds."""

    def __init__(self, names: Sequence[str], width: int, largest: float, bounds: Sequence[Bound] = ()) -> None:
        self.names = tuple(names)
        self.width = width
        self.largest = largest
        self.bounds = {bound.index: bound for bound in bounds}
        self._places = {name: index for index, name in enumerate(self.names)}
        self._in_order: Callable[[dict[str, float]], Row] = _getter(self.names)

    @classmethod
    def of(cls, artifact: Artifact) -> "Columns":
        metadata = artifact.metadata
        return cls(metadata.columns, artifact.width, largest(artifact.model.dtype), metadata.bounds)

    def row(self, features: Features) -> Row:
        """Numbers in the model's order.

        Raises:
            DoubtfulError: a count, a name, a size or a bound is wrong.
        """
        if len(features) != self.width:
            raise DoubtfulError
        try:
            row = features if isinstance(features, list) else self._in_order(features)
        except KeyError:
            raise DoubtfulError from None
        if min(row) < -self.largest or max(row) > self.largest:
            raise DoubtfulError
        if self.bounds and any(bound.problem(row[index]) for index, bound in self.bounds.items()):
            raise DoubtfulError
        return row

    def problem(self, column: str | int, value: float) -> str | None:
        """Why a column, by name or by place, does not take a finite number; None where it does."""
        bound = self.bounds.get(self._places.get(column, -1) if isinstance(column, str) else column)
        return bound.problem(value) if bound is not None else None


def largest(dtype: type[np.floating]) -> float:
    """The root of the largest number of a type: 1.3e154, or 1.8e19 (2 to the 64th) for float32.

    A model multiplies and adds what it is given. Beyond this it would overflow, and fail by the client's number.
    """
    return math.sqrt(float(np.finfo(dtype).max))


def _getter(names: Sequence[str]) -> Callable[[dict[str, float]], Row]:
    if not names:
        return _nameless
    if len(names) == 1:
        return lambda features: (features[names[0]],)
    return itemgetter(*names)


def _nameless(_: dict[str, float]) -> Row:
    raise KeyError
