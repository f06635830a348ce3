"""Which types in a skops file need no word of the user: those of scikit-learn, numpy and scipy that only compute.

skops rebuilds an object by finding a class by its name and handing it its state; a function is found by its name and
called later. So what is trusted here is a class that scikit-learn defines (not one of its tests and data sets, which
read and write files), or one of a few functions that only compute. scipy's distributions are not: they run text that is
in their state. Everything else is for `spec.model.trust`.
"""

import importlib
from collections.abc import Sequence

COMPUTE = ("sklearn.metrics.", "sklearn.feature_selection.", "sklearn.cluster._kmeans.")
"""Where scikit-learn's functions do nothing but compute."""
NOT_OWN = (
    "sklearn.conftest",
    "sklearn.datasets",
    "sklearn.externals",
    "sklearn.utils._test",
    "sklearn.utils.estimator_checks",
)
NAMED = frozenset({
    "numpy.dtype", "numpy.max", "numpy.mean", "numpy.median", "numpy.min", "numpy.sum",
    "scipy.interpolate._bsplines.BSpline", "scipy.interpolate._interpolate.interp1d",
    *(f"scipy.sparse._{kind}.{kind}_{one}" for kind in ("bsr", "csc", "csr") for one in ("array", "matrix")),
})  # fmt: skip


def foreign(names: Sequence[str]) -> list[str]:
    """Those of the names that the user has to trust."""
    return sorted(name for name in names if not is_own(name))


def is_own(name: str) -> bool:
    """Whether a type needs no word of the user."""
    if name in NAMED:
        return True
    if not name.startswith("sklearn.") or not _is_own_module(name):
        return False
    module, _, called = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), called, None)
    except ImportError:
        return False
    home = f"{getattr(found, '__module__', None) or ''}."
    if isinstance(found, type):
        return home.startswith("sklearn.") and _is_own_module(home)
    return callable(found) and home.startswith(COMPUTE)


def _is_own_module(name: str) -> bool:
    return not name.startswith(NOT_OWN) and ".tests." not in name
