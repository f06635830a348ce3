"""Where models come from: an address becomes a file on this machine, checked.

One function per kind of address; what it returns is a path, and the digest of what lies there. Folders and archives
(bundles) are opened between fetching and loading, so nothing here looks inside a file.
"""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelserver import cache, objects, registered
from modelserver.download import Limits, download
from modelserver.failures import Cause, StartError
from modelserver.manifest import MANIFEST
from modelserver.objects import Remote
from modelserver.settings import Settings

logger = logging.getLogger(__name__)

SMALL = 1024 * 1024
"""Most bytes of what a registry says about a model."""


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
    if address.scheme in {"http", "https", "s3", "gs"}:
        return _downloaded(settings, settings.uri)
    if address.scheme == "models":
        return _registered(settings)
    if address.scheme == "file":
        return _local(settings, Path(unquote(address.path)))
    if address.scheme == "":
        return _local(settings, Path(settings.uri))
    raise StartError(
        Cause.BAD_SETTING,
        f'"{settings.uri}" has the scheme {address.scheme}, which this image does not serve; '
        "use a path, file://, http://, https://, s3://, gs:// or models:/",
    )


def _registered(settings: Settings) -> tuple[Path, str]:
    place = registered.model_file(settings.uri, os.environ, _read)
    logger.info("%s is %s", settings.uri, place.url)
    return _downloaded(settings, place.url, is_proxied=place.is_proxied)


def _read(place: registered.Place) -> bytes:
    path = _download(_remote(place.url, is_proxied=place.is_proxied), Limits(max_bytes=SMALL))
    body = path.read_bytes()
    with suppress(OSError):  # it may be in memory only
        path.unlink()
    return body


def _downloaded(settings: Settings, uri: str, *, is_proxied: bool = False) -> tuple[Path, str]:
    remote, limits = _remote(uri, is_proxied=is_proxied), Limits(max_bytes=settings.max_bytes)
    name, folder = Path(unquote(urlsplit(uri).path)).name, cache.usable(settings.cache_dir)
    if not settings.sha256 or folder is None:
        return _download(remote, limits), name
    try:
        kept = cache.shared(folder, settings.sha256, uri, lambda path: _download(remote, replace(limits, path=path)))
    except OSError as error:
        logger.warning("the cache %s cannot be used: %s", folder, error.strerror)
        return _download(remote, limits), name
    return kept, name


def _download(remote: Remote, limits: Limits) -> Path:
    return download(remote.url, limits, remote.signer)


def _remote(uri: str, *, is_proxied: bool) -> Remote:
    if is_proxied:
        return Remote(uri, registered.credentials(os.environ))
    return objects.locate(uri, os.environ) if urlsplit(uri).scheme in {"s3", "gs"} else Remote(uri)


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
        return cache.sha256_of(path)
    except OSError as error:
        raise StartError(Cause.UNREADABLE_MODEL, f"{path} cannot be read: {error.strerror}") from error
