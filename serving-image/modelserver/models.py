"""What every format is turned into: a model that takes rows of numbers, and what its artifact says about it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from modelserver.failures import Cause, StartError
from modelserver.outputs import Interval
from modelserver.ranges import Bound, Usual

Scalar = int | float | str | bool
Label = Scalar | list[Scalar]
"""A list where a model answers several outputs for a row."""
Rows = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Scores:
    """A model's answer: one label per row, and for a classifier one list of probabilities per row.

    With several outputs that have classes each, the probabilities of a row are those of all outputs, one after another.
    """

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
class Answers:
    """The shape of a model's answers, as they were when it was tried."""

    datatype: str
    """Of the predictions, in the words of the v2 protocol: INT64, FP64, BOOL or BYTES."""
    outputs: int | None = None
    """Predictions for a row; None where it is one that stands alone."""
    shares: int | None = None
    """Probabilities for a row; None where there are none."""
    parts: tuple[tuple[Scalar, ...], ...] = ()
    """Classes of each output, where each has probabilities of its own."""
    names: tuple[Scalar, ...] = ()
    """What the probabilities are of, where they are of neither the classes nor those of each output."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an artifact says about its model."""

    columns: tuple[str, ...] = ()
    """Names in the model's order; empty when nobody wrote them down."""
    classes: tuple[Scalar, ...] = ()
    """Classes in the order of the probabilities; empty for a regression, and for several outputs."""
    answers: Answers | None = None
    """None where nobody has looked."""
    golden_rows: tuple[tuple[float, ...], ...] = ()
    """Rows that have to pass before the model is ready."""
    answered: tuple[tuple[float, ...], ...] = ()
    """Rows that it answered when it was tried; they warm it up where there are no golden ones."""
    warm_up_seconds: float = 0.0
    """The golden rows are run again and again for this long before the model is ready."""
    expected: Expected | None = None
    baseline: Baseline | None = None
    interval: Interval | None = None
    bounds: tuple[Bound, ...] = ()
    """Columns that do not take every number."""
    usual: Usual | None = None
    version: str | None = None
    """What an artifact that is no bundle calls itself."""
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


def is_regression(metadata: Metadata) -> bool:
    """Whether each row is answered with one number that may have a fraction."""
    answers = metadata.answers
    return not metadata.classes and (answers is None or (answers.datatype == "FP64" and answers.outputs is None))


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
