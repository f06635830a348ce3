"""What every format is turned into: a model that takes rows of numbers, and what its artifact says about it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from modelserver.failures import Cause, StartError
from modelserver.outputs import Interval
from modelserver.ranges import Bound, Usual

Label = int | float | str | bool
Rows = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Scores:
    """A model's answer: one label per row, and for a classifier one list of probabilities per row."""

    labels: list[Label]
    probabilities: list[list[float]] | None = None

    def rows(self, first: int, last: int) -> "Scores":
        """The answer to rows `first` to `last`, the last one left out."""
        shares = self.probabilities
        return Scores(self.labels[first:last], shares[first:last] if shares is not None else None)


class Model(Protocol):
    """A loaded model. `predict` may raise anything; whoever calls it counts that as the model's error."""

    dtype: type[np.floating]
    """Type of the numbers it takes; a number that overflows it is refused before."""
    rows_at_once: int | None
    """Set where the model takes exactly so many rows in a call, as some ONNX files say of themselves."""

    def predict(self, rows: Rows) -> Scores: ...


@dataclass(frozen=True, slots=True)
class Expected:
    """Answers to the golden rows, in their order."""

    scores: Scores
    tolerance: float
    """Of a number n: tolerance * max(1, |n|)."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Predictions of the validation set as the judge compares with them, one number per row: see `scores`."""

    count: int
    mean: float
    sd: float
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    """One more than edges, where there are any."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a bundle calls itself, and what it was made of."""

    name: str
    version: str
    code: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an artifact says about its model."""

    columns: tuple[str, ...] = ()
    """Names in the model's order; empty when nobody wrote them down."""
    classes: tuple[Label, ...] = ()
    """Classes in the order of the probabilities; empty for a regression."""
    golden_rows: tuple[tuple[float, ...], ...] = ()
    """Rows that have to pass before the model is ready."""
    warm_up_seconds: float = 0.0
    """The golden rows are run again and again for this long before the model is ready."""
    expected: Expected | None = None
    baseline: Baseline | None = None
    interval: Interval | None = None
    bounds: tuple[Bound, ...] = ()
    """Columns that do not take every number."""
    usual: Usual | None = None
    origin: Origin | None = None
    """Of a bundle."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model with everything known about it; what every loader returns."""

    model: Model
    width: int
    """Columns that the model takes."""
    format: str
    metadata: Metadata


def check_columns(artifact: Artifact) -> Artifact:
    """Refuse an artifact whose own words and whose model do not agree.

    Raises:
        StartError: with both numbers of columns.
    """
    listed = len(artifact.metadata.columns)
    if listed and listed != artifact.width:
        raise StartError(
            Cause.FEATURE_MISMATCH, f"the artifact lists {listed} columns, the model takes {artifact.width}"
        )
    for number, row in enumerate(artifact.metadata.golden_rows):
        if len(row) != artifact.width:
            raise StartError(
                Cause.FEATURE_MISMATCH, f"golden row {number} has {len(row)} values, the model takes {artifact.width}"
            )
    return artifact
