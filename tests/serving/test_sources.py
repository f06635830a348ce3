"""Models from files and over http: checked, resumed, capped; what fails says why in one sentence."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uvicorn
from serving.apps import settings
from serving.cutting import cut_after
from serving.processes import LOOPBACK, free_port
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from modelserver import sources
from modelserver.download import Limits, download
from modelserver.failures import StartError
from modelserver.signatures import Credentials, Signer

MODEL = bytes(range(256)) * 400
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each request with the next of the server's answers; the last one stays."""

    server: "Shop"
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        self.server.signed.append("Authorization" in self.headers)
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class Shop(ThreadingHTTPServer):
    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.ranges: list[str | None] = []
        self.signed: list[bool] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/models/v%201.onnx"


@pytest.fixture
def shop() -> Iterator[Callable[..., Shop]]:
    opened: list[Shop] = []

    def opening(*answers: Answer) -> Shop:
        server = Shop(*answers)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        opened.append(server)
        return server

    yield opening
    for server in opened:
        server.shutdown()
        server.server_close()


def whole(request: Handler) -> None:
    request.head(200, Content_Length=str(len(MODEL)), ETag='"1"')
    request.wfile.write(MODEL)


def cut_off(request: Handler) -> None:
    request.head(200, Content_Length=str(len(MODEL)), ETag='"1"')
    request.wfile.write(MODEL[:1000])


def the_rest(request: Handler) -> None:
    request.head(206, Content_Length=str(len(MODEL) - 1000), ETag='"1"')
    request.wfile.write(MODEL[1000:])


def status(code: int, **headers: str) -> Answer:
    return lambda request: request.head(code, **headers)


def limits(folder: Path, **changes: int) -> Limits:
    return Limits(changes.get("max_bytes", 1_000_000), folder, pauses_s=(0.0,) * changes.get("tries", 2), sleep=_skip)


def _skip(_: float) -> None:
    return None


def test_a_whole_model_is_fetched_with_its_name_and_digest(shop: Callable[..., Shop], tmp_path: Path) -> None:
    server = shop(whole)

    fetched = sources.fetch(settings(MODEL_URI=server.url, MODEL_CACHE_DIR=str(tmp_path)))

    assert fetched.path.read_bytes() == MODEL
    assert fetched.name == "v 1.onnx"
    assert fetched.digest == "sha256:" + hashlib.sha256(MODEL).hexdigest()


