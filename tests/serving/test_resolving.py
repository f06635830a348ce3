"""Which version an alias names: asked of registries on loopback that behave in every way a bad one can."""

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from serving.processes import LOOPBACK, command

from modelserver.failures import StartError
from modelserver.resolving import LIMIT, Resolved, resolved

URI = "models:/churn rate@champion"
CHECKSUM = "0a" * 32


def version(**fields: Any) -> str:
    """What MLflow answers, as far as it matters."""
    return json.dumps({"model_version": {"name": "churn rate", "version": "7", "status": "READY", **fields}})


@dataclass
class Registry:
    """Answers in turn, the last one for ever, and remembers who asked."""

    answers: list[tuple[int, str]]
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def registry(*answers: tuple[int, str]) -> Iterator[Registry]:
    found = Registry(list(answers))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append((self.path, self.headers["Authorization"]))
            code, body = found.answers.pop(0) if len(found.answers) > 1 else found.answers[0]
            self.send_response(code)
            if code == http.HTTPStatus.FOUND:
                self.send_header("Location", body)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
    found.url = f"http://{LOOPBACK}:{server.server_address[1]}/base"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(one: Registry, **environment: str) -> Resolved:
    return resolved({"MODEL_URI": URI, "MODEL_REGISTRY": f"{one.url}/", **environment}, lambda _: None)


def test_the_registry_says_version_and_checksum_to_whoever_has_the_credentials() -> None:
    tags = [{"key": "stage", "value": "x"}, {"key": "sha256", "value": CHECKSUM}]
    with registry((200, version(tags=tags))) as one:
        assert asked(one, MLFLOW_TRACKING_TOKEN="t0ken") == Resolved("7", CHECKSUM)  # noqa: S106 - no secret
    path = "/base/api/2.0/mlflow/registered-models/alias?name=churn%20rate&alias=champion"
    assert one.asked == [(path, "Bearer t0ken")]


@pytest.mark.parametrize("tag", [{"key": "sha256", "value": "no checksum"}, {"key": "sha256"}, "sha256", None])
def test_a_tag_that_is_no_checksum_is_none(tag: object) -> None:
    with registry((200, version(tags=[tag]))) as one:
        assert asked(one) == Resolved("7")


def test_a_registry_that_fails_for_a_moment_is_asked_again() -> None:
    with registry((503, ""), (500, ""), (200, version())) as one:
        assert asked(one) == Resolved("7")
    assert len(one.asked) == 3


NO_VERSION = "^download failed: the registry http.* answers something that is no version of the model$"
REFUSED: dict[str, tuple[tuple[int, str], str]] = {
    "another model": ((200, version(name="other")), NO_VERSION),
    "no number": ((200, version(version="latest")), NO_VERSION),
    "a number that is no text": ((200, version(version=7)), NO_VERSION),
    "a list": ((200, "[]"), NO_VERSION),
    "no JSON": ((200, "<html>"), NO_VERSION),
    "deep JSON": ((200, "[" * 100_000), NO_VERSION),
    "too much": ((200, version() + " " * LIMIT), NO_VERSION),
    "no such alias": (
        (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST"}'),
        '^model not found: the registry http.* has no alias "champion" of a model "churn rate"$',
    ),
    "not the registrys own words": ((404, "<html>nginx"), "^download failed: the registry http.* answers 404$"),
    "wrong credentials": ((401, "no"), r"^access refused: .* refuses the credentials \(401\); look at the Secret"),
    "somewhere else": ((302, "http://127.0.0.1:1/"), "^download failed: the registry http.* answers 302$"),
    "down": ((503, ""), "^download failed: the registry http.* answers 503$"),
}


@pytest.mark.parametrize(("answer", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_answer_is_one_sentence(answer: tuple[int, str], sentence: str) -> None:
    with registry(answer) as one, pytest.raises(StartError, match=sentence):
        asked(one)


def test_a_registry_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(StartError, match=r"^download failed: the registry http://127.0.0.1:1 cannot be reached: "):
        asked(Registry([], url="http://127.0.0.1:1"))


@pytest.mark.parametrize("uri", ["models:/churn/7", "models://lab/churn@champion", "https://m/x.onnx", ""])
def test_what_is_no_alias_is_refused(uri: str) -> None:
    with pytest.raises(StartError, match=r"^bad setting: .* names no alias"):
        resolved({"MODEL_URI": uri, "MODEL_REGISTRY": "https://mlflow"})


@pytest.mark.parametrize("url", ["", "file:///mlruns"])
def test_without_the_address_of_a_registry_nobody_is_asked(url: str) -> None:
    with pytest.raises(StartError, match="needs MODEL_REGISTRY"):
        resolved({"MODEL_URI": URI, "MODEL_REGISTRY": url})


def run(one: Registry, last_words: Path) -> "subprocess.CompletedProcess[str]":
    """The image's own command, as the Job runs it."""
    words, environment = command(URI, MODEL_REGISTRY=one.url, MODEL_TERMINATION_LOG=str(last_words))
    return subprocess.run([*words, "resolve"], env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_leaves_its_answer_where_the_kubelet_reads_it(tmp_path: Path) -> None:
    with registry((200, version())) as one:
        ended = run(one, tmp_path / "said")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, '{"version":"7","sha256":""}\n', "")
    assert (tmp_path / "said").read_text() == ended.stdout


def test_the_command_ends_with_the_sentence_of_what_went_wrong(tmp_path: Path) -> None:
    with registry((404, '{"error_code": "RESOURCE_DOES_NOT_EXIST"}')) as one:
        ended = run(one, tmp_path / "said")
    assert (ended.returncode, (tmp_path / "said").read_text()) == (1, ended.stderr)
    assert ended.stderr.startswith("model not found: ")
