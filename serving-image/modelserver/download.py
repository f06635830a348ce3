"""Models over http and https, so from s3 and gs too: resumed where cut off, capped in size, tried again while it helps.

A redirect may not leave the scheme it came from (https never becomes http, nothing becomes a file). A 4xx is final;
a connection that breaks, a time-out and a 5xx are tried again.
"""

import http.client
import logging
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from modelserver.failures import Cause, StartError
from modelserver.objects import Remote
from modelserver.signatures import Signing

logger = logging.getLogger(__name__)

CHUNK = 1024 * 1024
TIMEOUT_S = 20.0
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Waits between tries; a try that brought bytes starts them anew."""

OK, PARTIAL, RANGE_NOT_SATISFIABLE = 200, 206, 416
SERVER_ERROR = 500
TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Limits:
    max_bytes: int
    folder: Path | None = None
    """Where a file of its own is made; the system's temporary folder where it is left out."""
    path: Path | None = None
    """The file to make, which may not be there yet; it counts before the folder."""
    pauses_s: tuple[float, ...] = PAUSES_S
    sleep: Callable[[float], None] = time.sleep


class _SameScheme(urllib.request.HTTPRedirectHandler):
    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:  # noqa: ANN401
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError:  # an address that is none
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req: urllib.request.Request, *rest: Any) -> urllib.request.Request | None:  # noqa: ANN401
        target: str = rest[-1]
        if urlsplit(target).scheme != urlsplit(req.full_url).scheme:
            rest[0].close()
            raise StartError(Cause.DOWNLOAD_FAILED, f"{req.full_url} redirects to another scheme: {target}")
        return super().redirect_request(req, *rest)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed request goes nowhere else: its headers are credentials."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
        """Let the redirect be the answer."""


class _CutOffError(Exception):
    """The try failed in a way that another one may not."""


@dataclass(slots=True)
class _Progress:
    """What has arrived so far, and which version of the file it belongs to."""

    file: IO[bytes]
    received: int = 0
    version: str | None = None
    """A strong ETag or Last-Modified: only with one can a cut download go on where it stopped."""

    def restart(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.received = 0


def download(url: str, limits: Limits, signer: Signing | None = None) -> Path:
    """Fetch the address into a file of its own and return its path; with a signer, every request is signed.

    Raises:
        StartError: not found, refused, too large, or cut off once more after all the pauses.
    """
    path, file = _target(limits)
    with file:
        progress = _Progress(file)
        pauses = list(limits.pauses_s)
        while True:
            before = progress.received
            try:
                _try(Remote(url, signer), progress, limits.max_bytes)
            except _CutOffError as cut:
                if progress.received > before:
                    pauses = list(limits.pauses_s)
                if not pauses:
                    raise StartError(Cause.DOWNLOAD_FAILED, f"{url}: {cut}") from None
                logger.warning("download of %s: %s; %d bytes so far, trying again", url, cut, progress.received)
                limits.sleep(pauses.pop(0))
            else:
                logger.info("downloaded %s: %d bytes", url, progress.received)
                return path


def _target(limits: Limits) -> tuple[Path, IO[bytes]]:
    if limits.path is not None:
        return limits.path, limits.path.open("xb")
    return new_file(limits.folder)


def new_file(folder: Path | None) -> tuple[Path, IO[bytes]]:
    """A file to write to, and its path: in the folder (else a temporary one), or in memory where that is read-only."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="model-", dir=folder)
    except OSError:
        # A read-only root without a writable /tmp: memory will hold the model anyway.
        descriptor = os.memfd_create("model", 0)
        return Path(f"/proc/self/fd/{os.dup(descriptor)}"), os.fdopen(descriptor, "wb")
    return Path(name), os.fdopen(descriptor, "wb")


def _try(remote: Remote, progress: _Progress, max_bytes: int) -> None:
    url = remote.url
    try:
        with _open(remote, progress) as response:
            _receive(url, response, progress, max_bytes)
    except urllib.error.HTTPError as error:
        _judge_status(url, error, progress)
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and time-outs are OSErrors
        reason = getattr(error, "reason", None) or error
        raise _CutOffError(f"{reason}") from error


def _open(remote: Remote, progress: _Progress) -> Any:  # noqa: ANN401 - urllib's own type
    headers = {"Accept-Encoding": "identity"}
    if remote.signer:
        headers |= remote.signer.headers(remote.url, datetime.now(UTC))
    request = urllib.request.Request(remote.url, headers=headers)  # noqa: S310 - http(s) by sources
    if progress.received and progress.version:
        request.add_header("Range", f"bytes={progress.received}-")
        request.add_header("If-Range", progress.version)
    redirects = NoRedirect if remote.signer else _SameScheme
    return urllib.request.build_opener(redirects).open(request, timeout=TIMEOUT_S)


def _receive(url: str, response: Any, progress: _Progress, max_bytes: int) -> None:  # noqa: ANN401
    if response.status == OK:
        progress.restart()
    progress.version = _version(response)
    announced = response.headers.get("Content-Length", "")
    expected = progress.received + int(announced) if announced.isascii() and announced.isdecimal() else None
    _check_size(url, expected or 0, max_bytes)
    while chunk := response.read(CHUNK):
        progress.received += len(chunk)
        _check_size(url, progress.received, max_bytes)
        progress.file.write(chunk)
    if expected is not None and progress.received < expected:
        raise _CutOffError(f"cut off after {progress.received} of {expected} bytes")


def _check_size(url: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise StartError(Cause.TOO_LARGE, f"{url} has more than {max_bytes} bytes")


def _version(response: Any) -> str | None:  # noqa: ANN401
    tag = response.headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return str(tag)
    changed = response.headers.get("Last-Modified")
    return str(changed) if changed else None


def _judge_status(url: str, error: urllib.error.HTTPError, progress: _Progress) -> None:
    error.close()
    if error.code == RANGE_NOT_SATISFIABLE:
        progress.restart()
        raise _CutOffError("the server could not resume")
    if error.code in {404, 410}:
        raise StartError(Cause.MODEL_NOT_FOUND, f"{url} answers {error.code} {error.reason}")
    if error.code >= SERVER_ERROR or error.code == TOO_MANY_REQUESTS:
        raise _CutOffError(f"{error.code} {error.reason}")
    raise StartError(Cause.DOWNLOAD_FAILED, f"{url} answers {error.code} {error.reason}")
