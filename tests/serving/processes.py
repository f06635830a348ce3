"""A real server process on loopback, and clients that keep their connections."""

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

SERVING_IMAGE = Path(__file__).parents[2] / "serving-image"
LOOPBACK = "127.0.0.1"
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Running:
    process: "subprocess.Popen[str]"
    port: int
    health_port: int

    def health(self) -> Any:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.health_port}/health", timeout=5) as response:
            return json.load(response)

    def ready(self) -> bool:
        return self._answers("/ready")

    def alive(self) -> bool:
        return self._answers("/health")

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.health_port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    def until(self, wanted: Any) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not wanted():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"it never came true; {self.process.poll()=}")
            time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def command(uri: object, **environment: str) -> tuple[list[str], dict[str, str]]:
    port, health_port = str(free_port()), str(free_port())
    own = {"MODEL_URI": str(uri), "MODEL_HOST": LOOPBACK, "MODEL_PORT": port, "MODEL_HEALTH_PORT": health_port}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return [sys.executable, "-m", "modelserver"], {**kept, "PYTHONPATH": str(SERVING_IMAGE), **own, **environment}


@contextmanager
def running(uri: object, prefix: tuple[str, ...] = (), /, **environment: str) -> Iterator[Running]:
    """A server that is ready; ended, if it still runs, at the end."""
    with started(uri, prefix, **environment) as server:
        server.until(server.ready)
        yield server


@contextmanager
def started(uri: object, prefix: tuple[str, ...] = (), /, **environment: str) -> Iterator[Running]:
    """A server that may not be ready yet; `prefix` is a program that runs it, such as prlimit."""
    arguments, variables = command(uri, MODEL_TERMINATION_LOG="/dev/null", **environment)
    with subprocess.Popen([*prefix, *arguments], env=variables, stderr=subprocess.PIPE, text=True) as process:
        server = Running(process, int(variables["MODEL_PORT"]), int(variables["MODEL_HEALTH_PORT"]))
        try:
            yield server
        finally:
            process.kill()


class LostError(Exception):
    """A request was sent and no whole answer came back."""


@dataclass
class Answer:
    status: int
    closes: bool
    body: bytes


class KeepAlive:
    """One connection, used until an answer or the server's end says otherwise."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self._streams is not None and not self._streams[0].at_eof()

    async def post(self, path: str, body: bytes) -> Answer:
        """Send one request and read its answer.

        Raises:
            LostError: the connection ended before the answer did.
        """
        if self._streams is None or not self.connected:
            await self.close()
            self._streams = await asyncio.open_connection(LOOPBACK, self._port)
        reader, writer = self._streams
        try:
            writer.write(
                b"POST %s HTTP/1.1\r\nhost: s\r\ncontent-length: %d\r\n\r\n" % (path.encode(), len(body)) + body
            )
            answer = await _read(reader)
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise LostError(repr(error)) from error
        if answer.closes:
            await self.close()
        return answer

    async def close(self) -> None:
        if self._streams is not None:
            writer = self._streams[1]
            self._streams = None
            writer.close()
            with suppress(OSError):  # the server was faster
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(head[0].split()[1]), headers.get("connection") == "close", body)
