"""Request bodies to rows, fast: what is not plainly right is handed to `refusals`, which finds out why.

A row is a list of numbers in the model's order, finite in the model's own type.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter

import msgspec
import numpy as np

from modelserver.models import Artifact

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
    """The model's columns: names (perhaps none), their number, and the largest number its type holds."""

    def __init__(self, names: Sequence[str], width: int, largest: float) -> None:
        self.names = tuple(names)
        self.width = width
        self.largest = largest
        self._in_order: Callable[[dict[str, float]], Row] = _getter(self.names)

    @classmethod
    def of(cls, artifact: Artifact) -> "Columns":
        return cls(artifact.metadata.columns, artifact.width, float(np.finfo(artifact.model.dtype).max))

    def row(self, features: Features) -> Row:
        """Numbers in the model's order.

        Raises:
            DoubtfulError: a count, a name or a size is wrong.
        """
        if len(features) != self.width:
            raise DoubtfulError
        try:
            row = features if isinstance(features, list) else self._in_order(features)
        except KeyError:
            raise DoubtfulError from None
        if min(row) < -self.largest or max(row) > self.largest:
            raise DoubtfulError
        return row


def _getter(names: Sequence[str]) -> Callable[[dict[str, float]], Row]:
    if not names:
        return _nameless
    if len(names) == 1:
        return lambda features: (features[names[0]],)
    return itemgetter(*names)


def _nameless(_: dict[str, float]) -> Row:
    raise KeyError
