"""Which rows break which model, known from the request alone.

Only the first four columns ever decide: mean radius, mean texture, mean perimeter, mean area. The row of zeros that a
server warms up with breaks nothing; every row of the data has a positive mean radius.
"""

from collections.abc import Callable, Mapping, Sequence

Row = Sequence[float] | Mapping[str, float]

RADIUS, TEXTURE = 0, 1
NAMES = ("mean radius", "mean texture", "mean perimeter", "mean area")

ORDINARY_RADIUS = 1.0
"""Every row of the data has a larger one (they begin at 6.98); the row of zeros has not."""
COARSE_TEXTURE = 21.495
"""Between two neighbouring values, so that float32 and float64 agree; 89 of the 300 rows of rows.json lie above."""


FOUR_PERCENT_TEXTURE, TWO_PERCENT_TEXTURE = 26.915, 28.31
"""Likewise: 12 and 6 of the 300 rows of rows.json lie above, all of them coarse ones."""


def is_ordinary(row: Row) -> bool:
    """A row of the data, and not the warm-up's zeros."""
    return _value(row, RADIUS) > ORDINARY_RADIUS


def is_coarse(row: Row) -> bool:
    """A row with a coarse texture."""
    return _value(row, TEXTURE) > COARSE_TEXTURE


def is_above(texture: float) -> Callable[[Row], bool]:
    """A row with a texture above a bound."""
    return lambda row: _value(row, TEXTURE) > texture


def never(_: Row) -> bool:
    return False


FAILS: dict[str, Callable[[Row], bool]] = {
    "fails-under-traffic": is_coarse,
    "fails-2-percent": is_above(TWO_PERCENT_TEXTURE),
    "fails-4-percent": is_above(FOUR_PERCENT_TEXTURE),
    "always-fails": is_ordinary,
    "oom": is_ordinary,
    "hangs": is_ordinary,
    "slow-load-fails-under-traffic": is_coarse,
    "slow-load-always-fails": is_ordinary,
}


def fails(model: str, row: Row) -> bool:
    """Whether the model of this name breaks on this row (answers 500, is killed, or never answers)."""
    return FAILS.get(model, never)(row)


def _value(row: Row, column: int) -> float:
    return row[NAMES[column]] if isinstance(row, Mapping) else row[column]
