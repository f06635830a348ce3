"""How thorough the suite is: all points by `--thorough`, else every so manieth."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

HERE = Path(__file__).parent
LONGEST_SECONDS = 900
"""Many runs make one test; what is asserted is virtual time, and a busy machine is no failure."""
One = TypeVar("One")
Thinned = Callable[[Sequence[One], int], Sequence[One]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(LONGEST_SECONDS))


@pytest.fixture
def thinned(request: pytest.FixtureRequest) -> Thinned[object]:
    """Everything in a thorough run, else every n-th, so that kinds and places are all met."""
    thorough = bool(request.config.getoption("--thorough", default=False))
    return lambda all_of_them, every: all_of_them if thorough else all_of_them[::every]
