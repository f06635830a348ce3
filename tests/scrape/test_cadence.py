"""When rollouts are due."""

import itertools

from modelrollout.scrape.cadence import Cadence


def times(cadence: Cadence, key: str, *, until: float, step: float = 0.01) -> list[float]:
    """Every time at which a key is popped by somebody who looks at every step."""
    found, now = [], 0.0
    while now < until:
        while (popped := cadence.pop(now)) is not None:
            if popped == key:
                found.append(round(now, 2))
        now += step
    return found


def test_a_key_is_due_on_a_fixed_grid_that_starts_within_one_interval() -> None:
    cadence = Cadence()
    cadence.set("default/churn", 5.0, 0.0)
    found = times(cadence, "default/churn", until=30.1)

    assert 0 <= found[0] <= 5
    assert all(abs(later - sooner - 5.0) < 0.02 for sooner, later in itertools.pairwise(found))


def test_setting_the_same_interval_again_moves_nothing() -> None:
    cadence = Cadence()
    cadence.set("a", 5.0, 0.0)
    due = cadence.next_due()
    cadence.set("a", 5.0, 3.0)

    assert cadence.next_due() == due
    assert len(cadence) == 1


def test_another_interval_takes_effect_within_its_own_length() -> None:
    cadence = Cadence()
    cadence.set("a", 3600.0, 0.0)
    cadence.set("a", 1.0, 10.0)
    due = cadence.next_due()

    assert due is not None
    assert 10.0 <= due <= 11.0


def test_what_was_missed_is_not_made_up_for_and_the_grid_stays() -> None:
    cadence = Cadence()
    cadence.set("a", 5.0, 0.0)
    first = cadence.next_due()
    assert first is not None

    assert [cadence.pop(first + 52.0), cadence.pop(first + 52.0)] == ["a", None]
    assert cadence.next_due() == first + 55.0


def test_a_removed_key_is_due_never() -> None:
    cadence = Cadence()
    cadence.set("a", 1.0, 0.0)
    cadence.remove("a")

    assert (cadence.pop(100.0), cadence.next_due(), len(cadence)) == (None, None, 0)


def test_a_thousand_rollouts_are_spread_over_their_interval() -> None:
    cadence = Cadence()
    for index in range(1000):
        cadence.set(f"default/model-{index}", 5.0, 0.0)
    per_half_second: list[set[str | None]] = [set() for _ in range(10)]
    for index, due in enumerate(per_half_second):
        while (key := cadence.pop((index + 1) * 0.5)) is not None:
            due.add(key)

    assert len(set().union(*per_half_second)) == 1000
    assert max(map(len, per_half_second)) < 150
