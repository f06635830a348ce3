"""Where models come from: an address becomes a file on this machine, checked.

One function per kind of address; what it returns is a path, and the digest of what lies there. Folders and archives
(bundles) are opened between fetching and loading, so nothing here looks inside a file.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelserver import objects
from modelserver.download import Limits, download
from modelserver.failures import Cause, StartError
from modelserver.manifest import MANIFEST
from modelserver.settings import Settings


@dataclass(frozen=True, slots=True)
class Fetched:
    """An artifact on this machine."""

    path: Path
    name: str
    """The last part of the address; its suffix tells the format."""
    digest: str
    """ "sha256:" and the hexadecimal digest of the bytes; of a folder, those of its manifest, which has the model's."""


def fetch(settings: Settings) -> Fetched:
    """Bring the model here and check it.

    Raises:
        StartError: the model is not there, too large, or not the one that MODEL_SHA256 promises.
    """
    path, name = _locate(settings)
    fetched = Fetched(path, name, f"sha256:{_sha256(path / MANIFEST if path.is_dir() else path)}")
    if settings.sha256 and fetched.digest != f"sha256:{settings.sha256}":
        raise StartError(
            Cause.CHECKSUM_MISMATCH,
            f"{settings.uri} has sha256 {fetched.digest.removeprefix('sha256:')}, the spec asks for {settings.sha256}",
        )
    return fetched


def _locate(settings: Settings) -> tuple[Path, str]:
    address = urlsplit(settings.uri)
    if address.scheme in {"http", "https"}:
        limits = Limits(max_bytes=settings.max_bytes, folder=settings.cache_dir)
        return download(settings.uri, limits), Path(unquote(address.path)).name
    if address.scheme in {"s3", "gs"}:
        limits = Limits(max_bytes=settings.max_bytes, folder=settings.cache_dir)
        remote = objects.locate(settings.uri, os.environ)
        return download(remote.url, limits, remote.signer), Path(unquote(address.path)).name
    if address.scheme == "file":
        return _local(settings, Path(unquote(address.path)))
    if address.scheme == "":
        return _local(settings, Path(settings.uri))
    raise StartError(
        Cause.BAD_SETTING,
        f'"{settings.uri}" has the scheme {address.scheme}, which this image does not serve; '
        "use a path, file://, http://, https://, s3:// or gs://",
    )


def _local(settings: Settings, path: Path) -> tuple[Path, str]:
    if path.is_dir():
        if (path / MANIFEST).is_file():
            return path, path.name
        raise StartError(Cause.UNREADABLE_MODEL, f"{path} is a folder without a {MANIFEST}; name the model file in it")
    if not path.is_file():
        raise StartError(Cause.MODEL_NOT_FOUND, f"there is no file {path}; is the volume mounted?")
    size = path.stat().st_size
    if size > settings.max_bytes:
        raise StartError(Cause.TOO_LARGE, f"{path} has {size} bytes, at most {settings.max_bytes} are loaded")
    return path, path.name


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StartError(Cause.UNREADABLE_MODEL, f"{path} cannot be read: {error.strerror}") from error
