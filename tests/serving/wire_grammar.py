"""Requests as bytes, right and wrong in every part: what clients, proxies, scanners and cut connections send."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

ROW = [1.0, 2.0, 3.0]
TENSOR = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": ROW}

METHODS = [
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "CONNECT",
    "PRI",
    "get",
    "P\x00ST",
    "",
    "M" * 300,
]
SPACES = [" ", " ", " ", " ", "  ", "\t", "", "\r"]
TARGETS = [
    "/health",
    "/ready",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/v1/models",
    "/v2",
    "/v2/health/ready",
    "/v2/models/churn",
    "/v1/predict",
    "/predict",
    "/v1/predict/batch",
    "/v2/models/churn/infer",
    "/v2/models/churn/versions/2.1.0/infer",
    "/v2/models/churn/versions/latest/infer",
    "/v2/models/churn/versions/9/infer",
    "/v2/models/other/infer",
    "/v1/%70redict",
    "/v1/predict?x=%00",
    "/v1/predict#x",
    "http://other/v1/predict",
    "*",
    "//",
    "/" + "a" * 5000,
    "/\x1b[31m",
    "/%1b%0d%0a",
    "",
    "/v1/predict/../predict",
    "/\u00e9",
]
VERSIONS = ["HTTP/1.1"] * 12 + [
    "HTTP/1.0",
    "HTTP/1.0",
    "HTTP/2.0",
    "HTTP/0.9",
    "HTTP/1.9",
    "http/1.1",
    "HTTP/1.1 ",
    "ICE/1.0",
    "HTTP/11",
    "",
]
ENDS = ["\r\n"] * 20 + ["\n", "\r", "\r\n\r\n", "\n\r", ""]
HEADERS = [
    "Host: other",
    "host:s",
    "Host : s",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 0x10",
    "Content-Length: 99999999999999999999",
    "Content-Length:",
    "content-length: 4000000000",
    "Content-Length: 5 ",
    "Content-Length: \t5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: CHUNKED",
    "Transfer-Encoding: identity",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13",
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    "Upgrade: h2c",
    "Connection: upgrade",
    "Expect: 100-continue",
    "expect: 100-CONTINUE",
    "Expect: 200-ok",
    "Inference-Header-Content-Length: x",
    "Inference-Header-Content-Length: -1",
    "Inference-Header-Content-Length: 999999999999999999999",
    "Inference-Header-Content-Length: 10",
    "X: \x00",
    "X: a\r\n b",
    "X: a\rb",
    " X: y",
    ": empty",
    "X",
    "X:",
    "X: \u00ff",
    "X: " + "y" * 70_000,
    "X: " + "y" * 8000,
    "\r\n".join(f"X{i}: y" for i in range(300)),
    "A(b): c",
    "Cookie: \x1b[2J",
    "Content-Encoding: gzip",
    "TE: trailers",
    "Proxy-Connection: close",
    "Accept: */*",
]
BODIES = [
    b'{"features": [1, 2, 3], "model_version": "9"}',
    b'{"features": [1, 2, 3], "model_version": "latest"}',
    b'{"features": ["x"], "model_version": "9"}',
    b'{"features": [1, 2]}',
    b'{"features": [NaN, 1, 2]}',
    b'{"features": [1e999, 1, 2]}',
    b"[" * 5000,
    b"\xff\xfe",
    b"",
    b"{}",
    b"null",
    b'{"features": {"a": 1}}',
    b'{"rows": [[1, 2, 3], ["\\u001b[31m"]]}',
    b'{"rows": []}',
    b'{"inputs": []}',
    b'{"\\ud800\\u202e": 1}',
    b'{"features": [1, 2, 3], "\\u001b]0;x\\u0007": 1}',
    b'{"features": [' + b"1," * 30_000 + b"1]}",
    b'{"rows": [' + b"[1,2,3]," * 101 + b"[1,2,3]]}",
    b"x" * 300_000,
    json.dumps({"inputs": [TENSOR], "outputs": [{"name": "predict"}] * 3}).encode(),
    json.dumps({"inputs": [TENSOR], "id": "i" * 5000}).encode(),
    json.dumps({"inputs": [TENSOR | {"shape": [10**9, 3]}]}).encode(),
    json.dumps({"inputs": [TENSOR | {"parameters": {"binary_data_size": 24}}]}).encode(),
    json.dumps({"inputs": [TENSOR] * 500}).encode(),
]


@dataclass(frozen=True)
class Good:
    """A request that is right, and the status of its answer."""

    data: bytes
    status: int


class Grammar:
    """Draws requests; the same seed draws the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - no secret

    def good(self) -> Good:
        choose = self.random.choice
        infer = json.dumps({"inputs": [TENSOR]}).encode()
        path, body, status = choose(
            [
                ("/v1/predict", b'{"features": [1, 2, 3]}', 200),
                ("/v1/predict", b'{"features": [1, 2, 3], "model_version": "latest"}', 200),
                ("/v1/predict", b'{"features": [1, 2, 3], "model_version": "1"}', 404),
                ("/v1/predict", b'{"features": [1, 2]}', 422),
                ("/v1/predict/batch", b'{"rows": [[1, 2, 3], [4, 5, 6]]}', 200),
                ("/v2/models/churn/infer", infer, 200),
                ("/v2/models/churn/versions/latest/infer", infer, 200),
                ("/v2/models/churn/versions/1/infer", infer, 404),
            ]
        )
        return Good(self.framed(path, body), status)

    def framed(self, path: str, body: bytes, *headers: str) -> bytes:
        """A whole POST, its body with a length or in chunks."""
        lines = [f"POST {path} HTTP/1.1", "Host: s", *headers]
        if self.random.random() < 0.7:
            return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
        return "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode() + self.chunks(body)

    def chunks(self, body: bytes) -> bytes:
        draw, told = self.random, b""
        while body:
            size = min(len(body), draw.choice([1, 2, 7, 100, 100_000]) if len(body) < 1000 else 50_000)
            extension = draw.choice([b""] * 6 + [b";a=b", b";" + b"x" * 500])
            told += b"%x%s\r\n%s\r\n" % (size, extension, body[:size])
            body = body[size:]
        return told + b"0\r\n" + draw.choice([b""] * 6 + [b"X: trailer\r\n"]) + b"\r\n"

    def bad(self) -> bytes:
        """A request that may be wrong anywhere."""
        draw = self.random
        kind = draw.random()
        if kind < 0.35:
            return self._head_and_body()
        if kind < 0.55:
            return self.framed(
                draw.choice(TARGETS[9:16]), draw.choice(BODIES), *draw.sample(HEADERS, draw.choice([0, 0, 1]))
            )
        if kind < 0.6:
            return draw.randbytes(draw.choice([1, 10, 200, 3000]))
        data = self.good().data
        for _ in range(draw.choice([1, 1, 2, 5])):
            data = self._mutated(data)
        return data

    def _head_and_body(self) -> bytes:
        draw = self.random
        method = draw.choice(["POST"] * 8 + ["GET"] * 4 + METHODS)
        end = draw.choice(ENDS)
        line = method + draw.choice(SPACES) + draw.choice(TARGETS) + draw.choice(SPACES) + draw.choice(VERSIONS)
        hosts = draw.choice([["Host: s"]] * 10 + [[], ["Host: s", "Host: t"]])
        lines = [line, *hosts, *draw.sample(HEADERS, draw.choice([0, 1, 1, 2, 3]))]
        body = draw.choice(
            [
                b"",
                b'{"features": [1, 2, 3]}',
                *BODIES[:4],
                b"0\r\n\r\n",
                b"5\r\nhello\r\n0\r\n\r\n",
                b"0\r\nContent-Length: 3\r\n\r\n",
            ]
        )
        if draw.random() < 0.4:
            lines.append(f"Content-Length: {len(body)}")
        return (end.join(lines) + end + end).encode("utf-8", "replace") + body

    def _mutated(self, data: bytes) -> bytes:
        draw, at = self.random, self.random.randrange(len(data) or 1)
        odd = draw.choice(
            [b"\x00", b"\r", b"\n", b" ", b":", b"\xff", b"\r\n", b"\r\n\r\n", b"0", b"9", b"chunked", b"A" * 3000]
        )
        way = draw.randrange(5)
        if way == 0:
            return data[:at] + odd + data[at:]
        if way == 1:
            return data[:at] + odd + data[at + 1 :]
        if way == 2:
            return data[:at] + data[at + draw.choice([1, 2, 20]) :]
        if way == 3:
            return data[:at] + data[max(0, at - 30) : at] + data[at:]
        return data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :] if data else odd

    def pieces(self, data: bytes) -> Sequence[bytes]:
        """The data as they may arrive."""
        draw = self.random
        if draw.random() < 0.5 or not data:
            return [data]
        cuts = sorted(draw.randrange(len(data) + 1) for _ in range(draw.choice([1, 1, 2, 5])))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if b > a]
