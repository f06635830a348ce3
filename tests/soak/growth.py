"""Whether something grows that should not: least squares over what was measured of one process or of several.

A process that was killed begins anew, at a size of its own. So each life has its own line, and all lines have one
slope.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

Points = Sequence[tuple[float, float]]
"""How far it was, and what was measured then, such as KiB of memory."""

WARM = 5
"""Looks that a life needs at least to say anything."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Up to where growth counts as none."""

    slope: float
    """By each step along."""
    noise: float
    """In all: what the memory of a process wanders by itself."""


def slope(lives: Sequence[Points]) -> float:
    """The common slope of all lives, in KiB by one step along; 0 where there are few looks."""
    products = squares = 0.0
    for points in _told(lives):
        mean_x, mean_y = (sum(one[axis] for one in points) / len(points) for axis in (0, 1))
        products += sum((x - mean_x) * (y - mean_y) for x, y in points)
        squares += sum((x - mean_x) ** 2 for x, _ in points)
    return products / squares if squares else 0.0


def span(lives: Sequence[Points]) -> float:
    """The longest way that one life was looked at."""
    return max((points[-1][0] - points[0][0] for points in _told(lives)), default=0.0)


def grows(lives: Sequence[Points], limit: Limit) -> bool:
    """Whether it grows by more than the limit, in each step and in all."""
    found = slope(lives)
    return found > limit.slope and found * span(lives) > limit.noise


def more_than_at_first(counts: Sequence[int], leeway: int) -> bool:
    """Whether a number of things, such as tasks, is larger later than in its first looks."""
    return len(counts) > WARM and max(counts[WARM:]) > max(counts[:WARM]) + leeway


def usually_more(counts: Sequence[int], leeway: int) -> bool:
    """The same for numbers that jump for a moment, as tasks do when every watch begins anew: by medians of halves."""
    half = len(counts) // 2
    return half >= WARM and median(counts[half:]) > median(counts[:half]) + leeway


def _told(lives: Sequence[Points]) -> list[Points]:
    return [points for points in lives if len(points) >= WARM]
