"""Growth is told from none, over one life and over several."""

import pytest
from soak import growth
from soak.growth import Limit

LIMIT = Limit(slope=1.0, noise=100.0)


def life(begins: float, grows_by: float, looks: int = 50) -> list[tuple[float, float]]:
    return [(float(step), begins + grows_by * step) for step in range(looks)]


def test_processes_that_were_killed_have_one_slope_whatever_they_began_at() -> None:
    lives = [life(900, 3.0), life(100, 3.0), life(500, 3.0, looks=20)]

    assert growth.slope(lives) == pytest.approx(3.0)
    assert growth.span(lives) == 49
    assert growth.grows(lives, LIMIT)


def test_a_process_that_begins_larger_than_the_one_before_has_not_grown() -> None:
    lives = [life(100, 0.0), life(900, 0.0)]

    assert growth.slope(lives) == 0
    assert not growth.grows(lives, LIMIT)


def test_little_growth_and_a_short_way_are_none() -> None:
    assert not growth.grows([life(100, 0.9, looks=1000)], LIMIT)
    assert not growth.grows([life(100, 3.0, looks=30)], LIMIT)


def test_a_few_looks_say_nothing() -> None:
    assert growth.slope([life(100, 9.0, looks=4)]) == 0
    assert growth.span([life(100, 9.0, looks=4)]) == 0


@pytest.mark.parametrize(
    ("counts", "more"), [([9, 9, 9, 9, 9, 11, 10], False), ([9, 9, 9, 9, 9, 12], True), ([9], False)]
)
def test_more_tasks_than_at_first_are_found(counts: list[int], *, more: bool) -> None:
    assert growth.more_than_at_first(counts, 2) is more


@pytest.mark.parametrize(
    ("counts", "more"),
    [([40] * 9 + [68] + [40] * 9, False), ([40] * 10 + [48] * 10, True), ([40, 60, 60, 60], False)],
    ids=["a jump", "for good", "a few looks"],
)
def test_what_jumps_for_a_moment_has_not_grown(counts: list[int], *, more: bool) -> None:
    assert growth.usually_more(counts, 5) is more
