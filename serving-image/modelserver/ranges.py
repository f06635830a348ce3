"""What a column promises of its values: what is refused, and what is only counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Bound:
    """What one column takes."""

    index: int
    low: float = -inf
    high: float = inf
    whole: bool = False

    def problem(self, value: float) -> str | None:
        """Why a finite value is refused; None where it is not."""
        if value < self.low:
            return f"has to be at least {self.low:g}"
        if value > self.high:
            return f"has to be at most {self.high:g}"
        if self.whole and not float(value).is_integer():
            return "has to be a whole number"
        return None


@dataclass(frozen=True, slots=True)
class Usual:
    """Smallest and largest value of each column in the sample; infinite where nobody looked."""

    low: tuple[float, ...]
    high: tuple[float, ...]


class Watch:
    """Counts rows that are not like the sample; nobody is refused for it."""

    def __init__(self, usual: Usual, dtype: type[np.floating]) -> None:
        self._low, self._high = _numbers(usual.low, dtype), _numbers(usual.high, dtype)

    def outside(self, rows: Numbers) -> int:
        return int(((rows < self._low) | (rows > self._high)).any(axis=1).sum())


def _numbers(values: Sequence[float], dtype: type[np.floating]) -> Numbers:
    with np.errstate(over="ignore"):  # beyond a float32 is beyond every row
        return np.array(values, dtype=np.float64).astype(dtype)
