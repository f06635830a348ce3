"""Two files out of a tar archive that nobody has checked, without writing under any name that the archive gives.

Nothing is unpacked: the members are listed, each of them has to be a plain file or folder inside the archive, and
only the ones asked for are copied, to where we say. Sizes are capped before anything is read, of the archive's own
headers too, and of what gzip makes of it.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from modelserver.failures import Cause, StartError
from modelserver.manifest import is_inside

SUFFIXES = (".tar", ".tar.gz", ".tgz")
CHUNK = 1024 * 1024
MAX_MEMBERS = 1000
ROOM = 16 * CHUNK
"""For headers and what else lies beside the model, on top of the largest model."""
GZIP_MAGIC, TAR_MAGIC, TAR_MAGIC_AT = b"\x1f\x8b", b"ustar", 257


class _Capped:
    """The bytes of an archive, as tarfile asks for them; neither too far into it nor too many at once."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file = file
        self._limit = limit

    def read(self, size: int) -> bytes:
        if not 0 <= size <= CHUNK:  # data is copied in chunks, so this is a header, kept in memory whole
            raise tarfile.ReadError("one of its headers is too large")
        self._check(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, position: int) -> int:
        self._check(position)
        return self._file.seek(position)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, position: int) -> None:
        # A reader asks for whole blocks, so it may ask for a little more than there is.
        if position > self._limit + CHUNK:
            raise _TooLargeError


class _TooLargeError(Exception):
    """The archive goes on behind its cap."""


def is_archive(path: Path, name: str) -> bool:
    """Whether this is a tar archive, packed or not, by its name or its first bytes."""
    if name.lower().endswith(SUFFIXES):
        return True
    with path.open("rb") as file:
        first = file.read(TAR_MAGIC_AT + len(TAR_MAGIC))
    return first.startswith(GZIP_MAGIC) or first[TAR_MAGIC_AT:] == TAR_MAGIC


class Archive:
    """An open archive whose members are all in order."""

    def __init__(self, tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], name: str) -> None:
        self._tar = tar
        self._members = members
        self._name = name

    def read(self, member: str, most: int) -> bytes:
        """All of a small member.

        Raises:
            StartError: it is not there, or larger than `most` bytes.
        """
        file = self._open(member)
        content = b"".join(iter(lambda: file.read(CHUNK), b"")) if self._size(member) <= most else None
        if content is None:
            raise StartError(Cause.TOO_LARGE, f"{self._name}: {member} has more than {most} bytes")
        return content

    def copy(self, member: str, target: IO[bytes]) -> None:
        """Write a member's bytes to an open file.

        Raises:
            StartError: it is not there.
        """
        file = self._open(member)
        while chunk := file.read(CHUNK):
            _write(chunk, target, self._name)

    def _size(self, member: str) -> int:
        return self._members[member].size

    def _open(self, member: str) -> IO[bytes]:
        found = self._members.get(member)
        file = self._tar.extractfile(found) if found is not None else None
        if file is None:
            raise StartError(Cause.UNREADABLE_MODEL, f"{self._name} holds no {member}")
        return file


def _write(chunk: bytes, target: IO[bytes], name: str) -> None:
    try:
        target.write(chunk)
    except OSError as error:
        raise StartError(Cause.TOO_LARGE, f"{name} cannot be unpacked: {error.strerror}") from error


@contextmanager
def opened(path: Path, name: str, max_bytes: int) -> Iterator[Archive]:
    """The archive, checked; `max_bytes` is what its largest member may have.

    Raises:
        StartError: it is broken, too large, or holds something else than files and folders inside it.
    """
    try:
        with path.open("rb") as raw, _plain(raw) as file, _tar(_Capped(file, max_bytes + ROOM)) as tar:
            yield Archive(tar, _members(tar, name), name)
    except _TooLargeError:
        raise StartError(
            Cause.TOO_LARGE, f"{name} unpacks to more than MODEL_MAX_BYTES, which is {max_bytes} bytes"
        ) from None
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise StartError(Cause.UNREADABLE_MODEL, f"{name} is no whole tar archive: {error}") from error


def _plain(raw: BinaryIO) -> IO[bytes]:
    packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    raw.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw


def _tar(file: _Capped) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast("IO[bytes]", file), mode="r:")  # it reads, seeks and tells, and does no more


def _members(tar: tarfile.TarFile, name: str) -> dict[str, tarfile.TarInfo]:
    """Files by their path, with `./` in front of it or without."""
    found: dict[str, tarfile.TarInfo] = {}
    for number, member in enumerate(tar):
        if number >= MAX_MEMBERS:
            raise StartError(Cause.TOO_LARGE, f"{name} holds more than {MAX_MEMBERS} files")
        path = member.name.removeprefix("./")
        if member.isdir() and path in {"", "."}:
            continue
        if not is_inside(path):
            raise StartError(Cause.UNREADABLE_MODEL, f'{name} holds "{member.name[:100]}", a path outside the bundle')
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise StartError(Cause.UNREADABLE_MODEL, f'{name}: "{path[:100]}" is neither a file nor a folder')
        if path in found:
            raise StartError(Cause.UNREADABLE_MODEL, f'{name} holds "{path[:100]}" twice')
        if member.isreg():
            found[path] = member
    return found
