"""Predictions against the model's own baseline: drifted, clear, or undecided."""

from dataclasses import replace

import numpy as np
import pytest
from judge.trials import comparing, pod

from modelrollout import judge
from modelrollout.judge.drift import Answer, merged, moved, unusable

EDGES = tuple(float(f"{edge:.2f}") for edge in np.linspace(0.05, 0.95, 19))
Values = np.ndarray[tuple[int], np.dtype[np.float64]]


def scores(seed: int, count: int) -> Values:
    """A confident classifier: probabilities near 0 and near 1."""
    rng = np.random.default_rng(seed)
    near = rng.beta(2, 12, count)
    return np.where(rng.random(count) < 0.5, near, 1 - near)


def skewed(seed: int, count: int) -> Values:
    """Amounts with a long tail."""
    return 0.2 * np.random.default_rng(seed).standard_gamma(1.0, count)


def predicted(values: Values) -> judge.Predictions:
    counts = np.bincount(np.searchsorted(EDGES, values), minlength=len(EDGES) + 1)
    squares = float((values**2).sum())
    return judge.Predictions(len(values), float(values.sum()), squares, EDGES, tuple(map(int, counts)))


def baseline(values: Values) -> judge.Baseline:
    seen = predicted(values)
    return judge.Baseline(len(values), float(values.mean()), float(values.std()), EDGES, seen.counts)


def answer(values: Values, own: Values, tolerance: float = 2.0) -> Answer:
    return moved(predicted(values), baseline(own), tolerance, 0.0015).answer


def test_the_same_distribution_is_clear() -> None:
    assert answer(scores(1, 4000), scores(2, 2000)) is Answer.CLEAR


def test_scores_that_collapse_to_a_half_drift_although_their_mean_stays() -> None:
    collapsed = np.full(600, 0.5)

    found = moved(predicted(collapsed), baseline(scores(2, 2000)), 2.0, 0.0015)

    assert found.answer is Answer.DRIFTED
    assert abs(found.deviations) < 0.1
    assert found.distance == pytest.approx(0.5, abs=0.05)
    assert found.message.startswith("the shape of the predictions moved by 0.")


def test_outputs_ten_times_too_small_drift_although_their_mean_is_inside_two_deviations() -> None:
    found = moved(predicted(skewed(1, 600) / 10), baseline(skewed(2, 2000)), 2.0, 0.0015)

    assert found.answer is Answer.DRIFTED
    assert abs(found.deviations) < 2


def test_a_retrained_model_is_clear_against_its_own_baseline() -> None:
    assert answer(np.clip(scores(1, 4000) + 0.3, 0, 1), np.clip(scores(2, 2000) + 0.3, 0, 1)) is Answer.CLEAR
    assert answer(np.clip(scores(1, 4000) + 0.3, 0, 1), scores(2, 2000)) is Answer.DRIFTED


def test_a_mean_far_away_is_named() -> None:
    own = replace(baseline(scores(2, 2000)), edges=(), counts=())

    found = moved(predicted(scores(1, 900) + 3), own, 2.0, 0.0015)

    assert found.answer is Answer.DRIFTED
    assert found.message.endswith("standard deviations from the model's baseline (limit 2)")


def test_few_predictions_decide_nothing() -> None:
    assert answer(np.full(199, 0.5), scores(2, 2000)) is Answer.UNDECIDED


def test_near_the_tolerance_nothing_is_decided() -> None:
    own = scores(2, 2000)

    assert answer(scores(1, 500), own, tolerance=0.05) is Answer.UNDECIDED


def test_healthy_models_rarely_drift_however_often_they_are_looked_at() -> None:
    own = baseline(scores(0, 2000))
    alarms = 0
    for seed in range(1, 41):
        values = scores(seed, 6000)
        looks = (moved(predicted(values[:upto]), own, 2.0, 0.05).answer for upto in range(200, 6001, 200))
        alarms += any(found is Answer.DRIFTED for found in looks)

    assert alarms <= 1


@pytest.mark.parametrize(
    ("own", "why"),
    [
        pytest.param(judge.Baseline(150, 0.5, 0.1), "has 150 predictions", id="few"),
        pytest.param(judge.Baseline(500, 0.5, 0.0), "has no spread", id="one value"),
        pytest.param(judge.Baseline(500, float("nan"), 0.1), "has no spread", id="not a number"),
        pytest.param(judge.Baseline(500, 0.5, 0.1, (0.9,), (500, 0)), "are in one bucket", id="one bucket"),
        pytest.param(judge.Baseline(500, 0.5, 0.1), "", id="usable"),
    ],
)
def test_a_baseline_that_cannot_be_judged_by_says_why(own: judge.Baseline, why: str) -> None:
    assert (why in unusable(own)) if why else (unusable(own) == "")


def test_counts_on_other_edges_are_left_out_of_a_sum() -> None:
    one = predicted(scores(1, 300))

    both = merged(one, replace(one, edges=(0.5,), counts=(100, 200)))

    assert (both.count, both.counts) == (600, one.counts)


def watched(values: Values, own: judge.Baseline, rules: judge.Rules) -> judge.Verdict:
    evidence, origins = judge.fresh(), judge.Origins()
    for upto in (0, len(values)):
        seen = predicted(values[:upto])
        canary = pod("churn-c", requests=upto, predictions=seen, baseline=own)
        stable = pod("churn-s", requests=1000 + upto)
        evidence, origins = judge.observe(evidence, origins, judge.Round((canary,), (stable,)), rules)
    return judge.verdict(evidence, rules)


@pytest.mark.parametrize("compared", [True, False])
def test_a_drifted_candidate_is_found_with_and_without_a_comparison(compared: bool) -> None:  # noqa: FBT001
    rules = comparing() if compared else replace(comparing(), compare=None)

    found = watched(np.full(2000, 0.5), baseline(scores(2, 2000)), rules).candidate

    assert found is not None
    assert found.metric == "predictionDrift"


def test_a_baseline_without_spread_is_no_verdict() -> None:
    found = watched(np.full(2000, 0.5), judge.Baseline(500, 0.1, 0.0), comparing())

    assert (found.candidate, found.unproven) == (None, "")


def test_a_candidate_passes_when_its_predictions_are_clear() -> None:
    own, rules = baseline(scores(2, 2000)), comparing()

    assert watched(scores(1, 4000), own, rules).unproven == ""
    undecided = replace(rules, drift=0.05)
    assert watched(scores(1, 900), own, undecided).unproven.startswith("that predictions stay near the model's")
