"""Why a server cannot start: one sentence that begins with its cause.

The operator shows the sentence in the rollout's condition and takes the words before the colon as the cause, so
they are part of the image's contract. Everything that goes wrong before the pod is ready ends here.
"""

from enum import StrEnum
from pathlib import Path

TERMINATION_LOG = "/dev/termination-log"
"""Where the kubelet looks, unless MODEL_TERMINATION_LOG names another file (settings may be what failed)."""


LONGEST = 2000
"""Characters of a sentence; the kubelet keeps 4096 bytes."""


class Cause(StrEnum):
    BAD_SETTING = "bad setting"
    """An environment variable is missing or cannot be read."""
    PORT_IN_USE = "port in use"
    """Something else in the pod listens where the server should."""
    MODEL_NOT_FOUND = "model not found"
    """The address is well formed and nothing is there."""
    DOWNLOAD_FAILED = "download failed"
    """The source did not answer, cut off for good, or refused us."""
    ACCESS_REFUSED = "access refused"
    """A registry that was asked for an alias does not take the credentials."""
    TOO_LARGE = "model too large"
    """The artifact is larger than MODEL_MAX_BYTES."""
    CHECKSUM_MISMATCH = "checksum mismatch"
    """What was fetched is not what MODEL_SHA256 promises."""
    UNTRUSTED_MODEL = "untrusted model"
    """Loading would run code that MODEL_TRUST does not allow."""
    MISSING_DEPENDENCY = "missing dependency"
    """The model needs a Python module that the image does not have."""
    UNREADABLE_MODEL = "unreadable model"
    """The artifact is broken, or of a kind that is not served."""
    FEATURE_MISMATCH = "feature mismatch"
    """The artifact's columns and the model's own do not agree."""
    LIBRARY_MISMATCH = "library mismatch"
    """The bundle was made with other versions, and MODEL_STRICT_VERSIONS is set."""
    WARM_UP_FAILED = "warm-up failed"
    """The model loads, but its golden rows do not pass."""


class StartError(Exception):
    """The server cannot start; `str()` is the one sentence to show."""

    def __init__(self, cause: Cause, explanation: str) -> None:
        super().__init__(f"{cause}: {_one_line(explanation)}")
        self.cause = cause


def _one_line(text: str) -> str:
    """Without control characters and lone surrogates: some of it may be the words of a registry or a store."""
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text[:LONGEST])
    return shown + "..." if len(text) > LONGEST else shown


def write_last_words(path: Path, sentence: str) -> None:
    """Leave the sentence where the kubelet reads a container's termination message; tolerate that it cannot be."""
    try:
        path.write_text(sentence + "\n", encoding="utf-8")
    except OSError:
        return
