"""A server that lies in /health, in one way of many; it needs nothing but the standard library.

It answers POST requests on port 8080, or fails each of them, and counts them honestly. What it says of that to the
operator (and to nobody else: the kubelet would end it) is a lie of the table below. PUT /lie/NAME on port 8081 chooses
another one; "" tells the truth.
"""

import asyncio
import gzip
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]
EDGES = [1.0, 5.0, 50.0, 500.0]
HUGE = 2**62
MEGABYTE = b" " * 2**20


@dataclass(frozen=True)
class Said:
    """What goes over the wire."""

    body: bytes = b""
    status: str = "200 OK"
    headers: tuple[str, ...] = ()
    raw: bytes | None = None
    """All of it, head and body, instead of the above."""
    endless: bytes = b""
    """Said again and again after it."""
    hangs: bool = False
    """Whether the connection then stays open without a word."""

    def wire(self) -> bytes:
        if self.raw is not None:
            return self.raw
        lines = (f"HTTP/1.1 {self.status}", f"Content-Length: {len(self.body)}", *self.headers)
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class Lie:
    """How an honest document becomes another answer."""

    tell: Callable[[Document, int], Said]
    """From the honest document, and which scrape of this lie it is."""
    sentence: str
    """What the operator says of it, as a regular expression."""


@dataclass
class Counts:
    """What was really served."""

    requests: int = 0
    errors: int = 0
    started: int = field(default_factory=time.time_ns)
    uid: str = ""

    def document(self) -> Document:
        return {
            "status": "ok",
            "instance": f"{self.uid}:{self.started}",
            "pod_uid": self.uid,
            "oldest_inflight_s": 0.0,
            "memory_bytes": 2**25,
            "counters": {
                "requests": self.requests,
                "errors": self.errors,
                "refusals": 0,
                "latency": {"edges_ms": EDGES, "counts": [0, self.requests, 0, 0, 0]},
                "predictions": {"count": 0, "sum": 0.0, "sum_squares": 0.0, "edges": [], "counts": []},
            },
        }


def _body(document: Any) -> Said:
    return Said(json.dumps(document).encode())


def counters(**fields: Any) -> Callable[[Document, int], Said]:
    return lambda honest, _: _body(honest | {"counters": honest["counters"] | fields})


def latency(**fields: Any) -> Callable[[Document, int], Said]:
    def tell(honest: Document, _: int) -> Said:
        told = honest["counters"]
        return _body(honest | {"counters": told | {"latency": told["latency"] | fields}})

    return tell


def predictions(**fields: Any) -> Callable[[Document, int], Said]:
    return counters(predictions={"count": 10, "sum": 1.0, "sum_squares": 4.0} | fields)


def top(**fields: Any) -> Callable[[Document, int], Said]:
    return lambda honest, _: _body(honest | fields)


def baseline(**fields: Any) -> Callable[[Document, int], Said]:
    return top(baseline={"count": 900, "mean": 0.5, "sd": 0.1, "edges": [0.5], "counts": [450, 450]} | fields)


def without(*path: str) -> Callable[[Document, int], Said]:
    def tell(honest: Document, _: int) -> Said:
        told: Document = json.loads(json.dumps(honest))
        block = told
        for part in path[:-1]:
            block = block[part]
        del block[path[-1]]
        return _body(told)

    return tell


def literal(old: str, new: str) -> Callable[[Document, int], Said]:
    """With a piece of the JSON replaced by what no encoder writes."""
    return lambda honest, _: Said(json.dumps(honest).replace(old, new, 1).encode())


def always(said: Said) -> Callable[[Document, int], Said]:
    return lambda _honest, _number: said


def over_time(fields: Callable[[int], Document]) -> Callable[[Document, int], Said]:
    def tell(honest: Document, number: int) -> Said:
        return _body(honest | {"counters": honest["counters"] | fields(number)})

    return tell


def _falling(what: str) -> Callable[[int], Document]:
    fixed = {"requests": 10**6, "errors": 0, "refusals": 0}
    return lambda number: fixed | {what: 10**5 - number}


def _buckets_fall(number: int) -> Document:
    return {"requests": 10**6, "errors": 0, "latency": {"edges_ms": EDGES, "counts": [10**5 - number, 0, 0, 0, number]}}


def _leaps(number: int) -> Document:
    return {"requests": 10**9 * (number + 1), "errors": 0, "latency": {"edges_ms": EDGES, "counts": [0] * 5}}


OTHER = "the answer is from another pod"
SILENT = r"no answer within \d"
LONG = r"more than \d+ bytes"
UNREACHED = "cannot be reached: "
SELF = "contradicts itself: "

