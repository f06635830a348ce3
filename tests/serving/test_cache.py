"""A folder that pods share: one download for all, nothing believed, and no pod kept from starting by it."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving.apps import settings
from serving.test_sources import MODEL, Shop, shop, status, whole

from modelserver import cache, sources
from modelserver.failures import StartError

__all__ = ["shop"]  # a fixture

Open = Callable[..., Shop]
DIGEST = hashlib.sha256(MODEL).hexdigest()


def fetched(server: Shop, folder: Path, sha256: str = DIGEST) -> Path:
    return sources.fetch(settings(MODEL_URI=server.url, MODEL_SHA256=sha256, MODEL_CACHE_DIR=str(folder))).path


def test_what_is_there_is_not_downloaded_again(shop: Open, tmp_path: Path) -> None:
    server = shop(whole)
    assert {fetched(server, tmp_path) for _ in range(3)} == {tmp_path / DIGEST}
    assert (tmp_path / DIGEST).read_bytes() == MODEL
    assert len(server.ranges) == 1


def test_pods_that_start_together_wait_for_one_download(tmp_path: Path) -> None:
    begun, downloads = threading.Barrier(4), []

    def fetch(path: Path) -> None:
        downloads.append(path)
        path.write_bytes(MODEL)

    def start(_: int) -> Path:
        begun.wait()
        return cache.shared(tmp_path, DIGEST, "http://shop/model.onnx", fetch)

    with ThreadPoolExecutor(4) as pods:
        found = set(pods.map(start, range(4)))
    assert (found, len(downloads)) == ({tmp_path / DIGEST}, 1)


def test_a_file_that_is_not_what_its_name_says_is_replaced(shop: Open, tmp_path: Path) -> None:
    (tmp_path / DIGEST).write_bytes(b"something else")
    assert fetched(shop(whole), tmp_path).read_bytes() == MODEL


def test_what_a_killed_pod_left_half_done_is_begun_anew(shop: Open, tmp_path: Path) -> None:
    (tmp_path / f"{DIGEST}.part").write_bytes(MODEL[:100])
    assert fetched(shop(whole), tmp_path).read_bytes() == MODEL
    assert not (tmp_path / f"{DIGEST}.part").exists()


def test_a_download_with_another_checksum_never_appears(shop: Open, tmp_path: Path) -> None:
    wrong = "0" * 64
    with pytest.raises(StartError, match=rf"^checksum mismatch: http://\S+ has sha256 {DIGEST}"):
        fetched(shop(whole), tmp_path, wrong)
    assert [path.name for path in tmp_path.iterdir()] == [f"{wrong}.lock"]


def test_a_download_that_fails_leaves_nothing(shop: Open, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"^model not found"):
        fetched(shop(status(404)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{DIGEST}.lock"]


def test_without_a_checksum_nothing_is_shared(shop: Open, tmp_path: Path) -> None:
    found = sources.fetch(settings(MODEL_URI=shop(whole).url, MODEL_CACHE_DIR=str(tmp_path)))
    assert found.path.parent != tmp_path
    assert list(tmp_path.iterdir()) == []
    found.path.unlink()


def test_a_folder_that_cannot_be_used_keeps_no_pod_from_starting(shop: Open, tmp_path: Path) -> None:
    server = shop(whole)
    (tmp_path / f"{DIGEST}.lock").mkdir()
    for folder in (tmp_path, tmp_path / "not mounted"):
        found = fetched(server, folder)
        assert found.read_bytes() == MODEL
        assert found.parent != tmp_path
        found.unlink()
