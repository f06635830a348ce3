"""A fitted estimator as a model: its label is what `predict` returns, its probabilities are what `predict_proba` does.

Quicker ways to the same answers (the largest probability instead of `predict`, a forest's trees instead of the forest,
the rows of one turn together) are taken only where a check at load, on varied rows, together and one by one, has shown
that they are the same for this very model.
"""

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver.artefacts import Whole
from modelserver.failures import Cause, StartError
from modelserver.forests import trees_of
from modelserver.labels import UnservableError, classes_of, labels_of, scores_of, shape_of, shares_of
from modelserver.models import Answers, Rows, Scores
from modelserver.trying import Answer, Ask, Numbers, Tried, parts_of, rows_to_try, same, same_alone, try_out

logger = logging.getLogger(__name__)

TIE = 1e-9
"""Probabilities closer than this are not told apart here: `predict` decides."""
BY_LARGEST = frozenset({
    "BernoulliNB", "CalibratedClassifierCV", "CategoricalNB", "ComplementNB", "DecisionTreeClassifier",
    "ExtraTreeClassifier", "ExtraTreesClassifier", "GaussianNB", "GradientBoostingClassifier",
    "HistGradientBoostingClassifier", "LinearDiscriminantAnalysis", "LogisticRegression", "LogisticRegressionCV",
    "MLPClassifier", "MultinomialNB", "QuadraticDiscriminantAnalysis", "RandomForestClassifier",
})  # fmt: skip
"""scikit-learn's classifiers whose `predict` is the class of the largest probability by its definition."""
STAY_FINITE = frozenset({
    "ColumnTransformer", "FeatureUnion", "MaxAbsScaler", "MinMaxScaler", "OneHotEncoder", "OrdinalEncoder", "Pipeline",
    "RobustScaler", "SimpleImputer", "StandardScaler",
})  # fmt: skip
"""What makes finite numbers of finite numbers, so that nobody need look at them again."""


