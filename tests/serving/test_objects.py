"""Models in object stores: where an address leads, how a request is signed, and a real S3 server."""

import hashlib
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from serving.apps import settings
from serving.cutting import cut_after
from serving.processes import LOOPBACK, free_port, running

from modelserver import sources
from modelserver.download import Limits, download
from modelserver.failures import StartError
from modelserver.objects import Remote, locate
from modelserver.signatures import Credentials, Signer

MOTO = Path(__file__).parents[2] / ".venv" / "moto" / "bin" / "moto_server"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


def test_a_request_is_signed_as_in_the_published_example() -> None:
    signer = Signer(Credentials(*KEYS.values()), "us-east-1")
    extra = {"range": "bytes=0-9", "x-amz-content-sha256": hashlib.sha256(b"").hexdigest()}

    headers = signer.headers(
        "https://examplebucket.s3.amazonaws.com/test.txt", datetime(2013, 5, 24, tzinfo=UTC), extra
    )

    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_temporary_credentials_send_their_token_signed() -> None:
    headers = Signer(Credentials("id", "secret", "token"), "eu-west-1").headers(
        "https://b.s3.eu-west-1.amazonaws.com/k", datetime(2026, 1, 1, tzinfo=UTC)
    )

    assert headers["x-amz-security-token"] == "token"
    assert "x-amz-security-token" in headers["authorization"]


ADDRESSES: dict[str, tuple[str, dict[str, str], str]] = {
    "s3": ("s3://models/a/m.onnx", {"AWS_REGION": "eu-west-1"}, "https://models.s3.eu-west-1.amazonaws.com/a/m.onnx"),
    "a bucket with dots": ("s3://my.models/m.onnx", {}, "https://s3.us-east-1.amazonaws.com/my.models/m.onnx"),
    "an endpoint": (
        "s3://models/m.onnx",
        {"AWS_ENDPOINT_URL": "http://minio:9000/"},
        "http://minio:9000/models/m.onnx",
    ),
    "a name with spaces": (
        "s3://models/a b+%20c.onnx",
        {},
        "https://models.s3.us-east-1.amazonaws.com/a%20b%2B%20c.onnx",
    ),
    "gs": ("gs://models/a/m.onnx", {}, "https://storage.googleapis.com/models/a/m.onnx"),
}


@pytest.mark.parametrize(("uri", "environment", "url"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_leads_to_an_https_address(uri: str, environment: dict[str, str], url: str) -> None:
    assert locate(uri, environment) == Remote(url)


def test_half_of_the_credentials_is_refused() -> None:
    with pytest.raises(StartError) as failure:
        locate("s3://models/m.onnx", {"AWS_ACCESS_KEY_ID": "id"})

    assert str(failure.value) == (
        "bad setting: AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; the Secret has to hold both"
    )


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a real S3 server with an empty bucket called models."""
    port = free_port()
    process = subprocess.Popen([MOTO, "-H", LOOPBACK, "-p", str(port)], stderr=subprocess.DEVNULL)
    url = f"http://{LOOPBACK}:{port}"
    deadline = time.monotonic() + 60
    while not _put(f"{url}/models", b""):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait()


def _put(url: str, body: bytes) -> bool:
    try:
        return httpx.put(url, content=body, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_model_in_s3_is_fetched_and_served(store: str, models: Path) -> None:
    model = (models / "v2.onnx").read_bytes()
    assert _put(f"{store}/models/churn/2.1.0/model.onnx", model)
    digest = hashlib.sha256(model).hexdigest()

    with running("s3://models/churn/2.1.0/model.onnx", MODEL_SHA256=digest, AWS_ENDPOINT_URL=store, **KEYS) as server:
        assert server.health()["digest"] == f"sha256:{digest}"


def test_a_model_in_googles_store_is_fetched_with_its_hmac_keys(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's store has S3's paths and signatures, so the same server stands for it."""
    assert _put(f"{store}/models/gs.onnx", b"model")
    own = {name.replace("AWS", "GS"): value for name, value in {"AWS_ENDPOINT_URL": store, **KEYS}.items()}
    for name, value in own.items():
        monkeypatch.setenv(name, value)

    assert sources.fetch(settings(MODEL_URI="gs://models/gs.onnx")).path.read_bytes() == b"model"


def test_a_download_from_a_real_store_that_is_cut_goes_on_where_it_stopped(store: str, tmp_path: Path) -> None:
    model = bytes(range(256)) * 4000
    assert _put(f"{store}/models/churn/cut.onnx", model)
    with cut_after(store, 300_000, times=2) as line:
        remote = locate("s3://models/churn/cut.onnx", {"AWS_ENDPOINT_URL": line.url, **KEYS})
        path = download(remote.url, Limits(2_000_000, tmp_path, sleep=lambda _: None), remote.signer)
    assert path.read_bytes() == model
    begins = line.begins()
    assert begins[0] == 0 < begins[1] < begins[2] < len(model)


def test_an_object_that_is_not_there_is_named(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ENDPOINT_URL": store, **KEYS}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(StartError, match=r"^model not found: .*/models/nothing.onnx answers 404"):
        sources.fetch(settings(MODEL_URI="s3://models/nothing.onnx"))
