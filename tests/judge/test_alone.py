"""A stable that serves alone is held to its own baseline, in windows, for as long as it serves."""

import pytest

from modelrollout.judge import Baseline, Predictions
from modelrollout.judge.alone import Alone

OWN = Baseline(2000, 0.5, 0.25)
ALPHA = 0.001


def answers(count: int, mean: float, deviation: float = 0.25) -> tuple[Predictions, ...]:
    return (Predictions(count, count * mean, count * (mean * mean + deviation * deviation)),)


def after(rounds: int, mean: float, known: Alone | None = None, own: Baseline | None = OWN) -> Alone:
    known = known or Alone()
    for _ in range(rounds):
        known = known.plus(answers(50, mean), own, 2.0, ALPHA)
    return known


def test_near_its_baseline_one_window_follows_the_other_and_each_begins_anew() -> None:
    known = after(2000, 0.6)
    assert known.finding is None
    assert known.windows > 100
    assert known.seen.count < 1000


@pytest.mark.parametrize("good", [0, 10, 100_000], ids=["from the beginning", "soon", "after 5 million good answers"])
def test_a_drift_is_found_whenever_it_begins(good: int) -> None:
    known = after(good, 0.5)
    moved = after(20, 1.2, known)
    assert moved.finding is not None
    assert moved.finding.metric == "predictionDrift"
    assert "standard deviations from the model's baseline (limit 2)" in moved.finding.message


@pytest.mark.parametrize(
    "own", [None, Baseline(2000, 0.5, 0.0), Baseline(20, 0.5, 0.25)], ids=["none", "without spread", "of 20 rows"]
)
def test_what_is_no_baseline_says_nothing(own: Baseline | None) -> None:
    assert after(100, 9.0, own=own).finding is None


def test_a_scrape_without_the_baseline_does_not_take_it_away_and_another_models_begins_anew() -> None:
    known = after(3, 0.5)
    assert known.plus(answers(50, 0.5), None, 2.0, ALPHA).baseline == OWN
    other = known.plus(answers(50, 0.9), Baseline(2000, 0.9, 0.25), 2.0, ALPHA)
    assert (other.seen.count, other.finding) == (50, None)
