"""Scores as clients and counters see them: finite, named by class, and as one number per row.

The number is what the judge watches for drift: the value of a regression, the probability of the positive (second)
class of two, or the index of the class of more, counted per class for at most 20.
"""

import math
from collections.abc import Sequence
from itertools import accumulate

from modelserver.models import Metadata, Scalar, Scores

Shares = dict[str, float] | list[dict[str, float]]
MAX_COUNTED_CLASSES = 20
BINARY = 2


class NotFiniteError(Exception):
    """The model answered NaN or infinity."""


class MissingAnswersError(Exception):
    """The model did not answer each row once."""

    def __init__(self, answers: int, rows: int) -> None:
        super().__init__(f"it gave {answers} answers to {rows} rows")


def check_count(scores: Scores, rows: int) -> None:
    """Refuse scores that cannot be told apart by row.

    Raises:
        MissingAnswersError: with both numbers.
    """
    for answers in (scores.labels, scores.probabilities):
        if answers is not None and len(answers) != rows:
            raise MissingAnswersError(len(answers), rows)


def check_finite(scores: Scores) -> None:
    """Refuse an answer that is not a number.

    Raises:
        NotFiniteError: naming the row.
    """
    for row, label in enumerate(scores.labels):
        if isinstance(label, float) and not math.isfinite(label):
            raise NotFiniteError(f"the model answered {label} for row {row}")
        if isinstance(label, list) and (wrong := next(filter(_is_endless, label), None)) is not None:
            raise NotFiniteError(f"the model answered {wrong} for row {row}")
    for row, shares in enumerate(scores.probabilities or ()):
        if not math.isfinite(sum(shares)):
            raise NotFiniteError(f"the model answered a probability that is not finite for row {row}")


def _is_endless(label: Scalar) -> bool:
    return isinstance(label, float) and not math.isfinite(label)


def prediction_edges(classes: Sequence[Scalar]) -> tuple[float, ...]:
    """Edges that put each class of a multi-class model into a bucket of its own: 3 classes -> (.5, 1.5)."""
    if BINARY < len(classes) <= MAX_COUNTED_CLASSES:
        return tuple(i + 0.5 for i in range(len(classes) - 1))
    return ()


class Reader:
    """Reads scores for a model with these classes (none for a regression) and perhaps an interval."""

    def __init__(self, metadata: Metadata) -> None:
        answers = metadata.answers
        own = metadata.classes or (answers.names if answers else ())
        self._names = [named(label) for label in own]
        self._parts = [[named(label) for label in part] for part in (answers.parts if answers else ())]
        self._index = {label: float(i) for i, label in enumerate(metadata.classes)}
        self.interval = metadata.interval

    def values(self, scores: Scores) -> list[float]:
        """One number per row; a label that is no number and has no class counts for nothing, nor do several outputs."""
        shares = scores.probabilities
        if isinstance(scores.labels[0], list):
            return []
        if shares is not None and len(shares[0]) == BINARY:
            return [share[1] for share in shares]
        if self._index:
            return [
                self._index[label] for label in scores.labels if not isinstance(label, list) and label in self._index
            ]
        return [float(label) for label in scores.labels if not isinstance(label, str | list)]

    def by_class(self, scores: Scores, row: int) -> Shares | None:
        """Probabilities of one row by the class's name, for each output where there are several; None without any."""
        if scores.probabilities is None:
            return None
        shares = scores.probabilities[row]
        if self._parts:
            ends = list(accumulate(map(len, self._parts), initial=0))
            return [
                dict(zip(names, shares[first:last], strict=True))
                for names, first, last in zip(self._parts, ends, ends[1:], strict=False)
            ]
        if len(self._names) != len(shares):
            return {str(i): share for i, share in enumerate(shares)}
        return dict(zip(self._names, shares, strict=True))

    def around(self, scores: Scores, row: int) -> tuple[float, float] | None:
        """The ends of one row's interval; None where the model has none."""
        label = scores.labels[row]
        if self.interval is None or isinstance(label, str | list):
            return None
        return self.interval.around(label)


def named(label: Scalar) -> str:
    """A class as a key of a JSON object: truths as JSON writes them."""
    return str(label).lower() if isinstance(label, bool) else str(label)
