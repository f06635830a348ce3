"""What a bundle is made of: a model file, and how its model answers when nobody has touched it.

A dictionary {model, scaler, feature_columns, version} becomes one pipeline; its original answers are still those of
the two parts, one after the other, so that the two can be compared.
"""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelserver import formats
from modelserver.artefacts import Whole, whole
from modelserver.failures import StartError
from modelserver.labels import labels_of, scores_of, shares_of
from modelserver.making.inputs import Unusable
from modelserver.models import Model, Rows, Scores
from modelserver.sklearn_format import read_pickle, read_skops
from modelserver.sources import Fetched
from modelserver.trusted import foreign


@dataclass(frozen=True, slots=True)
class Original:
    """A model that somebody made, and the file that goes into its bundle."""

    model: Model
    width: int
    classes: Any
    """As scikit-learn has them in classes_; None where it has none."""
    columns: tuple[str, ...]
    """Its own names; empty where it has none."""
    file: str
    """Name of the model's file in the bundle; its suffix tells the format."""
    content: bytes
    trust: tuple[str, ...] = ()
    """Types that the server loads only when it is told to."""
    version: str | None = None
    notes: tuple[str, ...] = ()
    """What was in the file and is not in the bundle, for people."""


class Plain:
    """An artefact's parts as a notebook runs them, one after the other."""

    dtype: type[np.floating] = np.float64
    rows_at_once: int | None = None

    def __init__(self, held: Mapping[str, Any]) -> None:
        self._estimator, self._scaler = held["model"], held.get("scaler")
        self._encoder, self._threshold = held.get("label_encoder"), held.get("threshold")

    def predict(self, rows: Rows) -> Scores:
        import sklearn  # noqa: PLC0415 - an ONNX model must not pay for it

        estimator = self._estimator
        with warnings.catch_warnings(), sklearn.config_context(assume_finite=False):
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            taken = self._scaler.transform(rows) if self._scaler is not None else rows
            gives_shares = callable(getattr(estimator, "predict_proba", None))
            shares = shares_of(estimator.predict_proba(taken)) if gives_shares else None
            found = labels_of(estimator.predict(taken))
        if self._threshold is not None and shares is not None:
            found = np.where(shares[:, 1] >= self._threshold, estimator.classes_[1], estimator.classes_[0])
        return scores_of(self._encoder.inverse_transform(found) if self._encoder is not None else found, shares)


def original(path: Path, trust: tuple[str, ...]) -> Original:
    """Read a model file of any format; a pickle runs whatever code is in it.

    Raises:
        Unusable: it cannot be read, or holds nothing that is served.
    """
    if not path.is_file():
        raise Unusable(f"there is no file {path}")
    kind = formats.kind_of(Fetched(path, path.name, ""))
    if kind == "onnx":
        return _onnx(path)
    try:
        return of_estimator(read_pickle(path) if kind == "pickle" else read_skops(path, trust))
    except (Unusable, StartError) as error:
        raise Unusable(f"{path}: {_sentence(error)}") from None


def of_estimator(loaded: Any) -> Original:  # noqa: ANN401 - whatever was in the file
    """A fitted estimator, or a dictionary {model, scaler, feature_columns, version} around one.

    Raises:
        Unusable: there is no fitted estimator in it, or something beside it that would be dropped.
    """
    try:
        held = whole(loaded)
    except StartError as error:
        raise Unusable(_sentence(error)) from None
    if held.width is None:
        raise Unusable("the estimator is not fitted: it has no n_features_in_, and no feature_columns are listed")
    columns = held.columns or held.names
    parts = {"label_encoder": held.label_encoder, "threshold": held.threshold, "feature_columns": list(columns)}
    kept = {name: part for name, part in parts.items() if part is not None and part != []}
    content = _skops({"model": held.estimator, "warmup_seconds": held.warm_up_seconds} | kept)
    given = loaded if isinstance(loaded, Mapping) else {"model": loaded}
    classes = getattr(given["model"], "classes_", None)
    return Original(
        Plain(given),
        held.width,
        held.label_encoder.classes_[np.asarray(classes)] if held.label_encoder is not None else classes,
        columns,
        "model.skops",
        content,
        _foreign(content),
        held.version,
        _notes(held),
    )


def _notes(held: Whole) -> tuple[str, ...]:
    golden = ("its golden_rows are not kept: the bundle's are rows of the sample, with their answers",)
    described = (f"not kept, as it changes no answer: {', '.join(held.describing)}",)
    return (*(golden if held.golden_rows else ()), *(described if held.describing else ()))


def _onnx(path: Path) -> Original:
    try:
        artifact = formats.load(Fetched(path, "model.onnx", ""), ())
    except StartError as error:
        raise Unusable(f"{path}: {error}") from None
    classes, columns = artifact.metadata.classes or None, artifact.metadata.columns
    return Original(artifact.model, artifact.width, classes, columns, "model.onnx", path.read_bytes())


def _skops(content: Mapping[str, Any]) -> bytes:
    import skops.io  # noqa: PLC0415

    target = io.BytesIO()
    skops.io.dump(dict(content), target)
    return target.getvalue()


def _foreign(content: bytes) -> tuple[str, ...]:
    import skops.io  # noqa: PLC0415

    return tuple(foreign(skops.io.get_untrusted_types(data=content)))


def _sentence(error: Exception) -> str:
    """Without the cause before the colon, which is for the rollout's condition."""
    return str(error).partition(": ")[2] if isinstance(error, StartError) else str(error)
