"""A real process: how it starts, and how it says that it cannot."""

import socket
import subprocess
from pathlib import Path

import pytest
from serving.processes import LOOPBACK, command, running


def failed(folder: Path, uri: object, **environment: str) -> tuple[int, str, str]:
    """Exit code, last words and last log line of a server that cannot start."""
    words = folder / "termination-log"
    arguments, variables = command(uri, MODEL_TERMINATION_LOG=str(words), **environment)
    done = subprocess.run(arguments, env=variables, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, words.read_text().strip(), done.stderr.strip().splitlines()[-1]


def test_a_feature_mismatch_is_the_last_word_everywhere(models: Path, tmp_path: Path) -> None:
    sentence = "feature mismatch: the artifact lists 31 columns, the model takes 30"

    assert failed(tmp_path, models / "column-too-many.onnx") == (1, sentence, sentence)


def test_a_port_in_use_is_named(models: Path, tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        sentence = f"port in use: cannot listen on port {port}: Address already in use"

        assert failed(tmp_path, models / "v2.onnx", MODEL_PORT=str(port)) == (1, sentence, sentence)


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    code, words, _ = failed(tmp_path, "")

    assert (code, words.split(";")[0]) == (1, "bad setting: MODEL_URI is not set")


def test_last_words_that_cannot_be_written_are_still_the_last_line(models: Path) -> None:
    arguments, variables = command(models / "v2.onnx", MODEL_SHA256="0" * 64, MODEL_TERMINATION_LOG="/nowhere/log")

    done = subprocess.run(arguments, env=variables, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("checksum mismatch: ")


def test_a_server_without_a_home_leaves_nothing_behind(models: Path, tmp_path: Path) -> None:
    with running(models / "v2.onnx", HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path)) as server:
        assert server.health()["model_loaded"]

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["v2.onnx", "v2.skops"])
def test_a_loaded_model_is_named_by_its_digest(models: Path, name: str) -> None:
    with running(models / name, POD_UID="uid-7") as server:
        found = server.health()

    assert found["digest"].startswith("sha256:")
    assert found["instance"].startswith("uid-7:")
    assert found["counters"]["requests"] == 0
