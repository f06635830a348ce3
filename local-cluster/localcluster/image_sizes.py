"""How large an image is: its layers as they lie on a node's disk, and as a registry keeps and sends them (gzip -6)."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from localcluster.image_archive import opened

GZIP = 31
"""zlib's number for a gzip stream with the largest window."""
LEVEL = 6
CHUNK = 1024 * 1024
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes."""

    unpacked: int
    compressed: int

    def __str__(self) -> str:
        return f"{self.unpacked / 1e6:.0f} MB, {self.compressed / 1e6:.0f} MB compressed (gzip -{LEVEL})"


def size_of(archive: Path) -> Size:
    """Size of the image in an archive as `docker save` writes it."""
    with opened(archive) as image:
        layers = [_layer(file) for file in image.layers()]
    return Size(sum(layer.unpacked for layer in layers), sum(layer.compressed for layer in layers))


def _layer(file: IO[bytes]) -> Size:
    packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    unpacked, compressed, pack = 0, 0, zlib.compressobj(LEVEL, wbits=GZIP)
    for chunk in _chunks(gzip.GzipFile(fileobj=file) if packed else file):
        unpacked += len(chunk)
        compressed += len(pack.compress(chunk))
    return Size(unpacked, compressed + len(pack.flush()))


def _chunks(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
