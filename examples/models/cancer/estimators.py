"""The three good models: v1 sees two columns of the thirty, v2 and v3 see all of them."""

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cancer.rows import SEED

WEAK_COLUMNS = [0, 1]
"""mean radius and mean texture; by number, since a server sends arrays."""
COMPONENTS = 10


def weak() -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Takes the same 30 columns as the others and uses two of them."""
    chosen = ColumnTransformer([("chosen", StandardScaler(), WEAK_COLUMNS)])
    return make_pipeline(chosen, LogisticRegression(random_state=SEED))


def better() -> Any:  # noqa: ANN401
    return make_pipeline(StandardScaler(), LogisticRegression(random_state=SEED))


def other() -> Any:  # noqa: ANN401
    """As good as `better` by another way."""
    reduced = PCA(n_components=COMPONENTS, svd_solver="full", random_state=SEED)
    return make_pipeline(StandardScaler(), reduced, LogisticRegression(random_state=SEED))
