"""A model is tried before it is served: on rows like those that it takes, together and one by one.

What it answers shows the shape of its answers; what it cannot answer at all is refused here, and not with a 500 for
every request. Rows are those that are known of it; where there are none, what it remembers of its training (means,
centres, neighbours, limits, categories) is like the rows that it takes, which numbers drawn blindly may not be.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver.failures import Cause, StartError
from modelserver.labels import UnservableError
from modelserver.models import Rows

ALONE = 6
"""Rows that are asked one by one."""
MOST_TRIED = 64
CLOSE = 1e-9
DEPTH = 8
MOST_MEMBERS = 30
"""Members of an ensemble that are looked at; they are alike."""
MOST_OF_EACH = 4
MOST_REMEMBERED = 24
MOST_SIZE = 1e12
SPREAD = 3.0
MATRIX = 2
Numbers = NDArray[np.float64]
Answer = tuple[NDArray[Any], Numbers | None]
Ask = Callable[[Rows], Answer]


@dataclass(frozen=True, slots=True)
class Tried:
    """Rows that the model answered, and how."""

    rows: Rows
    labels: NDArray[Any]
    shares: Numbers | None

    def at(self, place: int) -> Answer:
        here = slice(place, place + 1)
        return self.labels[here], self.shares[here] if self.shares is not None else None

    def some(self) -> list[int]:
        """Places of a few rows, spread over all."""
        places = np.linspace(0, len(self.rows) - 1, min(ALONE, len(self.rows))).round().astype(int)
        return [int(place) for place in places]


def try_out(ask: Ask, rows: Rows) -> Tried:
    """Ask about all rows, and leave out those that the model does not answer.

    Raises:
        StartError: it answers none of them, or in a way that is not served.
    """
    try:
        return Tried(rows, *_checked(ask(rows), len(rows)))
    except UnservableError as error:
        raise StartError(Cause.UNREADABLE_MODEL, str(error)) from None
    except Exception as error:  # noqa: BLE001 - whatever a model raises; its rows are tried one by one
        return _try_each(ask, rows, error)


def same_alone(ask: Ask, tried: Tried) -> bool:
    """Whether rows are answered alone as among others.

    Raises:
        StartError: one fails alone.
    """
    for place in tried.some():
        try:
            answer = ask(tried.rows[place : place + 1])
        except Exception as error:
            raise StartError(
                Cause.WARM_UP_FAILED, f"the model fails on a row alone that it answers among others: {_said(error)}"
            ) from error
        if not same(answer, tried.at(place), CLOSE):
            return False
    return True


def same(ours: Answer, theirs: Answer, tolerance: float) -> bool:
    return all(_near(one, other, tolerance) for one, other in zip(ours, theirs, strict=True))


def rows_to_try(known: Sequence[Sequence[float]], width: int, estimator: Any = None) -> Numbers:  # noqa: ANN401
    """Rows that are known and ones like them, or else what the estimator remembers and numbers of several sizes."""
    given = [row for row in known if len(row) == width]
    if given:
        rows = np.array(given, dtype=np.float64)
        return np.vstack([rows, around(rows)])[:MOST_TRIED]
    random = np.random.default_rng(0)
    invented = [
        np.zeros((1, width)),
        np.ones((1, width)),
        random.uniform(0, 1, (6, width)),
        random.integers(0, 4, (6, width)).astype(np.float64),
        random.normal(0, SPREAD, (12, width)),
    ]
    remembered = [row for part in parts_of(estimator) for row in _remembered(part, width)][:MOST_REMEMBERED]
    if remembered:
        invented += [np.array(remembered), around(np.array(remembered))]
    return np.vstack(invented)


def around(rows: Numbers) -> Numbers:
    """Rows that are like these."""
    return rows + np.random.default_rng(1).normal(0, 0.1, rows.shape) * (1 + abs(rows))


def parts_of(estimator: Any) -> Iterator[Any]:  # noqa: ANN401 - scikit-learn has no types
    """The estimator and all estimators that it is made of (steps, members, what a search has found), each once."""
    seen: set[int] = set()
    ahead: list[tuple[Any, int]] = [(estimator, 0)]
    while ahead:
        one, depth = ahead.pop()
        if id(one) in seen or depth > DEPTH:
            continue
        seen.add(id(one))
        if isinstance(one, list | tuple):
            ahead += [(inner, depth + 1) for inner in one[:MOST_MEMBERS]]
        elif isinstance(one, dict):
            ahead += [(inner, depth + 1) for inner in list(one.values())[:MOST_MEMBERS]]
        elif isinstance(one, np.ndarray) and one.dtype == object:
            ahead += [(inner, depth + 1) for inner in one.ravel()[:MOST_MEMBERS].tolist()]
        elif hasattr(one, "get_params") and hasattr(one, "__dict__"):
            yield one
            ahead += [(inner, depth + 1) for inner in vars(one).values()]


def _try_each(ask: Ask, rows: Rows, why: Exception) -> Tried:
    good = [row for row in range(len(rows)) if _answers(ask, rows[row : row + 1])]
    if not good:
        raise StartError(
            Cause.WARM_UP_FAILED,
            f"the model fails on each of {len(rows)} rows of numbers that were tried: {_said(why)}; it has to take an "
            "array of finite numbers, and where it takes only some, a bundle (modelrollout bundle) has rows to try",
        )
    return Tried(rows[good], *ask(rows[good]))


def _answers(ask: Ask, row: Rows) -> bool:
    try:
        _checked(ask(row), 1)
    except Exception:  # noqa: BLE001 - one that it does not answer
        return False
    return True


def _checked(answer: Answer, rows: int) -> Answer:
    for what, one in zip(("predict", "predict_proba"), answer, strict=True):
        if one is not None and len(one) != rows:
            raise UnservableError(f"{what} gives {len(one)} answers to {rows} rows")
        if one is not None and one.dtype.kind == "f" and not np.isfinite(one).all():
            raise ValueError("an answer is not finite")
    return answer


def _near(one: NDArray[Any] | None, other: NDArray[Any] | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool((one == other).all())
    return bool(np.allclose(one, other.astype(np.float64), rtol=tolerance, atol=tolerance))


def _remembered(part: Any, width: int) -> Iterator[Numbers]:  # noqa: ANN401
    for value in vars(part).values():
        if hasattr(value, "toarray"):
            yield from _alike(value[:MOST_OF_EACH].toarray() if len(value.shape) == MATRIX else value, width)
        elif isinstance(value, np.ndarray) and value.dtype.kind in "if":
            yield from _alike(value, width)
        elif isinstance(value, list) and len(value) == width and all(_is_some(one) for one in value):
            yield from (np.array([one[place % len(one)] for one in value], np.float64) for place in range(MOST_OF_EACH))


def _is_some(categories: Any) -> bool:  # noqa: ANN401
    return isinstance(categories, np.ndarray) and categories.dtype.kind in "if" and categories.shape > (0,)


def _alike(value: Any, width: int) -> Sequence[Numbers]:  # noqa: ANN401
    if value.shape == (width,):
        rows = value[None, :]
    elif len(value.shape) == MATRIX and value.shape[1] == width and len(value):
        rows = value[np.linspace(0, len(value) - 1, min(MOST_OF_EACH, len(value))).round().astype(int)]
    else:
        return ()
    found = np.asarray(rows, dtype=np.float64)
    return [row for row in found if np.isfinite(row).all() and (abs(row) < MOST_SIZE).all()]


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
