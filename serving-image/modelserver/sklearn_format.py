"""scikit-learn models from skops files, and from pickles where those are trusted.

The file holds an estimator, or a dictionary {model, feature_columns, golden_rows, warmup_seconds} around one.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelserver.failures import Cause, StartError
from modelserver.forests import Numbers, trees_of
from modelserver.models import Artifact, Label, Metadata, Rows, Scores


class SklearnModel:
    dtype: type[np.floating] = np.float64
    rows_at_once: int | None = None

    def __init__(self, estimator: Any) -> None:  # noqa: ANN401 - scikit-learn has no types
        self._classes: list[Label] = _classes(estimator)
        self._probabilities = getattr(estimator, "predict_proba", None) if self._classes else None
        self._values = estimator.predict
        self._quicken(estimator)

    def predict(self, rows: Rows) -> Scores:
        if self._probabilities is None:
            return Scores(self._values(rows).tolist())
        probabilities = self._probabilities(rows)
        labels = [self._classes[i] for i in probabilities.argmax(axis=1)]
        return Scores(labels, probabilities.tolist())

    def _quicken(self, estimator: Any) -> None:  # noqa: ANN401
        """Ask the trees of a forest, alone or at the end of a pipeline, in a quicker way where there is one."""
        steps = getattr(estimator, "steps", None)
        trees = trees_of(steps[-1][1] if steps else estimator)
        if trees is None:
            return
        before = estimator[:-1].transform if steps and len(steps) > 1 else None

        def ask(rows: Rows) -> Numbers:
            return trees.mean(before(rows) if before else rows)

        if self._probabilities is None:
            self._values = ask
        else:
            self._probabilities = ask


def load_skops(path: Path, trusted: Sequence[str]) -> Artifact:
    """Load a skops file; types that skops does not know by itself have to be named in `trusted`.

    Raises:
        StartError: the file is broken, needs a missing module, or holds a type that is not trusted.
    """
    import skops.io  # noqa: PLC0415 - an ONNX model must not pay for it
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415

    try:
        return _artifact(skops.io.load(path, trusted=list(trusted)), "skops")
    except UntrustedTypesFoundException as error:
        raise StartError(
            Cause.UNTRUSTED_MODEL,
            f"{_one_line(error)} Name them in spec.model.trust only if you know who made the file",
        ) from error
    except ImportError as error:
        raise _missing(error) from error
    except StartError:
        raise
    except Exception as error:
        raise StartError(Cause.UNREADABLE_MODEL, f"skops cannot load it: {_one_line(error)}") from error


def load_pickle(path: Path) -> Artifact:
    """Load a joblib or pickle file, which runs whatever code is in it.

    Raises:
        StartError: the file is broken or needs a missing module.
    """
    import joblib  # noqa: PLC0415

    try:
        return _artifact(joblib.load(path), "pickle")
    except ImportError as error:
        raise _missing(error) from error
    except StartError:
        raise
    except Exception as error:
        raise StartError(Cause.UNREADABLE_MODEL, f"joblib cannot load it: {_one_line(error)}") from error


def _artifact(loaded: Any, kind: str) -> Artifact:  # noqa: ANN401
    import sklearn  # noqa: PLC0415 - loaded with the estimator already

    wrapped: Mapping[str, Any] = loaded if isinstance(loaded, Mapping) else {"model": loaded}
    estimator = wrapped.get("model")
    if not hasattr(estimator, "predict"):
        raise StartError(Cause.UNREADABLE_MODEL, "the file holds no fitted estimator, nor a dictionary with a model")
    width = getattr(estimator, "n_features_in_", None)
    if width is None:
        raise StartError(Cause.UNREADABLE_MODEL, "the estimator is not fitted: it has no n_features_in_")
    own = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
    columns = tuple(map(str, wrapped.get("feature_columns", own)))
    _check_names(columns, own)
    metadata = Metadata(
        columns=columns,
        classes=tuple(_classes(estimator)),
        golden_rows=tuple(tuple(map(float, row)) for row in wrapped.get("golden_rows", ())),
        warm_up_seconds=float(wrapped.get("warmup_seconds", 0.0)),
    )
    # Rows have been found finite, each number by itself, when their request was read.
    sklearn.set_config(assume_finite=True)
    # Rows come as arrays in the order of the names, which scikit-learn would point out for every request.
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    return Artifact(SklearnModel(estimator), int(width), kind, metadata)


def _check_names(listed: Sequence[str], own: Sequence[str]) -> None:
    """The artifact's columns and those the estimator was fitted with; another number is told apart later."""
    for number, (name, other) in enumerate(zip(listed, own, strict=False)):
        if name != other and len(listed) == len(own):
            raise StartError(
                Cause.FEATURE_MISMATCH,
                f'column {number} is "{name[:50]}" in the artifact and "{other[:50]}" in its estimator',
            )


def _classes(estimator: Any) -> list[Label]:  # noqa: ANN401
    classes = getattr(estimator, "classes_", None)
    return [] if classes is None else np.asarray(classes).tolist()


def _missing(error: ImportError) -> StartError:
    return StartError(
        Cause.MISSING_DEPENDENCY, f"the model needs the Python module {error.name}, which this image does not have"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
