"""How thorough the suite is: all points by `--thorough`, else every so manieth."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

One = TypeVar("One")
Thinned = Callable[[Sequence[One], int], Sequence[One]]


@pytest.fixture
def thinned(request: pytest.FixtureRequest) -> Thinned[object]:
    """Everything in a thorough run, else every n-th, so that kinds and places are all met."""
    thorough = bool(request.config.getoption("--thorough", default=False))
    return lambda all_of_them, every: all_of_them if thorough else all_of_them[::every]
