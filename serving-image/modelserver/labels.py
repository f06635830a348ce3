"""What `predict` and `predict_proba` return, as labels and probabilities; and what their shape says of the model.

Libraries answer in many shapes: a column, a matrix of several outputs, a sparse matrix, a list of matrices with the
probabilities of each output. What is none of these is refused before the pod is ready.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver.models import Answers, Scalar, Scores

MATRIX = 2
DATATYPES: dict[type, str] = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}


class UnservableError(Exception):
    """An answer that is not served; `str()` says what it is."""


def labels_of(predicted: Any) -> NDArray[Any]:  # noqa: ANN401 - whatever a model returns
    """One label per row, or a row of labels.

    Raises:
        UnservableError: it is neither.
    """
    found = np.asarray(predicted.toarray() if hasattr(predicted, "toarray") else predicted)
    if found.ndim == MATRIX and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim not in (1, MATRIX):
        raise UnservableError(f"predict answers an array of {found.ndim} dimensions")
    if found.dtype.kind not in "biufUO":
        raise UnservableError(f"predict answers {found.dtype}; numbers, truths and text are served")
    if found.dtype.kind == "O":
        for one in found.ravel().tolist():
            if not isinstance(one, Scalar | np.generic):
                raise UnservableError(f"predict answers {type(one).__name__}; numbers, truths and text are served")
    return found


def shares_of(given: Any) -> NDArray[np.float64]:  # noqa: ANN401
    """The probabilities of each row, those of all outputs one after another.

    Raises:
        UnservableError: they are no matrix.
    """
    if isinstance(given, list) and given and np.ndim(given[0]) == MATRIX:
        return np.hstack([np.asarray(one, dtype=np.float64) for one in given])
    found = np.asarray(given.toarray() if hasattr(given, "toarray") else given, dtype=np.float64)
    if found.ndim == MATRIX + 1:  # one matrix for each output
        found = np.hstack(list(found))
    if found.ndim != MATRIX:
        raise UnservableError(f"predict_proba answers an array of {found.ndim} dimensions")
    return found


def listed(labels: NDArray[Any]) -> list[Any]:
    """Labels as Python's own numbers, truths and words."""
    if labels.dtype.kind != "O":
        found: list[Any] = labels.tolist()
        return found
    return [_plain(one) for one in labels.tolist()]


def scores_of(labels: NDArray[Any], shares: NDArray[np.float64] | None) -> Scores:
    return Scores(listed(labels), shares.tolist() if shares is not None else None)


def shape_of(scores: Scores, classes: Any) -> Answers:  # noqa: ANN401 - classes_ as scikit-learn has them, or None
    """What the answers of a model look like, by those to a few rows.

    Raises:
        UnservableError: the probabilities do not belong to the labels.
    """
    first = scores.labels[0]
    flat = [one for label in scores.labels for one in (label if isinstance(label, list) else [label])]
    types = {DATATYPES.get(type(one), "") for one in flat}
    datatype = types.pop() if len(types) == 1 else "FP64" if types <= {"FP64", "INT64"} else ""
    if not datatype:
        raise UnservableError("predict answers labels of several types; numbers, truths or text are served")
    outputs = len(first) if isinstance(first, list) else None
    shares = len(scores.probabilities[0]) if scores.probabilities is not None else None
    parts, names = ((), ()) if shares is None else _belong(shares, outputs, _by_output(classes))
    return Answers(datatype, outputs, shares, parts, names)


def _belong(
    shares: int, outputs: int | None, each: tuple[tuple[Scalar, ...], ...]
) -> tuple[tuple[tuple[Scalar, ...], ...], tuple[Scalar, ...]]:
    """Classes by output, or else names of what the probabilities are of."""
    own = each[0] if len(each) == 1 else ()
    if outputs is not None and len(each) == outputs and sum(map(len, each)) == shares:
        return each, ()
    if outputs is None or shares == outputs:  # of each class, or of each label
        return (), own if len(own) == shares else tuple(range(shares))
    raise UnservableError(
        f"predict_proba answers {shares} probabilities for {outputs} outputs, and it is unclear of what"
    )


def _by_output(classes: Any) -> tuple[tuple[Scalar, ...], ...]:  # noqa: ANN401
    if classes is None or len(classes) == 0:
        return ()
    if isinstance(classes, list) and np.ndim(classes[0]) == 1:
        return tuple(tuple(np.asarray(one).tolist()) for one in classes)
    found = np.asarray(classes)
    return (tuple(found.tolist()),) if found.ndim == 1 else tuple(tuple(one) for one in found.tolist())


def classes_of(classes: Any, labels: Sequence[Any]) -> tuple[Scalar, ...]:  # noqa: ANN401
    """Classes of a model of one output; none where it has none, or answers something else."""
    each = _by_output(classes)
    if len(each) != 1 or any(isinstance(label, list) for label in labels):
        return ()
    return each[0] if set(labels) <= set(each[0]) else ()


def _plain(one: Any) -> Any:  # noqa: ANN401
    if isinstance(one, list):
        return [_plain(inner) for inner in one]
    return one.item() if isinstance(one, np.generic) else one
