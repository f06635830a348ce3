"""The size of an image: its layers unpacked, and compressed as a registry keeps them."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from localcluster.image_sizes import Size, size_of

LAYERS = (b"\0" * 1_000_000, bytes(range(256)) * 1000)


def archive_of(folder: Path, layers: tuple[bytes, ...]) -> Path:
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    files = {"manifest.json": json.dumps([{"Layers": names}]).encode(), **dict(zip(names, layers, strict=True))}
    path = folder / "image.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_the_layers_are_added_up(tmp_path: Path) -> None:
    size = size_of(archive_of(tmp_path, LAYERS))

    assert size.unpacked == 1_256_000
    assert size.compressed == pytest.approx(sum(len(gzip.compress(layer, 6)) for layer in LAYERS), abs=64)


def test_layers_that_an_engine_has_compressed_already_count_the_same(tmp_path: Path) -> None:
    plain = size_of(archive_of(tmp_path, LAYERS))

    assert size_of(archive_of(tmp_path, tuple(gzip.compress(layer) for layer in LAYERS))) == plain


def test_a_size_is_told_in_megabytes() -> None:
    assert str(Size(408_400_000, 134_600_000)) == "408 MB, 135 MB compressed (gzip -6)"
