"""A bundle's files as a folder or as an archive; the same files give the same bytes, so the same digest."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from modelserver.archives import SUFFIXES
from modelserver.making.inputs import Unusable
from modelserver.manifest import MANIFEST

READABLE = 0o644


def check_free(path: Path) -> None:
    """Refuse to write over something.

    Raises:
        Unusable: it is there already, or its folder is not.
    """
    if path.exists():
        raise Unusable(f"{path} is there already; name another --out, or remove it")
    if not path.absolute().parent.is_dir():
        raise Unusable(f"there is no folder {path.absolute().parent} to write to")


def pack(files: Mapping[str, bytes], path: Path) -> None:
    """Write the files: as an archive where the path ends like one, else as a folder."""
    if not path.name.endswith(SUFFIXES):
        path.mkdir()
        for name, content in files.items():
            (path / name).write_bytes(content)
        return
    packed = _tar(files)
    path.write_bytes(packed if path.suffix == ".tar" else gzip.compress(packed, mtime=0))


def digest(path: Path) -> str:
    """What `model.sha256` of a ModelRollout asks for: of the archive, or of a folder's manifest."""
    return hashlib.sha256((path / MANIFEST if path.is_dir() else path).read_bytes()).hexdigest()


def _tar(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), READABLE
            tar.addfile(member, io.BytesIO(content))
    return target.getvalue()
