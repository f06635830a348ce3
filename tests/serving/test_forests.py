"""Forests are asked tree by tree, which is quicker and gives the forest's own numbers."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelserver.artefacts import Whole
from modelserver.estimators import SklearnModel
from modelserver.forests import trees_of

ROWS, LABELS = make_classification(200, 8, n_informative=6, n_classes=3, random_state=0)
VALUES = make_regression(200, 8, random_state=0)[1]

CLASSIFIERS: dict[str, Any] = {
    "forest": RandomForestClassifier(20, random_state=0),
    "extra trees": ExtraTreesClassifier(20, random_state=0),
    "words": RandomForestClassifier(5, random_state=0),
    "pipeline": make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)),
    "boosting": GradientBoostingClassifier(n_estimators=5, random_state=0),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifiers_probabilities_are_its_own(name: str) -> None:
    labels = np.array(["a", "b", "c"])[LABELS] if name == "words" else LABELS
    estimator = CLASSIFIERS[name].fit(ROWS, labels)

    scores = SklearnModel(Whole(estimator)).predict(ROWS)

    np.testing.assert_allclose(np.array(scores.probabilities), estimator.predict_proba(ROWS), rtol=1e-12)
    assert scores.labels == estimator.predict(ROWS).tolist()


@pytest.mark.parametrize("estimator", [RandomForestRegressor(20, random_state=0), ExtraTreesRegressor(20)])
def test_a_regressions_values_are_its_own(estimator: Any) -> None:
    estimator.fit(ROWS, VALUES)

    np.testing.assert_allclose(
        np.array(SklearnModel(Whole(estimator)).predict(ROWS).labels), estimator.predict(ROWS), rtol=1e-12
    )


def test_only_forests_of_one_output_are_asked_by_their_trees() -> None:
    one = RandomForestRegressor(5).fit(ROWS, VALUES)
    two = RandomForestRegressor(5).fit(ROWS, np.column_stack([VALUES, VALUES]))

    assert trees_of(one) is not None
    assert trees_of(two) is None
    assert trees_of(CLASSIFIERS["boosting"].fit(ROWS, LABELS)) is None


def test_trees_that_answer_otherwise_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = RandomForestRegressor(5).fit(ROWS, VALUES)
    theirs = estimator.predict
    monkeypatch.setattr(estimator, "predict", lambda rows: theirs(rows) + 1)

    assert trees_of(estimator) is None


def test_a_number_too_large_for_a_float_is_beyond_every_threshold() -> None:
    model = SklearnModel(Whole(RandomForestRegressor(5, random_state=0).fit(ROWS, VALUES)))

    assert model.predict(np.full((1, 8), 1e300)).labels == model.predict(np.full((1, 8), 1e30)).labels