class SklearnModel:
    """An estimator with all that its artefact says of it, tried on `known` rows where there are some.

    Raises:
        StartError: it answers no row, or in a way that is not served.
    """

    dtype: type[np.floating] = np.float64

    def __init__(self, held: Whole, known: Sequence[Sequence[float]] = ()) -> None:
        import sklearn  # noqa: PLC0415 - loaded with the estimator already

        self._estimator = _searched(held.estimator)
        self._encoder, self._threshold = held.label_encoder, held.threshold
        self._has_shares = callable(getattr(self._estimator, "predict_proba", None))
        self.rows_at_once: int | None = None
        # Rows come as arrays in the order of the names, which scikit-learn would point out for every request.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        sklearn.set_config(assume_finite=False)
        self._own = self._known_classes()
        self.tried = try_out(self._plainly, rows_to_try(known, held.width or 0, self._estimator))
        scores = scores_of(self.tried.labels, self.tried.shares)
        self.classes = classes_of(self._own, scores.labels)
        self.answers = _shape(scores, self._own)
        # Rows have been found finite, each number by itself, when their request was read.
        sklearn.set_config(assume_finite=_stays_finite(self._estimator))
        self._ask: Ask = self._plainly
        self._quicken(self.tried)
        if not same_alone(self._ask, self.tried):
            logger.warning("the model answers rows otherwise alone than together: it is asked for one at a time")
            self.rows_at_once = 1

    def predict(self, rows: Rows) -> Scores:
        return scores_of(*self._ask(rows))

    def _plainly(self, rows: Rows) -> Answer:
        """As the notebook does."""
        shares = shares_of(self._estimator.predict_proba(rows)) if self._has_shares else None
        return self._labels(rows, shares), shares

    def _labels(self, rows: Rows, shares: Numbers | None) -> NDArray[Any]:
        if self._threshold is not None and shares is not None:
            return self._over(shares)
        labels = labels_of(self._estimator.predict(rows))
        return labels if self._encoder is None else np.asarray(self._encoder.classes_)[labels]

    def _over(self, shares: Numbers) -> NDArray[Any]:
        """The second class of two where its probability reaches the threshold."""
        is_second: NDArray[np.bool_] = shares[:, 1] >= np.float64(self._threshold or 0.0)
        labels: NDArray[Any] = np.asarray(self._own)[is_second.astype(int)]
        return labels

    def _known_classes(self) -> Any:  # noqa: ANN401 - as scikit-learn has them, or None
        classes = getattr(self._estimator, "classes_", None)
        return np.asarray(self._encoder.classes_)[np.asarray(classes)] if self._encoder is not None else classes

    def _quicken(self, tried: Tried) -> None:
        """Take a quicker way where there is one that gives the same answers."""
        steps = getattr(self._estimator, "steps", None)
        last = steps[-1][1] if steps else self._estimator
        by_shares = self._by_largest(last, self._estimator.predict_proba if self._has_shares else None)
        for way in (self._by_trees(last), by_shares):
            if way is not None and _same_answers(way, tried):
                self._ask = way
                return

    def _by_largest(self, last: Any, shares_by: Callable[[Rows], Numbers] | None) -> Ask | None:  # noqa: ANN401
        if type(last).__name__ not in BY_LARGEST or not type(last).__module__.startswith("sklearn."):
            return None
        if shares_by is None or not self.classes or self.answers.shares != len(self.classes):
            return None
        classes = np.asarray(self._own)

        def ask(rows: Rows) -> Answer:
            shares = shares_by(rows)
            if self._threshold is not None:
                return self._over(shares), shares
            labels = classes[shares.argmax(axis=1)]
            margins = _margins(shares)
            if margins.min() < TIE:
                tied = margins < TIE
                labels[tied] = self._labels(rows[tied], None)
            return labels, shares

        return ask

    def _by_trees(self, last: Any) -> Ask | None:  # noqa: ANN401
        """Ask the trees of a forest, alone or at the end of a pipeline."""
        trees = trees_of(last)
        if trees is None:
            return None
        before = self._estimator[:-1].transform if len(getattr(self._estimator, "steps", ())) > 1 else None

        def mean(rows: Rows) -> Numbers:
            taken = before(rows) if before else rows
            if before and not np.isfinite(taken).all():
                raise ValueError("what comes before the forest makes numbers that are not finite")
            return trees.mean(taken)

        return self._by_largest(last, mean) if trees.classifies else lambda rows: (mean(rows), None)


def _searched(estimator: Any) -> Any:  # noqa: ANN401
    """What a search has found, which is all that it asks."""
    if type(estimator).__module__.startswith("sklearn.model_selection._search"):
        return getattr(estimator, "best_estimator_", estimator)
    return estimator


def _stays_finite(estimator: Any) -> bool:  # noqa: ANN401
    final = estimator.steps[-1][1] if getattr(estimator, "steps", None) else estimator
    return all(
        part is final or not hasattr(part, "transform") or type(part).__name__ in STAY_FINITE
        for part in parts_of(estimator)
    )


def _shape(scores: Scores, classes: Any) -> Answers:  # noqa: ANN401
    try:
        return shape_of(scores, classes)
    except UnservableError as error:
        raise StartError(Cause.UNREADABLE_MODEL, str(error)) from None


def _margins(shares: Numbers) -> Numbers:
    """By how much each row's largest probability is larger than the next."""
    if shares.shape[1] == 1:
        return np.ones(len(shares))
    upper = shares.T if shares.shape[1] == 2 else np.partition(shares, -2, axis=1)[:, -2:].T  # noqa: PLR2004
    margins: Numbers = np.abs(upper[0] - upper[1])
    return margins


def _same_answers(way: Ask, tried: Tried) -> bool:
    try:
        return same(way(tried.rows), (tried.labels, tried.shares), 1e-12)
    except Exception:  # noqa: BLE001 - a quick way that fails is not taken
        return False
