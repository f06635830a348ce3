"""Which types in a skops file need no word of the user, and which do."""

import re
from pathlib import Path

import numpy as np
import pytest
import skops.io
from serving.apps import loaded
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor

from modelrollout.api.rules import TYPE_NAME
from modelserver.trusted import foreign, is_own

ROWS = np.random.default_rng(0).normal(size=(60, 3))
VALUES = ROWS @ (1.0, 2.0, 3.0)

OWN = [
    "sklearn.tree._tree.Tree",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._classification.balanced_accuracy_score",
    "sklearn.cluster._kmeans._kmeans_single_lloyd",
    "scipy.interpolate._bsplines.BSpline",
    "numpy.mean",
]
FOREIGN = [
    "os.system",
    "builtins.eval",
    "posix.system",
    "mypackage.steps.Cleaner",
    "sklearn",
    "sklearn.",
    "sklearn.os.system",
    "sklearn.base.os",
    "sklearn.base.warnings",
    "sklearn.utils._openmp_helpers.os",
    "sklearn.utils.validation.joblib",
    "sklearn.utils.parallel.Parallel.__call__",
    "sklearn.utils.fixes.parse_version",
    "sklearn.metrics._scorer.partial",
    "sklearn.metrics.pairwise.Parallel.print_progress",
    "sklearn.datasets._base.load_files",
    "sklearn.datasets._base.Bunch",
    "sklearn.externals._arff.ArffDecoder",
    "sklearn.utils._testing.MinimalClassifier",
    "sklearn.utils._testing.TempMemmap",
    "sklearn.tests.test_base.MyEstimator",
    "sklearn.tree._export.export_text",
    "sklearn.nowhere.Thing",
    "sklearnish.tree.Tree",
    "numpy.load",
    "numpy.fromfile",
    "numpy.lib._npyio_impl.NpzFile",
    "scipy.stats._distn_infrastructure.rv_continuous_frozen",
    "scipy.io._matlab._mio.loadmat",
]


def test_what_scikit_learn_defines_and_only_computes_needs_no_word() -> None:
    assert foreign(OWN) == []


@pytest.mark.parametrize("name", FOREIGN)
def test_what_could_do_anything_else_does(name: str) -> None:
    assert foreign([name]) == [name]


def test_functions_that_a_module_only_imports_are_not_its_own() -> None:
    import sklearn.metrics.pairwise as module  # noqa: PLC0415

    imported = [name for name, one in vars(module).items() if "sklearn" not in getattr(one, "__module__", "sklearn")]
    assert imported
    assert not [name for name in imported if is_own(f"sklearn.metrics.pairwise.{name}")]


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(3, random_state=0),
        HistGradientBoostingRegressor(max_iter=3),
        KNeighborsRegressor(),
        MLPRegressor(hidden_layer_sizes=(3,), tol=10.0, random_state=0),
        GaussianProcessRegressor(RBF()),
        GridSearchCV(KNeighborsRegressor(), {"n_neighbors": [2, 3]}),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_scikit_learns_models_load_without_a_word(tmp_path: Path, estimator: BaseEstimator) -> None:
    target = VALUES > 0 if isinstance(estimator, RandomForestClassifier) else VALUES
    skops.io.dump(estimator.fit(ROWS, target), tmp_path / "m.skops")

    labels = loaded(tmp_path / "m.skops").model.predict(ROWS).labels
    np.testing.assert_allclose(np.array(labels), estimator.predict(ROWS))


@pytest.mark.parametrize("name", [*OWN, "mypackage.steps.Cleaner", "__main__.Cleaner"])
def test_the_api_takes_every_name_that_bundle_lists(name: str) -> None:
    assert re.fullmatch(TYPE_NAME, name)
