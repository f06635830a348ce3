"""What people save from a notebook: an estimator, or a dictionary around one whose keys are each used or refused.

What is used: `model`; `scaler`, through which rows go first; `feature_columns`; `label_encoder`, which turns the
model's numbers back into the labels it was made of; `threshold`, the probability of the second class from which on it
is answered; `version`; `golden_rows` and `warmup_seconds`. Keys that only describe the model change no answer, and are
named when it is loaded. Nothing else is dropped in silence: it is refused by its name, with what to do instead.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelserver.failures import Cause, StartError

USED = frozenset({
    "model", "scaler", "feature_columns", "label_encoder", "threshold", "version", "golden_rows", "warmup_seconds",
})  # fmt: skip
DESCRIBING = frozenset({
    "author", "created_at", "date", "description", "metrics", "model_name", "model_type", "name", "notes",
    "python_version", "sklearn_version", "timestamp", "trained_at", "training_date",
})  # fmt: skip
REMEDIES: Mapping[str, str] = {
    **dict.fromkeys(
        ("calibrator", "calibration", "calibrated_model"),
        "calibrate the model itself (CalibratedClassifierCV around FrozenEstimator) and save that as model",
    ),
    **dict.fromkeys(
        ("encoder", "imputer", "pca", "preprocessing", "preprocessor", "selector", "transformer", "vectorizer"),
        "save it with the model as one Pipeline",
    ),
    **dict.fromkeys(("target_scaler", "y_scaler"), "save a TransformedTargetRegressor around the model"),
    **dict.fromkeys(("columns", "feature_names", "feature_order", "features"), "call it feature_columns"),
    **dict.fromkeys(("classifier", "clf", "estimator", "pipeline", "regressor"), "call it model"),
    **dict.fromkeys(("class_names", "classes", "labels", "target_names"), "save the LabelEncoder as label_encoder"),
}
BINARY = 2
MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Whole:
    """A fitted estimator with all that its artefact says of it."""

    estimator: Any
    """What is asked: the model, behind its scaler where there is one."""
    label_encoder: Any = None
    threshold: float | None = None
    columns: tuple[str, ...] = ()
    """Empty where nobody wrote them down."""
    version: str | None = None
    golden_rows: tuple[tuple[float, ...], ...] = ()
    warm_up_seconds: float = 0.0
    describing: tuple[str, ...] = ()
    """Keys that only describe the model."""

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that the estimator was fitted with; empty where it was fitted with an array."""
        return tuple(map(str, getattr(self.estimator, "feature_names_in_", ())))

    @property
    def width(self) -> int | None:
        """Columns that the estimator takes; as many as are listed where it does not say, None where nobody does."""
        found = getattr(self.estimator, "n_features_in_", None)
        return int(found) if found is not None else len(self.columns) or None


def whole(loaded: Any) -> Whole:  # noqa: ANN401 - whatever was in the file
    """Read what was in a file.

    Raises:
        StartError: it holds no fitted estimator, or something that would have to be left out.
    """
    held: Mapping[Any, Any] = loaded if isinstance(loaded, Mapping) else {"model": loaded}
    estimator = held.get("model")
    if "model" in held and not callable(getattr(estimator, "predict", None)):
        raise _refused(
            f"the file holds {_kind(estimator)}, which has no predict; it has to be a fitted estimator, or a "
            "dictionary {model, scaler, feature_columns, version} around one"
        )
    there = [key for key, value in held.items() if value is not None]
    unknown = [key for key in there if key not in USED | DESCRIBING]
    if "model" not in held:
        said = f": it has {_listed(unknown)}" if unknown else ""
        hint = next((f'; "{key}": {REMEDIES[key]}' for key in unknown if key in REMEDIES), "")
        raise _refused(f"the file holds no fitted estimator, nor a dictionary with a model{said}{hint}")
    if unknown:
        said = REMEDIES.get(unknown[0], "leave it out of what you save, or put what it does into the model")
        raise _refused(
            f'the artefact holds "{str(unknown[0])[:MOST_SHOWN]}", which is not used here and would be dropped; {said}'
        )
    return _checked(held, estimator, tuple(key for key in there if key in DESCRIBING))


def _checked(held: Mapping[Any, Any], estimator: Any, describing: tuple[str, ...]) -> Whole:  # noqa: ANN401
    encoder, threshold = held.get("label_encoder"), held.get("threshold")
    found = Whole(
        _behind(held.get("scaler"), estimator),
        encoder,
        None if threshold is None else _threshold(threshold),
        _names(held.get("feature_columns")),
        None if held.get("version") is None else str(held["version"]),
        _rows(held.get("golden_rows")),
        _seconds(held.get("warmup_seconds")),
        describing,
    )
    classes = getattr(estimator, "classes_", None)
    if encoder is not None and (type(encoder).__name__ != "LabelEncoder" or not hasattr(encoder, "classes_")):
        raise _refused(f"label_encoder is {_kind(encoder)}, not a fitted LabelEncoder")
    if encoder is not None and (classes is None or np.ndim(classes[0])):
        raise _refused("the artefact holds a label_encoder, and its model answers no classes that it could be for")
    if encoder is not None and not set(np.asarray(classes).tolist()) <= set(range(len(encoder.classes_))):
        raise _refused("the label_encoder does not know the classes that the model answers")
    if found.threshold is not None and not (
        classes is not None and len(classes) == BINARY and callable(getattr(estimator, "predict_proba", None))
    ):
        raise _refused("the artefact holds a threshold, which is for a model of two classes with predict_proba")
    return found


def _behind(scaler: Any, estimator: Any) -> Any:  # noqa: ANN401
    if scaler is None:
        return estimator
    from sklearn.pipeline import Pipeline  # noqa: PLC0415 - an ONNX model must not pay for it

    if not callable(getattr(scaler, "transform", None)):
        raise _refused(f"scaler is {_kind(scaler)}, which has no transform")
    return Pipeline([("scaler", scaler), ("model", estimator)])


def _threshold(given: Any) -> float:  # noqa: ANN401
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not 0 <= float(given) <= 1:
        raise _refused(f"threshold is {str(given)[:MOST_SHOWN]}, not a probability")
    return float(given)


def _names(given: Any) -> tuple[str, ...]:  # noqa: ANN401
    if given is None:
        return ()
    if isinstance(given, str) or not (isinstance(given, Sequence) or hasattr(given, "tolist")):
        raise _refused(f"feature_columns is {_kind(given)}, not a list of names")
    names = tuple(map(str, given))
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _refused(f'feature_columns names "{twice[:MOST_SHOWN]}" twice')
    return names


def _rows(given: Any) -> tuple[tuple[float, ...], ...]:  # noqa: ANN401
    try:
        return tuple(tuple(map(float, row)) for row in (() if given is None else given))
    except (TypeError, ValueError):
        raise _refused("golden_rows are not rows of numbers") from None


def _seconds(given: Any) -> float:  # noqa: ANN401
    try:
        found = float(given or 0.0)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 <= found < math.inf:
        raise _refused(f"warmup_seconds is {str(given)[:MOST_SHOWN]}, not a number of seconds")
    return found


def _kind(given: Any) -> str:  # noqa: ANN401
    return f"{'an' if type(given).__name__[0] in 'aeiou' else 'a'} {type(given).__name__}"


def _listed(keys: Sequence[Any]) -> str:
    return ", ".join(f'"{str(key)[:MOST_SHOWN]}"' for key in keys[:5])


def _refused(sentence: str) -> StartError:
    return StartError(Cause.UNREADABLE_MODEL, sentence)
