"""An image in an archive as `docker save` writes it: its settings and its layers."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True, slots=True)
class ImageArchive:
    """The only image of an archive that is open."""

    archive: tarfile.TarFile
    manifest: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """What the image sets for its processes."""
        settings = json.load(self._file(self.manifest["Config"]))["config"]["Env"]
        return dict(setting.split("=", 1) for setting in settings)

    def layers(self) -> Iterator[IO[bytes]]:
        """Its layers from the bottom up, each a tar file that may be packed."""
        return map(self._file, self.manifest["Layers"])

    def _file(self, name: str) -> IO[bytes]:
        return _file(self.archive, name)


@contextmanager
def opened(path: Path) -> Iterator[ImageArchive]:
    """The image in an archive, while the block runs.

    Raises:
        ValueError: a file that the archive names is not in it.
    """
    with tarfile.open(path) as archive:
        yield ImageArchive(archive, json.load(_file(archive, "manifest.json"))[0])


def _file(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        found = archive.extractfile(name)
    except KeyError:
        found = None
    if found is None:
        raise ValueError(f"the image has no file {name}")
    return found
