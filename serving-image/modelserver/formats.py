"""Which loader a file gets: by its suffix, else by its first bytes. A loader is imported only when it is needed.

A bundle (a folder or an archive with a manifest) has been opened before: what comes here is the model's own file.
"""

import logging
import zipfile
from collections.abc import Sequence

from modelserver.failures import Cause, StartError
from modelserver.models import Artifact, check_columns
from modelserver.sources import Fetched

logger = logging.getLogger(__name__)

PICKLES = (".joblib", ".pkl", ".pickle")
PICKLE_MAGIC = b"\x80"


def load(fetched: Fetched, trust: Sequence[str], known: Sequence[Sequence[float]] = ()) -> Artifact:
    """Load a fetched artifact, try it on rows that it is known to answer, and check its columns against its model.

    Raises:
        StartError: it cannot be loaded, may not be, or contradicts itself.
    """
    return check_columns(_load(fetched, trust, known))


def _load(fetched: Fetched, trust: Sequence[str], known: Sequence[Sequence[float]]) -> Artifact:
    match kind_of(fetched):
        case "onnx":
            from modelserver import onnx_format  # noqa: PLC0415 - onnxruntime is for ONNX models only

            return onnx_format.load(fetched.path, known)
        case "skops":
            from modelserver import sklearn_format  # noqa: PLC0415 - scikit-learn is for its own models only

            return sklearn_format.load_skops(fetched.path, [name for name in trust if name != "pickle"], known)
        case _:
            return _load_pickle(fetched, trust, known)


def _load_pickle(fetched: Fetched, trust: Sequence[str], known: Sequence[Sequence[float]]) -> Artifact:
    if "pickle" not in trust:
        raise StartError(
            Cause.UNTRUSTED_MODEL,
            f"{fetched.name} is a pickle, which runs any code in it when loaded; "
            "save the model with skops or as ONNX, or set trust: pickle if you know who made it",
        )
    logger.warning("loading %s as a pickle because it is trusted: any code in it runs now", fetched.name)
    from modelserver import sklearn_format  # noqa: PLC0415

    return sklearn_format.load_pickle(fetched.path, known)


def kind_of(fetched: Fetched) -> str:
    """The format: onnx, skops or pickle.

    Raises:
        StartError: it is none of them.
    """
    name = fetched.name.lower()
    if name.endswith((".onnx", ".skops")):
        return name.rpartition(".")[2]
    if name.endswith(PICKLES):
        return "pickle"
    return _format_by_content(fetched)


def _format_by_content(fetched: Fetched) -> str:
    if zipfile.is_zipfile(fetched.path):
        return "skops"
    with fetched.path.open("rb") as file:
        first = file.read(2)
    if first.startswith(PICKLE_MAGIC):
        return "pickle"
    if first.startswith(b"\x08"):  # ONNX begins with field 1 of its protobuf, ir_version
        return "onnx"
    raise StartError(
        Cause.UNREADABLE_MODEL,
        f"{fetched.name} is neither skops (.skops) nor ONNX (.onnx), nor a pickle (.joblib, .pkl)",
    )
