"""What is recorded of a sample: edges that no prediction lies on, and intervals by their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelserver.making.inputs import Unusable
from modelserver.making.recording import baseline, interval, spread_out

NUMBERS = st.integers(-(10**6), 10**6).map(lambda number: number / 1000) | st.sampled_from([0.0, 1.0, 0.5])


@settings(max_examples=200, deadline=None)
@given(values=st.lists(NUMBERS, min_size=1, max_size=60))
def test_a_baseline_counts_every_prediction_once_and_survives_the_last_bit(values: list[float]) -> None:
    found = baseline(values, ())
    nudged = baseline([value * (1 + 2e-16) for value in values], ())

    assert (found.count, sum(found.counts)) == (len(values), len(values) if found.edges else 0)
    assert list(found.edges) == sorted(set(found.edges))
    assert not set(found.edges) & set(values)
    assert nudged.counts == found.counts


@pytest.mark.parametrize("value", [0.0, 0.1, -3e5])
def test_equal_predictions_have_no_spread_whatever_rounding_makes_of_them(value: float) -> None:
    found = baseline([value, value * (1 + 2e-16)] * 200, ())

    assert (found.sd, found.edges, found.counts) == (0.0, (), ())


def test_classes_have_a_bucket_each() -> None:
    found = baseline([0.0, 2.0, 2.0, 1.0], ("a", "b", "c"))

    assert (found.edges, found.counts) == ((0.5, 1.5), (1, 1, 2))


def test_an_interval_is_cut_at_the_order_statistics_of_the_residuals() -> None:
    residuals = np.arange(1.0, 20.0)  # 19 of them: .05 * 20 = the first, .95 * 20 = the 19th

    assert interval(residuals, [0.0] * 19, 0.9).model_dump() == {"level": 0.9, "lower": 1.0, "upper": 19.0}
    with pytest.raises(Unusable, match="needs at least 19 rows, not 18"):
        interval(residuals[:18], [0.0] * 18, 0.9)


def test_an_interval_holds_its_share_of_truths_that_nobody_has_seen() -> None:
    random = np.random.default_rng(3)
    held = []
    for _ in range(400):
        found = interval(random.normal(size=100), [0.0] * 100, 0.8)
        held.append(float(((new := random.normal(size=50)) > found.lower).mean() - (new > found.upper).mean()))

    assert np.mean(held) == pytest.approx(0.8, abs=0.02)


@given(values=st.lists(NUMBERS, min_size=1, max_size=30), count=st.integers(1, 40))
def test_chosen_rows_are_different_ones_and_reach_both_ends(values: list[float], count: int) -> None:
    places = spread_out(values, count)

    assert len(set(places)) == len(places) == min(count, len(values))
    assert values[places[0]] == min(values)
    if count > 1:
        assert values[places[-1]] == max(values)
