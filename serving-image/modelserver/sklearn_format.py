"""scikit-learn models from skops files, and from pickles where those are trusted.

The file holds an estimator, or a dictionary around one (`artefacts`); `estimators` makes a model of it.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelserver.artefacts import whole
from modelserver.estimators import SklearnModel
from modelserver.failures import Cause, StartError
from modelserver.models import Artifact, Metadata
from modelserver.trusted import foreign

logger = logging.getLogger(__name__)

Known = Sequence[Sequence[float]]
"""Rows that the model is known to answer."""


def load_skops(path: Path, trusted: Sequence[str], known: Known = ()) -> Artifact:
    """Load a skops file; types that are not scikit-learn's own have to be named in `trusted`.

    Raises:
        StartError: see `read_skops` and `artifact`.
    """
    return artifact(read_skops(path, trusted), "skops", known)


def load_pickle(path: Path, known: Known = ()) -> Artifact:
    """Load a joblib or pickle file, which runs whatever code is in it.

    Raises:
        StartError: see `read_pickle` and `artifact`.
    """
    return artifact(read_pickle(path), "pickle", known)


def read_skops(path: Path, trusted: Sequence[str]) -> Any:  # noqa: ANN401 - whatever is in the file
    """What a skops file holds.

    Raises:
        StartError: the file is broken, needs a missing module, or holds a type that is not trusted.
    """
    import skops.io  # noqa: PLC0415 - an ONNX model must not pay for it

    try:
        found = skops.io.get_untrusted_types(file=path)
        unknown = [name for name in foreign(found) if name not in trusted]
        loaded = skops.io.load(path, trusted=found) if not unknown else None
    except ImportError as error:
        raise _missing(error) from error
    except Exception as error:
        raise StartError(Cause.UNREADABLE_MODEL, f"skops cannot load it: {_one_line(error)}") from error
    if unknown:
        raise StartError(
            Cause.UNTRUSTED_MODEL,
            f"it holds types that are not scikit-learn's own: {', '.join(unknown)}. Name them in spec.model.trust only "
            "if you know who made the file",
        )
    return loaded


def read_pickle(path: Path) -> Any:  # noqa: ANN401
    """What a joblib or pickle file holds; whatever code is in it runs.

    Raises:
        StartError: the file is broken or needs a missing module.
    """
    import joblib  # noqa: PLC0415

    try:
        return joblib.load(path)
    except ImportError as error:
        raise _missing(error) from error
    except Exception as error:
        raise StartError(Cause.UNREADABLE_MODEL, f"joblib cannot load it: {_one_line(error)}") from error


def artifact(loaded: Any, kind: str, known: Known) -> Artifact:  # noqa: ANN401 - whatever was in the file
    """What a loaded file is to the server.

    Raises:
        StartError: it holds nothing that is served just as its notebook answers.
    """
    held = whole(loaded)
    if held.describing:
        logger.info("the artefact also says of itself, which changes no answer: %s", ", ".join(held.describing))
    if held.width is None:
        raise StartError(
            Cause.UNREADABLE_MODEL,
            "the estimator is not fitted: it has no n_features_in_, and no feature_columns are listed",
        )
    _check_names(held.columns, held.names)
    model = SklearnModel(held, known or held.golden_rows)
    metadata = Metadata(
        columns=held.columns or held.names,
        classes=model.classes,
        answers=model.answers,
        golden_rows=held.golden_rows,
        answered=tuple(map(tuple, model.tried.rows[:1].tolist())),
        warm_up_seconds=held.warm_up_seconds,
        version=held.version,
    )
    return Artifact(model, held.width, kind, metadata)


def _check_names(listed: Sequence[str], own: Sequence[str]) -> None:
    """The artifact's columns and those the estimator was fitted with; another number is told apart later."""
    for number, (name, other) in enumerate(zip(listed, own, strict=False)):
        if name != other and len(listed) == len(own):
            raise StartError(
                Cause.FEATURE_MISMATCH,
                f'column {number} is "{name[:50]}" in the artifact and "{other[:50]}" in its estimator',
            )


def _missing(error: ImportError) -> StartError:
    return StartError(
        Cause.MISSING_DEPENDENCY, f"the model needs the Python module {error.name}, which this image does not have"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
