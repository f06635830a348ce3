"""A folder that pods of a node share: each artefact is downloaded once, under the name of its checksum.

Only what a spec pins by sha256 is shared, since only that can be checked. One process downloads while the others wait
for its lock, which ends with the process. What is there is checked on each use, whoever has put it there: a file that
does not have its checksum is replaced. A file appears whole, by a rename. Any file may be removed at any time.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from modelserver.failures import Cause, StartError

logger = logging.getLogger(__name__)

Fetch = Callable[[Path], object]
"""Downloads into a new file at this path."""


def shared(folder: Path, sha256: str, uri: str, fetch: Fetch) -> Path:
    """The file with this checksum, downloaded from the address where it is not there yet.

    Raises:
        StartError: it cannot be downloaded, or is not the one that was promised.
        OSError: the folder cannot be used.
    """
    kept = folder / sha256
    with _locked(folder / f"{sha256}.lock"):
        if _has(kept, sha256):
            logger.info("found %s in the cache", kept)
            return kept
        part = folder / f"{sha256}.part"
        part.unlink(missing_ok=True)  # of a process that was killed
        try:
            fetch(part)
            _check(part, sha256, uri)
            part.replace(kept)
        finally:
            part.unlink(missing_ok=True)
    return kept


def usable(folder: Path | None) -> Path | None:
    """The folder, where files can be written to it; without it everybody downloads for himself."""
    if folder is None or os.access(folder, os.W_OK | os.X_OK):
        return folder
    logger.warning("the cache %s is not there or cannot be written: the model is downloaded for this pod alone", folder)
    return None


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _has(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    if sha256_of(path) == sha256:
        return True
    logger.warning("%s does not have its checksum: it is downloaded again", path)
    return False


def _check(path: Path, sha256: str, uri: str) -> None:
    found = sha256_of(path)
    if found != sha256:
        raise StartError(Cause.CHECKSUM_MISMATCH, f"{uri} has sha256 {found}, the spec asks for {sha256}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
