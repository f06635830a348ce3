"""Every odd answer of a registry is one sentence: a fuzz over a raw socket, by bytes, by headers and by JSON."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.core.facts import RegistryTrouble
from modelrollout.registered import Registered, is_checksum, is_version
from modelrollout.registry.declared import Declared
from modelrollout.registry.following import Found
from modelrollout.registry.http import HttpRegistries
from modelrollout.registry.jobs import Errand, _read

MODEL = Registered("", "churn", alias="champion")
LONGEST = 400

TEXTS = st.text(max_size=20) | st.sampled_from(
    ["churn", "7", "0", "-1", "9" * 5000, "\ud800", "\x1b[31m", "RESOURCE_DOES_NOT_EXIST", "sha256", "ab" * 32]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KEYS = ("model_version", "error_code", "message")
VERSIONS = JSON | st.fixed_dictionaries(
    {"name": st.just("churn") | JSON, "version": TEXTS | JSON},
    optional={"tags": JSON | st.lists(st.fixed_dictionaries({"key": st.just("sha256") | JSON, "value": JSON}))},
)
BODIES = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(KEYS), VERSIONS).map(lambda value: json.dumps(value).encode())
    | st.sampled_from(
        [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 20_000, b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"a":1', b""]
    )
)
STATUSES = st.sampled_from([200, 204, 206, 301, 302, 304, 400, 401, 403, 404, 418, 429, 500, 503, 599])
HEADERS = st.sampled_from(
    [
        "", "Location: http://127.0.0.1:1/x\r\n", "Location: //[\r\n", "Content-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\n", "Content-Length: -5\r\n", "Content-Length: many\r\n", "Set-Cookie: a=b\r\n",
        "Content-Type: text/html; charset=utf-7\r\n", "X: \u00ff\r\n", "no colon\r\n",
        "X-Long: " + "x" * 20_000 + "\r\n",
    ]
)  # fmt: skip


def wire(status: int, header: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status} Odd\r\n{header}Connection: close\r\n\r\n".encode("latin-1") + body


ANSWERS = st.binary(max_size=300) | st.builds(wire, STATUSES, HEADERS, BODIES)


@asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[Declared]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield Declared("prod", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def answered(answer: bytes) -> Found | RegistryTrouble:
    door = HttpRegistries(2.0)
    try:
        async with saying(answer) as one:
            return await door.ask(one, MODEL)
    finally:
        await door.close()


def assert_sound(found: Found | RegistryTrouble) -> None:
    """A version and a checksum that are some, or one sentence that can be shown."""
    if isinstance(found, Found):
        assert is_version(found.version)
        assert is_checksum(found.sha256)
        return
    assert found.message.isprintable()
    assert len(found.message) < LONGEST


@settings(max_examples=400, deadline=None)
@given(answer=ANSWERS)
async def test_whatever_a_declared_registry_sends_is_a_version_or_one_sentence(answer: bytes) -> None:
    assert_sound(await answered(answer))


@pytest.mark.parametrize("code", [["a"], {"a": 1}, None, 5, True], ids=str)
async def test_a_code_that_is_no_word_is_none(code: Any) -> None:
    found = await answered(wire(404, "", json.dumps({"error_code": code}).encode()))
    assert isinstance(found, RegistryTrouble)
    assert found.message == 'the registry "prod" answers 404'


ENDS = st.fixed_dictionaries(
    {},
    optional={
        "exitCode": st.sampled_from([0, 1, 137, None]),
        "message": TEXTS | JSON.map(json.dumps) | st.just('{"version": "7", "sha256": ""}'),
        "reason": st.none() | TEXTS,
    },
)


@settings(max_examples=1000)
@given(end=ENDS)
def test_whatever_a_job_says_last_is_a_version_or_a_sentence(end: Mapping[str, Any]) -> None:
    found = _read(Errand("models:/churn@champion", "https://mlflow", "shop/churn", "{}"), end)
    if isinstance(found, Found):
        assert is_version(found.version)
        assert is_checksum(found.sha256)
    else:
        assert found.message
