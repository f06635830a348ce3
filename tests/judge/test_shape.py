"""Predictions beside stable's, and beside what stable predicted before: for models that carry no baseline."""

from dataclasses import replace

import numpy as np
import pytest
from judge.test_drift import EDGES, Values, baseline, predicted, scores
from judge.trials import comparing, pod

from modelrollout import judge
from modelrollout.api.spec import Health
from modelrollout.core.epochs import terms
from modelrollout.judge.drift import Answer, apart

SHAPED = comparing(compare={"predictionShape": 0.1}, limits={"predictionDrift": None})
COLLAPSED = np.full(4000, 0.5)


def side(values: Values, *, with_edges: bool = True) -> judge.Predictions:
    seen = predicted(values)
    return seen if with_edges else replace(seen, edges=(), counts=())


def judged(
    candidate: judge.Predictions, stable: judge.Predictions, rules: judge.Rules, own: judge.Baseline | None = None
) -> judge.Evidence:
    """The evidence after one round in which both arms predicted this."""
    before = _round(_nothing_of(candidate), _nothing_of(stable), own)
    evidence, origins = judge.observe(judge.fresh(), judge.Origins(), before, rules)
    return judge.observe(evidence, origins, _round(candidate, stable, own), rules)[0]


def _nothing_of(arm: judge.Predictions) -> judge.Predictions:
    return judge.Predictions(edges=arm.edges, counts=(0,) * len(arm.counts))


def _round(ours: judge.Predictions, theirs: judge.Predictions, own: judge.Baseline | None) -> judge.Round:
    return judge.Round(
        (pod("churn-c", requests=ours.count, predictions=ours, baseline=own),),
        (pod("churn-s", requests=1000 + theirs.count, predictions=theirs),),
    )


def test_the_same_model_has_the_same_shape_and_another_one_has_not() -> None:
    same = apart(side(scores(1, 4000)), side(scores(2, 4000)), 0.1, 0.0015)
    other = apart(side(scores(1, 4000)), side(COLLAPSED), 0.1, 0.0015)

    assert (same.answer, other.answer) == (Answer.CLEAR, Answer.DRIFTED)
    assert other.message.startswith("the shape of the predictions is 0.5")
    assert "from stable's (limit 0.10" in other.message


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(side(scores(1, 199)), side(COLLAPSED), id="few predictions"),
        pytest.param(side(scores(1, 900), with_edges=False), side(COLLAPSED), id="no edges in one arm"),
        pytest.param(side(scores(1, 900)), replace(side(COLLAPSED), edges=EDGES[1:]), id="other edges"),
    ],
)
def test_where_shapes_cannot_be_compared_nothing_is_said(ours: judge.Predictions, theirs: judge.Predictions) -> None:
    assert apart(ours, theirs, 0.1, 0.0015).answer is Answer.UNDECIDED


def test_healthy_models_are_rarely_found_apart_however_often_they_are_looked_at() -> None:
    alarms = 0
    for seed in range(1, 41):
        ours, theirs = scores(seed, 4000), scores(seed + 100, 4000)
        looks = (apart(side(ours[:upto]), side(theirs[:upto]), 0.1, 0.05) for upto in range(200, 4001, 200))
        alarms += any(one.answer is Answer.DRIFTED for one in looks)

    assert alarms <= 1


def test_the_distance_decides_only_where_it_is_asked_for() -> None:
    arms = side(COLLAPSED), side(scores(2, 4000))
    asked, not_asked = (judge.verdict(judged(*arms, rules), rules) for rules in (SHAPED, comparing()))

    assert asked.candidate is not None
    assert asked.candidate.metric == "predictionShape"
    assert not_asked.candidate is None
    shown = judge.report(judged(*arms, comparing()), comparing())
    assert shown is not None
    assert shown.shape == pytest.approx(0.5, abs=0.05)


def test_it_has_to_be_shown_before_a_model_passes() -> None:
    alike, elsewhere = side(scores(1, 4000)), side(scores(2, 4000), with_edges=False)

    assert "shape" not in judge.verdict(judged(alike, side(scores(2, 4000)), SHAPED), SHAPED).unproven
    evidence = judged(alike, elsewhere, SHAPED)
    missing = [one.claim for one in judge.proofs.missing(evidence, SHAPED)]
    assert (
        missing[-1] == "a shape of the predictions within 0.1 of stable's (predictions of both arms on the same edges)"
    )


def test_a_model_without_a_baseline_is_held_to_what_stable_predicted() -> None:
    rules = replace(comparing(compare=None), frozen=judge.Baseline(2000, 0.5, 0.38))
    far = side(scores(1, 900) + 3, with_edges=False)

    found = judge.verdict(judged(far, side(scores(2, 900)), rules), rules).candidate

    assert found is not None
    assert found.metric == "predictionDrift"
    assert found.message.endswith("from what stable predicted until it was promoted (limit 2)")


def test_its_own_baseline_comes_first_and_a_failed_scrape_does_not_take_it_away() -> None:
    own, before = baseline(scores(1, 900) + 3), baseline(scores(3, 2000))
    rules = replace(comparing(), frozen=before)
    moved = side(scores(1, 900) + 3)

    evidence = judged(moved, side(scores(2, 900)), rules, own)
    after, _ = judge.observe(evidence, judge.Origins(), judge.Round(), rules)

    for one in (evidence, after):
        assert one.trial is not None
        assert one.trial.baseline == own
        assert judge.verdict(one, rules).candidate is None


def test_what_is_drifted_from_shares_the_probability_of_a_false_alarm() -> None:
    assert SHAPED.drift_alpha == comparing().drift_alpha / 2 == pytest.approx(0.01 * 0.15 / 2)


def test_evidence_goes_on_over_the_release_that_brought_it() -> None:
    assert terms(Health.model_validate({"compare": {}})) == "6bb2fc"
    assert terms(Health.model_validate({"compare": {"predictionShape": 0.1}})) != "6bb2fc"
