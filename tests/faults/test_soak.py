"""The soak for a few seconds, and that it tells growth from none."""

import pytest
from faults.soak import MOST, Soak
from soak.growth import WARM


def test_random_rollouts_under_random_faults_break_nothing() -> None:
    soak = Soak(seed=3)

    assert soak.play(40) == []
    assert len(soak.tasks) == 2
    assert max(soak.tasks) - min(soak.tasks) <= 2


@pytest.mark.long
@pytest.mark.timeout(900)
def test_five_minutes_of_random_rollouts_break_nothing_and_hoard_nothing() -> None:
    """A cut of `make soak`, long enough that growth would show."""
    soak = Soak(seed=5)

    assert soak.run(300) == []
    assert len(soak.memory) > 2 * WARM


@pytest.mark.parametrize(("kib", "says"), [(0.1, ""), (2.0, "memory grows by 2.00 KiB a rollout")])
def test_growth_is_told_from_none(kib: float, says: str) -> None:
    soak = Soak(seed=1, memory=[(number, 1000 + kib * number) for number in range(20, 2000, 20)])

    assert soak.slope == pytest.approx(kib)
    assert " ".join(soak.hoards()) == says
    assert MOST.slope < 2


def test_caches_that_fill_at_first_and_what_a_process_wanders_by_itself_are_no_growth() -> None:
    filling = [(number, min(3.0 * number, 1500)) for number in range(20, 2000, 20)]
    wandering = [(number, 1000 + 2.0 * number) for number in range(20, 600, 20)]

    assert Soak(seed=1, memory=filling).hoards() == []
    assert Soak(seed=1, memory=wandering).hoards() == []


def test_more_and_more_tasks_are_found() -> None:
    assert Soak(seed=1, tasks=list(range(14, 34))).hoards() == ["tasks grow: 14 at first, 33 later"]