LIES: dict[str, Lie] = {
    # counts
    "requests-near-2-62": Lie(counters(requests=HUGE), r"counters.requests: Expected `int` <= \d+"),
    "requests-above-the-bound": Lie(counters(requests=2**40 + 1), r"counters.requests: Expected `int` <= \d+"),
    "requests-beyond-64-bits": Lie(counters(requests=10**30), "counters.requests: "),
    "requests-below-nothing": Lie(counters(requests=-1), "counters.requests: Expected `int` >= 0"),
    "requests-in-fractions": Lie(counters(requests=1.5), "counters.requests: Expected `int`, got `float`"),
    "requests-as-text": Lie(counters(requests="10"), "counters.requests: Expected `int`, got `str`"),
    "requests-as-truth": Lie(counters(requests=True), "counters.requests: Expected `int`, got `bool`"),
    "requests-null": Lie(counters(requests=None), "counters.requests: Expected `int`, got `null`"),
    "requests-left-out": Lie(without("counters", "requests"), "counters: .*missing required field `requests`"),
    "errors-near-2-62": Lie(counters(requests=HUGE, errors=HUGE), "counters.requests: "),
    "errors-below-nothing": Lie(counters(errors=-5), "counters.errors: Expected `int` >= 0"),
    "errors-as-a-list": Lie(counters(errors=[1]), "counters.errors: Expected `int`, got `array`"),
    "errors-more-than-requests": Lie(counters(requests=3, errors=4), "counters: 4 errors and refusals are more"),
    "refusals-near-2-62": Lie(counters(refusals=HUGE), "counters.refusals: "),
    "refusals-and-errors-more": Lie(
        counters(requests=9, errors=5, refusals=5), "counters: 10 errors and refusals are more than 9 requests"
    ),
    "counters-left-out": Lie(without("counters"), ".*missing required field `counters`"),
    "counters-as-a-list": Lie(top(counters=[1, 2]), "counters: Expected `object`, got `array`"),
    # latency
    "latency-left-out": Lie(without("counters", "latency"), "counters: .*missing required field `latency`"),
    "latency-null": Lie(counters(latency=None), "counters.latency: Expected `object`, got `null`"),
    "buckets-more-than-requests": Lie(
        counters(requests=5, errors=0, latency={"edges_ms": EDGES, "counts": [9, 9, 0, 0, 0]}),
        "counters: latency.counts has 18 requests, and requests is 5",
    ),
    "buckets-below-nothing": Lie(latency(counts=[-1, 0, 0, 0, 0]), "counters.latency.counts"),
    "buckets-near-2-62": Lie(latency(counts=[HUGE] * 5), "counters.latency.counts"),
    "a-bucket-too-few": Lie(latency(counts=[0, 0, 0, 0]), "counters.latency: counts has to be one longer"),
    "edges-that-fall": Lie(latency(edges_ms=[5.0, 1.0, 50.0, 500.0]), "counters.latency: edges_ms has to ascend"),
    "edges-twice": Lie(latency(edges_ms=[1.0, 1.0, 50.0, 500.0]), "counters.latency: edges_ms has to ascend"),
    "edges-below-nothing": Lie(latency(edges_ms=[-1.0, 1.0, 50.0, 500.0]), "counters.latency.edges_ms"),
    "edges-without-number": Lie(literal("500.0", "NaN"), "no JSON: "),
    "edges-without-end": Lie(literal("500.0", "Infinity"), "no JSON: "),
    "edges-beyond-floats": Lie(literal("500.0", "1e400"), "counters.latency.edges_ms"),
    "edges-of-ages": Lie(latency(edges_ms=[1.0, 5.0, 50.0, 1e300]), "counters.latency.edges_ms"),
    "edges-too-many": Lie(
        latency(edges_ms=[float(n) for n in range(600)], counts=[0] * 601), "counters.latency.edges_ms"
    ),
    # what is under way
    "inflight-1e300": Lie(top(oldest_inflight_s=1e300), "oldest_inflight_s: Expected `float` <= 1"),
    "inflight-beyond-floats": Lie(literal('_s": 0.0', '_s": 1e400'), "oldest_inflight_s: "),
    "inflight-1e15": Lie(top(oldest_inflight_s=1e15), "oldest_inflight_s: "),
    "inflight-below-nothing": Lie(top(oldest_inflight_s=-1.0), "oldest_inflight_s: "),
    "inflight-as-text": Lie(top(oldest_inflight_s="long"), "oldest_inflight_s: "),
    "inflight-without-number": Lie(literal('_s": 0.0', '_s": NaN'), "no JSON: "),
    # memory
    "memory-1e300": Lie(top(memory_bytes=1e300), "memory_bytes: "),
    "memory-below-nothing": Lie(top(memory_bytes=-1), "memory_bytes: "),
    "memory-beyond-64-bits": Lie(top(memory_bytes=2**70), "memory_bytes: "),
    # predictions
    "predictions-near-2-62": Lie(predictions(count=HUGE), "counters.predictions.count: "),
    "predictions-more-than-counted": Lie(
        predictions(count=1, edges=[0.5], counts=[5, 5]), "counters.predictions: counts has 10 predictions"
    ),
    "predictions-squares-below-nothing": Lie(predictions(sum_squares=-4.0), "counters.predictions: "),
    "predictions-without-spread": Lie(predictions(sum=1e6, sum_squares=1.0), "counters.predictions: "),
    "predictions-counts-alone": Lie(predictions(counts=[1]), "counters.predictions: counts needs edges"),
    "predictions-edges-fall": Lie(
        predictions(edges=[2.0, 1.0], counts=[1, 1, 1]), "counters.predictions: edges has to ascend"
    ),
    "predictions-edges-1e300": Lie(predictions(edges=[1.0, 1e300], counts=[1, 1, 1]), "counters.predictions.edges"),
    # the model's own baseline
    "baseline-mean-1e300": Lie(baseline(mean=1e300), "baseline.mean: "),
    "baseline-spread-below-nothing": Lie(baseline(sd=-1.0), "baseline.sd: "),
    "baseline-spread-1e300": Lie(baseline(sd=1e300), "baseline.sd: "),
    "baseline-counts-below-nothing": Lie(baseline(counts=[-1, 2]), "baseline.counts"),
    "baseline-edges-fall": Lie(baseline(edges=[2.0, 1.0], counts=[1, 1, 1]), "baseline: edges has to ascend"),
    "baseline-as-text": Lie(top(baseline="fine"), "baseline: "),
    # who it is
    "another-pod": Lie(top(pod_uid="somebody-else"), OTHER + r" \(uid somebody-else\)"),
    "no-pod": Lie(top(pod_uid=""), OTHER + r" \(uid missing\)"),
    "pod-left-out": Lie(without("pod_uid"), ".*missing required field `pod_uid`"),
    "pod-of-300-characters": Lie(top(pod_uid="u" * 300), "pod_uid: "),
    "pod-with-escapes": Lie(top(pod_uid="\x1b[2J\x1b]0;root\x07\u202e\u200b"), OTHER + r" \(uid \\x1b\[2J"),
    "instance-empty": Lie(top(instance=""), "instance: "),
    "instance-of-1000-characters": Lie(top(instance="i" * 1000), "instance: "),
    "instance-as-number": Lie(top(instance=17), "instance: "),
    # other documents
    "nothing": Lie(always(Said()), "no JSON: "),
    "a-page": Lie(always(Said(b"<html>ok</html>")), "no JSON: "),
    "a-list": Lie(always(Said(b"[]")), "Expected `object`, got `array`"),
    "a-deep-one": Lie(always(Said(b'{"a":' + b"[" * 50_000)), "it is nested too deeply"),
    "cut-off": Lie(lambda honest, _: Said(json.dumps(honest).encode()[:-9]), "no JSON: "),
    "no-text": Lie(always(Said(b'{"instance": "\xff\xfe"}')), "no JSON: "),
    "half-a-character": Lie(always(Said(b'{"instance": "\\ud800"}')), "no JSON: "),
    "packed": Lie(
        lambda honest, _: Said(gzip.compress(json.dumps(honest).encode()), headers=("Content-Encoding: gzip",)),
        "no JSON: ",
    ),
    "a-megabyte-of-blanks": Lie(lambda honest, _: Said(json.dumps(honest).encode() + MEGABYTE), LONG),
    "a-megabyte-of-numbers": Lie(always(Said(b'{"a":[' + b"1," * 2**19 + b"1]}")), LONG),
    # other answers
    "status-404": Lie(lambda honest, _: Said(json.dumps(honest).encode(), "404 Not Found"), "status 404"),
    "status-503": Lie(lambda honest, _: Said(json.dumps(honest).encode(), "503 Stuck"), "status 503"),
    "status-204": Lie(always(Said(raw=b"HTTP/1.1 204 No Content\r\n\r\n")), "status 204"),
    "a-redirect": Lie(
        always(Said(b"", "302 Found", ("Location: http://127.0.0.1:1/?X-Amz-Signature=secret",))), "status 302"
    ),
    "another-protocol": Lie(always(Said(raw=b"SSH-2.0-OpenSSH_9.2\r\n")), "no HTTP: "),
    "a-line-without-end": Lie(
        always(Said(raw=b"HTTP/1.1 200 OK\r\nX: ", endless=b"x" * 4096)), r"no HTTP|more than \d+ bytes"
    ),
    "header-lines-without-end": Lie(
        always(Said(raw=b"HTTP/1.1 200 OK\r\n", endless=b"X-A: b\r\n" * 512)), r"no HTTP|more than \d+ bytes"
    ),
    "interim-answers-without-end": Lie(
        always(Said(raw=b"", endless=b"HTTP/1.1 100 Continue\r\n\r\n" * 64)), r"no HTTP|more than \d+ bytes"
    ),
    "a-body-without-end": Lie(
        always(Said(raw=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", endless=b" " * 4096)), LONG
    ),
    "pieces-of-one-byte-without-end": Lie(
        always(Said(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", endless=b"1\r\n \r\n" * 512)), LONG
    ),
    "half-of-what-it-promised": Lie(always(Said(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}")), "no HTTP: "),
    "no-answer": Lie(always(Said(raw=b"", hangs=True)), SILENT),
    "no-end-of-an-answer": Lie(
        always(Said(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", hangs=True)), SILENT
    ),
    "hangs-up": Lie(always(Said(raw=b"")), UNREACHED + "it hung up without an answer"),
    # one answer after the other
    "requests-that-fall": Lie(over_time(_falling("requests")), SELF + "requests fell from "),
    "errors-that-fall": Lie(over_time(_falling("errors")), SELF + "errors fell from "),
    "refusals-that-fall": Lie(over_time(_falling("refusals")), SELF + "refusals fell from "),
    "buckets-that-fall": Lie(over_time(_buckets_fall), SELF + "latency.counts fell"),
    "requests-that-leap": Lie(over_time(_leaps), SELF + "requests rose by 1000000000 in "),
}


Answer = Callable[[str], Said]
"""From the head of a request."""


class Server:
    """Serves on two ports until it is cancelled."""

    def __init__(self, uid: str, lie: str = "", *, fails: bool = False) -> None:
        self.counts = Counts(uid=uid)
        self.fails = fails
        self.lie = lie
        self._told = 0
        self._listening: list[asyncio.Server] = []
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self, host: str | None, port: int, health_port: int) -> None:
        self._listening = [
            await asyncio.start_server(self._serve, host, port),
            await asyncio.start_server(self._tell, host, health_port),
        ]

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(one.sockets[0].getsockname()[1] for one in self._listening)

    async def stop(self) -> None:
        for one in self._listening:
            one.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def say(self) -> Said:
        """What the operator is told now."""
        self._told += 1
        honest = self.counts.document()
        return LIES[self.lie].tell(honest, self._told) if self.lie else _body(honest)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._talk(reader, writer, self._predict)

    def _predict(self, head: str) -> Said:
        if not head.startswith("POST "):
            return Said(b"{}")
        self.counts.requests += 1
        self.counts.errors += self.fails
        return Said(b'{"error": "it failed"}', "500 Failed") if self.fails else Said(b'{"prediction": 1}')

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._talk(reader, writer, self._health)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)
        try:
            await _each(reader, writer, answer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _health(self, head: str) -> Said:
        method, path, *_ = head.split(" ", 2)
        if method == "PUT" and path.startswith("/lie/"):
            self.lie, self._told = path.removeprefix("/lie/"), 0
            return Said(b"{}")
        if "user-agent: modelrollout" in head.lower():
            return self.say()
        return _body(self.counts.document())


async def _each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Answer one request after the other on a connection."""
    with suppress(OSError, asyncio.IncompleteReadError, ValueError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            await reader.readexactly(_length(head))
            said = answer(head)
            writer.write(said.wire())
            await writer.drain()
            while said.endless:
                writer.write(said.endless)
                await writer.drain()
            if said.hangs:
                await reader.read()  # until the other side has had enough
            if said.raw is not None or "connection: close" in head.lower():
                break


def _length(head: str) -> int:
    lines = (line.partition(":") for line in head.split("\r\n"))
    return next((int(value) for name, _, value in lines if name.lower() == "content-length"), 0)


async def main() -> None:
    """Serve until SIGTERM, which a container's first process gets only if it asks for it."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server = Server(os.environ.get("POD_UID", ""), os.environ.get("LIE", ""), fails=bool(os.environ.get("FAILS")))
    port, health_port = os.environ.get("PORTS", "8080 8081").split()
    await server.start(os.environ.get("HOST"), int(port), int(health_port))
    print(*server.ports, flush=True)  # noqa: T201  # whoever asked for any free ports reads them
    await ended.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
