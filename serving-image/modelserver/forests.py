"""Random forests without their fixed costs.

scikit-learn hands each of a forest's trees to joblib and checks the rows again for each: for 100 small trees and a
row that is four fifths of the time. Here the trees are asked one after the other, in the calling thread, and
averaged in the same order. Only forests of one output whose trees give, at load, the
numbers that the forest itself gives are asked so; all others are left to scikit-learn.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver.models import Rows

CHECKED_ROWS = 64
SPREAD = 3.0
Numbers = NDArray[np.float64]


class Trees:
    """The trees of one forest."""

    def __init__(self, forest: Any) -> None:  # noqa: ANN401 - scikit-learn has no types
        self._trees = [estimator.tree_ for estimator in forest.estimators_]
        self.classifies = hasattr(forest, "classes_")

    def mean(self, rows: Rows) -> Numbers:
        """Probabilities of each class for each row, or a regression's values."""
        with np.errstate(over="ignore"):  # what is too large for a float is beyond every threshold
            narrow = np.ascontiguousarray(rows, dtype=np.float32)
        total: Numbers = self._trees[0].predict(narrow).astype(np.float64)
        for tree in self._trees[1:]:
            total += tree.predict(narrow)
        total /= len(self._trees)
        return total if self.classifies else total[:, 0]


def trees_of(estimator: Any) -> Trees | None:  # noqa: ANN401
    """The quick way through this estimator; None where there is none that answers just the same."""
    from sklearn import ensemble  # noqa: PLC0415 - an ONNX model must not pay for it

    kinds = (
        ensemble.RandomForestClassifier,
        ensemble.ExtraTreesClassifier,
        ensemble.RandomForestRegressor,
        ensemble.ExtraTreesRegressor,
    )
    if type(estimator) not in kinds or estimator.n_outputs_ != 1:
        return None
    trees = Trees(estimator)
    return trees if _same(trees, estimator) else None


def _same(trees: Trees, estimator: Any) -> bool:  # noqa: ANN401
    rows = _rows_around_the_splits(estimator)
    theirs = estimator.predict_proba(rows) if trees.classifies else estimator.predict(rows)
    ours = trees.mean(rows)
    return ours.shape == theirs.shape and bool(np.allclose(ours, theirs, rtol=1e-12, atol=1e-15))


def _rows_around_the_splits(estimator: Any) -> Numbers:  # noqa: ANN401
    """Rows that reach many leaves: every value near a threshold that some tree compares it with."""
    random = np.random.default_rng(0)
    rows = random.normal(0.0, SPREAD, (CHECKED_ROWS, estimator.n_features_in_))
    for member in estimator.estimators_[:10]:
        tree = member.tree_
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            if feature >= 0:
                rows[random.integers(CHECKED_ROWS), feature] = threshold + random.normal(0.0, 1e-3)
    return rows
