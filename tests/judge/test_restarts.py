"""A test may be started anew as often as the weights allow, and only so many starts are remembered."""

import math
from functools import reduce

import pytest

from modelrollout.judge.restarts import Memory, Restart, restarted

BEGINNING: tuple[Restart[int], ...] = (Restart(0, 0),)


def test_weights_of_all_restarts_sum_to_at_most_one() -> None:
    total = math.fsum(math.exp(Restart(index, None).log_weight) for index in range(100_000))

    assert total == pytest.approx(1.0, abs=1e-3)
    assert total <= 1.0


def test_recent_restarts_are_all_kept_and_old_ones_thin_out() -> None:
    memory = Memory(span=2, most=32)
    restarts = reduce(lambda known, number: restarted(known, number, memory), range(1, 101), BEGINNING)

    assert [one.index for one in restarts] == [0, 64, 80, 88, 92, 96, 98, 99, 100]
    assert [one.at for one in restarts] == [0, 64, 80, 88, 92, 96, 98, 99, 100]


def test_no_more_than_the_most_are_kept_beside_the_beginning() -> None:
    memory = Memory(span=8, most=5)
    restarts = reduce(lambda known, number: restarted(known, number, memory), range(1, 101), BEGINNING)

    assert [one.index for one in restarts] == [0, 96, 97, 98, 99, 100]
