"""Every odd word of a registry or a store ends in a file or in one sentence, never in a traceback: a fuzz of both."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelserver.download import Limits, download
from modelserver.failures import LONGEST, StartError
from modelserver.objects import locate
from modelserver.registered import Place, model_file
from modelserver.resolving import VERSION, resolved

REGISTRY = "http://127.0.0.1/base"
TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        "s3://b/m.onnx", "https://[", "http://\x1b[31m/x", "mlflow-artifacts:/a/../b", "mlflow-artifacts://[::1/x", "gs://",
        "\ud800.onnx", "https://h/\udcff", "file:///etc/passwd", "/",
        "churn", "7", "data", "model.onnx", "../x", "a\nb",
        "2026-13-45", "2026-01-01 99:99:99", "0x", "190:20:30:aa", "1e999999", "!!binary x", "!!int a", "!!float ''",
        "!!timestamp x", "!!set {a, b}", "&a [*a]", "<<: 5", "? [a, b]\n: c",
        "!!python/object:os.system x", "---\n---\n",
    ]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
SOURCES = (
    st.binary(max_size=100)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries({"artifact_uri": TEXTS | JSON}).map(lambda value: json.dumps(value).encode())
    | st.sampled_from([b"[" * 100_000, b'{"artifact_uri": "\\ud800"}', b"\xff"])
)
FLAVORS = st.sampled_from(["onnx", "sklearn", "python_function", "{a: b}", "? [x]\n"])
MLMODELS = (
    st.binary(max_size=100)
    | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.builds(
        lambda flavor, value: f"flavors: {{{flavor}: {{data: {value}}}}}".encode("utf-8", "replace"), FLAVORS, TEXTS
    )
    | st.builds(lambda value: json.dumps({"flavors": {"onnx": {"data": value}}}).encode(), TEXTS | JSON)
    | st.sampled_from(
        [b"flavors: " + b"[" * 2000, b"a: &a [x]\n" + b"".join(b"%c: &%c [*a,*a]\n" % (n, n) for n in b"bcde")]
    )
)


def assert_sentence(call: Callable[[], Any]) -> Any:
    """What the call gives; where it fails, it says why in one line that can be shown."""
    try:
        return call()
    except StartError as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) <= LONGEST + 100
    return None


@settings(max_examples=1500, deadline=None)
@given(source=SOURCES, described=MLMODELS)
def test_whatever_a_registry_says_of_a_model_is_an_address_or_one_sentence(source: bytes, described: bytes) -> None:
    def read(place: Place) -> bytes:
        return described if place.url.endswith("/MLmodel") else source

    found = assert_sentence(lambda: model_file("models:/churn/7", {"MODEL_REGISTRY": REGISTRY}, read))
    if found is not None:
        assert found.url.partition(":")[0] in {"http", "https", "s3", "gs"}


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """A server that reads a request and sends these bytes."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(answer)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


STATUSES = st.sampled_from([200, 204, 206, 301, 302, 307, 304, 400, 401, 403, 404, 416, 418, 429, 500, 503])
HEADERS = st.sampled_from(
    [
        "", "Location: /again\r\n", "Location: http://[\r\n", "Location: ftp://x/\r\n", "Location: \u00ff\r\n",
        "Content-Length: many\r\n", "Content-Length: -5\r\n", "Content-Length: 5, 5\r\n", "Content-Length: \u00b2\r\n",
        "Transfer-Encoding: chunked\r\n", "ETag: \x1b\u00ff\r\n", "no colon\r\n", "X: " + "x" * 70_000 + "\r\n",
    ]
)  # fmt: skip
REASONS = st.sampled_from(["OK", "", "\x1b[2J", "\u00ff"])
BODIES = st.binary(max_size=100) | JSON.map(
    lambda value: json.dumps({"model_version": value, "error_code": value}).encode()
)
ANSWERS = st.binary(max_size=200) | st.builds(
    lambda status, reason, header, body: f"HTTP/1.1 {status} {reason}\r\n{header}\r\n".encode("latin-1") + body,
    STATUSES, REASONS, HEADERS, BODIES,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(answer=ANSWERS)
def test_whatever_a_store_sends_is_a_file_or_one_sentence(answer: bytes) -> None:
    with saying(answer) as url:
        found = assert_sentence(lambda: download(f"{url}/m.onnx", Limits(max_bytes=10_000, pauses_s=())))
    if isinstance(found, Path):
        found.unlink()


@settings(max_examples=150, deadline=None)
@given(answer=ANSWERS)
def test_whatever_a_registry_says_of_an_alias_is_a_version_or_one_sentence(answer: bytes) -> None:
    with saying(answer) as url:
        variables = {"MODEL_URI": "models:/churn@champion", "MODEL_REGISTRY": url}
        found = assert_sentence(lambda: resolved(variables, lambda _: None))
    if found is not None:
        assert VERSION.fullmatch(found.version)


@pytest.mark.parametrize("region", ["x.evil.example/", "evil.example#", "eu central", "EU", "a" * 64, "\u00e4"])
def test_a_region_is_no_way_to_another_host(region: str) -> None:
    with pytest.raises(StartError, match="no region"):
        locate("s3://models/m.onnx", {"AWS_REGION": region})
