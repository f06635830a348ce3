"""Archives that nobody has checked: whatever is in them is refused with a sentence, and nothing is written for it."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving.bundle_files import archive, archive_of, files, loaded, member

from modelserver import archives
from modelserver.failures import StartError
from modelserver.manifest import is_inside

MEGABYTE = 1024 * 1024


def refusal(path: Path, **environment: str) -> str:
    with pytest.raises(StartError) as failure:
        loaded(path, **environment)
    return str(failure.value)


OUTSIDE = ["../escaped", "/escaped", "a/../../escaped", "./../escaped", "a\\..\\escaped"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_path_outside_the_bundle_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, {**files(), name: b"x"})

    assert refusal(path) == f'unreadable model: sums.tar.gz holds "{name}", a path outside the bundle'
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = archive_of(tmp_path, [(member("model.skops", kind=kind, link="/etc/passwd"), b"")])

    assert refusal(path) == 'unreadable model: sums.tar.gz: "model.skops" is neither a file nor a folder'


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = archive_of(tmp_path, [(member("a", 1), b"1"), (member("./a", 1), b"2")])

    assert refusal(path) == 'unreadable model: sums.tar.gz holds "a" twice'


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, {f"{number}": b"" for number in range(archives.MAX_MEMBERS + 1)})

    assert refusal(path) == "model too large: sums.tar.gz holds more than 1000 files"


@pytest.mark.parametrize("place", ["first", "last"])
def test_an_archive_that_swells_is_refused_without_unpacking_it(tmp_path: Path, place: str) -> None:
    zeros = {"zeros": bytes(20 * MEGABYTE)}
    path = archive(tmp_path, {**zeros, **files()} if place == "first" else {**files(), **zeros})

    assert path.stat().st_size < MEGABYTE
    assert refusal(path, MODEL_MAX_BYTES=str(MEGABYTE)) == (
        "model too large: sums.tar.gz unpacks to more than MODEL_MAX_BYTES, which is 1048576 bytes"
    )


def test_a_manifest_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = archive(tmp_path, {"bundle.json": b" " * (5 * MEGABYTE)})

    assert refusal(path) == "model too large: sums.tar.gz: bundle.json has more than 4194304 bytes"


def test_a_header_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sums.tar.gz"
    header = member("long", 2 * MEGABYTE, tarfile.GNUTYPE_LONGNAME).tobuf()
    path.write_bytes(gzip.compress(header + bytes(2 * MEGABYTE)))

    assert refusal(path) == "unreadable model: sums.tar.gz is no whole tar archive: one of its headers is too large"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_half_an_archive_is_unreadable(tmp_path: Path, share: float) -> None:
    path = archive(tmp_path, files())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    assert refusal(path).startswith("unreadable model: sums.tar.gz ")


def test_what_is_called_an_archive_and_is_none_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "sums.tar"
    path.write_bytes(b"<html>not found</html>")

    assert refusal(path).startswith("unreadable model: sums.tar is no whole tar archive: ")


@given(name=st.text(max_size=30))
def test_a_path_inside_stays_inside_wherever_it_is_joined(name: str) -> None:
    folder = Path("/bundle")

    joined = Path(*(part for part in (folder / name).parts))
    climbs = any(part == ".." for part in joined.parts)
    if is_inside(name):
        assert not climbs
        assert joined.is_relative_to(folder)
        assert joined != folder


@settings(max_examples=150, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_damage_is_refused_with_a_sentence_or_changes_nothing(
    damage: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "sums.tar"
    whole = bytearray(_plain_archive())
    for place, value in damage:
        whole[place % len(whole)] = value
    path.write_bytes(whole)

    assert _cause_or_bytes(path) in {*range(11), "unreadable model", "model too large"}


def _cause_or_bytes(path: Path) -> str | int:
    """How many bytes were read, or why none were."""
    try:
        with archives.opened(path, path.name, MEGABYTE) as archive:
            return len(archive.read("a", 10))
    except StartError as refused:
        return str(refused).split(":")[0]


def _plain_archive() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, size in (("a", 5), ("ü" * 60, 700), ("folder/b", 0)):
            tar.addfile(member(name, size), io.BytesIO(bytes(size)))
    return content.getvalue()