def test_a_cut_download_goes_on_where_it_stopped_and_says_so(
    shop: Callable[..., Shop], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "modelserver.download")
    server = shop(cut_off, the_rest)

    path = download(server.url, limits(tmp_path))

    assert path.read_bytes() == MODEL
    assert server.ranges == [None, "bytes=1000-"]
    cut, whole_at_last = caplog.messages
    assert cut.startswith(f"download of {server.url}: ")
    assert cut.endswith("; 1000 bytes so far, trying again")
    assert whole_at_last == f"downloaded {server.url}: {len(MODEL)} bytes"


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[str]:
    """A real HTTP server, which knows of ranges and versions of files."""
    files = Starlette(routes=[Mount("/", StaticFiles(directory=tmp_path))])
    server = uvicorn.Server(uvicorn.Config(files, host=LOOPBACK, port=(port := free_port()), log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://{LOOPBACK}:{port}"
    server.should_exit = True
    thread.join(10)


def test_a_download_from_a_real_server_that_is_cut_goes_on_where_it_stopped(file_server: str, tmp_path: Path) -> None:
    model = MODEL * 9
    (tmp_path / "m.onnx").write_bytes(model)
    with cut_after(file_server, 300_000, times=2) as line:
        path = download(f"{line.url}/m.onnx", limits(tmp_path))
    assert path.read_bytes() == model
    begins = line.begins()
    assert begins[0] == 0 < begins[1] < begins[2] < len(model)


def test_a_cut_download_from_an_object_store_goes_on_signed(shop: Callable[..., Shop], tmp_path: Path) -> None:
    server = shop(cut_off, the_rest)

    path = download(server.url, limits(tmp_path), Signer(Credentials("id", "secret"), "us-east-1"))

    assert path.read_bytes() == MODEL
    assert (server.ranges, server.signed) == ([None, "bytes=1000-"], [True, True])


def test_a_signed_request_follows_no_redirect(shop: Callable[..., Shop], tmp_path: Path) -> None:
    elsewhere = shop(whole)
    server = shop(status(302, Location=elsewhere.url))

    with pytest.raises(StartError) as failure:
        download(server.url, limits(tmp_path), Signer(Credentials("id", "secret"), "us-east-1"))

    assert str(failure.value) == f"download failed: {server.url} answers 302 Found"
    assert elsewhere.ranges == []


def test_a_source_that_cannot_resume_sends_everything_again(shop: Callable[..., Shop], tmp_path: Path) -> None:
    assert download(shop(cut_off, whole).url, limits(tmp_path)).read_bytes() == MODEL
    assert download(shop(cut_off, status(416), whole).url, limits(tmp_path)).read_bytes() == MODEL


def test_a_source_that_is_busy_is_asked_again(shop: Callable[..., Shop], tmp_path: Path) -> None:
    assert download(shop(status(503), status(429), whole).url, limits(tmp_path)).read_bytes() == MODEL


FAILURES: dict[str, tuple[Answer, str]] = {
    "not there": (status(404), "model not found: {url} answers 404 Not Found"),
    "forbidden": (status(403), "download failed: {url} answers 403 Forbidden"),
    "down": (status(503), "download failed: {url}: 503 Service Unavailable"),
    "always cut off": (
        lambda request: request.head(200, Content_Length="10"),
        "download failed: {url}: cut off after 0 of 10 bytes",
    ),
    "another scheme": (
        status(302, Location="https://127.0.0.1/m.onnx"),
        "download failed: {url} redirects to another scheme: https://127.0.0.1/m.onnx",
    ),
    "a file": (
        status(302, Location="file:///etc/passwd"),
        "download failed: {url} answers 302 Found - Redirection to url 'file:///etc/passwd' is not allowed",
    ),
    "too large": (
        lambda request: request.head(200, Content_Length="1000001"),
        "model too large: {url} has more than 1000000 bytes",
    ),
}


@pytest.mark.parametrize(("answer", "sentence"), FAILURES.values(), ids=FAILURES)
def test_a_failed_download_says_why(shop: Callable[..., Shop], tmp_path: Path, answer: Answer, sentence: str) -> None:
    server = shop(answer)

    with pytest.raises(StartError) as failure:
        download(server.url, limits(tmp_path))

    assert str(failure.value) == sentence.format(url=server.url)


def test_a_model_that_grows_past_the_cap_is_given_up(shop: Callable[..., Shop], tmp_path: Path) -> None:
    def unannounced(request: Handler) -> None:
        request.head(200)
        request.wfile.write(MODEL)

    with pytest.raises(StartError, match=r"^model too large: .* has more than 1000 bytes$"):
        download(shop(unannounced).url, limits(tmp_path, max_bytes=1000))


def test_nobody_listening_is_a_failed_download(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"^download failed: http://127.0.0.1:9/m: .*refused"):
        download("http://127.0.0.1:9/m", limits(tmp_path))


def test_without_a_writable_folder_the_model_is_kept_in_memory(shop: Callable[..., Shop], tmp_path: Path) -> None:
    assert download(shop(whole).url, limits(tmp_path / "missing")).read_bytes() == MODEL


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_path_is_taken_as_it_is(tmp_path: Path, prefix: str) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(MODEL)

    fetched = sources.fetch(settings(MODEL_URI=f"{prefix}{file}", MODEL_SHA256=hashlib.sha256(MODEL).hexdigest()))

    assert fetched.path == file


def test_another_checksum_is_refused_with_both(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(MODEL)

    with pytest.raises(StartError) as failure:
        sources.fetch(settings(MODEL_URI=str(file), MODEL_SHA256="sha256:" + "0" * 64))

    found = hashlib.sha256(MODEL).hexdigest()
    assert str(failure.value) == f"checksum mismatch: {file} has sha256 {found}, the spec asks for {'0' * 64}"


BAD_ADDRESSES = {
    "/nowhere/m.onnx": "model not found: there is no file /nowhere/m.onnx; is the volume mounted?",
    "/": "unreadable model: / is a folder without a bundle.json; name the model file in it",
    "ftp://bucket/m.onnx": 'bad setting: "ftp://bucket/m.onnx" has the scheme ftp, which this image does not serve; '
    "use a path, file://, http://, https://, s3://, gs:// or models:/",
    "s3://bucket": 'bad setting: "s3://bucket" has to be s3://BUCKET/PATH/TO/model.onnx',
}


@pytest.mark.parametrize(("uri", "sentence"), BAD_ADDRESSES.items())
def test_an_address_that_cannot_be_says_why(uri: str, sentence: str) -> None:
    with pytest.raises(StartError) as failure:
        sources.fetch(settings(MODEL_URI=uri))

    assert str(failure.value) == sentence
