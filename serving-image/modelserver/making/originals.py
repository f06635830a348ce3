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
from modelserver.failures import StartError
from modelserver.making.inputs import Unusable
from modelserver.models import Label, Model, Rows, Scores
from modelserver.sources import Fetched


@dataclass(frozen=True, slots=True)
class Original:
    """A model that somebody made, and the file that goes into its bundle."""

    model: Model
    width: int
    classes: tuple[Label, ...]
    columns: tuple[str, ...]
    """Its own names; empty where it has none."""
    file: str
    """Name of the model's file in the bundle; its suffix tells the format."""
    content: bytes
    trust: tuple[str, ...] = ()
    """Types that the server loads only when it is told to."""
    version: str | None = None


class Plain:
    """An estimator as scikit-learn runs it, behind a scaler perhaps."""

    dtype: type[np.floating] = np.float64
    rows_at_once: int | None = None

    def __init__(self, estimator: Any, scaler: Any) -> None:  # noqa: ANN401 - scikit-learn has no types
        self._estimator = estimator
        self._scaler = scaler

    def predict(self, rows: Rows) -> Scores:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            taken = self._scaler.transform(rows) if self._scaler is not None else rows
            shares = self._estimator.predict_proba(taken).tolist() if _gives_shares(self._estimator) else None
            return Scores(np.asarray(self._estimator.predict(taken)).tolist(), shares)


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
        return of_estimator(_unpickled(path) if kind == "pickle" else _from_skops(path, trust))
    except Unusable as error:
        raise Unusable(f"{path}: {error}") from None


def of_estimator(loaded: Any) -> Original:  # noqa: ANN401 - whatever was in the file
    """A fitted estimator, or a dictionary {model, scaler, feature_columns, version} around one.

    Raises:
        Unusable: there is no fitted estimator in it.
    """
    from sklearn.pipeline import Pipeline  # noqa: PLC0415 - an ONNX model must not pay for it

    wrapped: Mapping[str, Any] = loaded if isinstance(loaded, Mapping) else {"model": loaded}
    estimator, scaler = wrapped.get("model"), wrapped.get("scaler")
    whole = Pipeline([("scaler", scaler), ("model", estimator)]) if scaler is not None else estimator
    width = getattr(scaler if scaler is not None else estimator, "n_features_in_", None)
    if not hasattr(estimator, "predict") or width is None:
        raise Unusable("it holds no fitted estimator, nor a dictionary {model, scaler, feature_columns, version}")
    columns = tuple(map(str, wrapped.get("feature_columns", getattr(whole, "feature_names_in_", ()))))
    content = _skops({"model": whole, "feature_columns": list(columns)} if columns else {"model": whole})
    classes = getattr(estimator, "classes_", None)
    version = wrapped.get("version")
    return Original(
        Plain(estimator, scaler),
        int(width),
        tuple(np.asarray(classes).tolist()) if classes is not None else (),
        columns,
        "model.skops",
        content,
        _untrusted(content),
        str(version) if version is not None else None,
    )


def _onnx(path: Path) -> Original:
    try:
        artifact = formats.load(Fetched(path, "model.onnx", ""), ())
    except StartError as error:
        raise Unusable(f"{path}: {error}") from None
    metadata = artifact.metadata
    return Original(artifact.model, artifact.width, metadata.classes, metadata.columns, "model.onnx", path.read_bytes())


def _unpickled(path: Path) -> Any:  # noqa: ANN401
    import joblib  # noqa: PLC0415

    try:
        return joblib.load(path)
    except ImportError as error:
        raise Unusable(f"it needs the Python module {error.name}, which is not installed here") from error
    except Exception as error:
        raise Unusable(f"joblib cannot load it: {' '.join(str(error).split())[:300]}") from error


def _from_skops(path: Path, trust: tuple[str, ...]) -> Any:  # noqa: ANN401
    import skops.io  # noqa: PLC0415

    try:
        return skops.io.load(path, trusted=list(trust))
    except Exception as error:
        raise Unusable(f"skops cannot load it: {' '.join(str(error).split())[:300]}") from error


def _skops(content: Mapping[str, Any]) -> bytes:
    import skops.io  # noqa: PLC0415

    target = io.BytesIO()
    skops.io.dump(dict(content), target)
    return target.getvalue()


def _untrusted(content: bytes) -> tuple[str, ...]:
    import skops.io  # noqa: PLC0415

    return tuple(sorted(skops.io.get_untrusted_types(data=content)))


def _gives_shares(estimator: Any) -> bool:  # noqa: ANN401
    return getattr(estimator, "classes_", None) is not None and hasattr(estimator, "predict_proba")
