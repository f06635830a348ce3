"""Two sorts of load on one server: as fast as 16 connections can, by wrk; and so many requests a second, open loop."""

import asyncio
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
OPEN_CONNECTIONS = 8
"""Kept connections of the open loop; a request that finds all of them busy waits, and its wait counts."""
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Request:
    port: int
    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    rps: float
    p50_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True, slots=True)
class Opened:
    latencies_ms: tuple[float, ...]
    failed: int


def closed_loop(request: Request, seconds: int, folder: Path, prefix: Sequence[str]) -> Closed:
    """Let wrk ask over 16 connections, each as soon as it has its answer; prefix pins it to its core."""
    script = folder / "wrk.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\n'
        f"wrk.body = [==[{request.body.decode()}]==]\n"
    )
    address = f"http://127.0.0.1:{request.port}{request.path}"
    arguments = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), address]
    return read_wrk(subprocess.run([*prefix, *arguments], capture_output=True, text=True, check=True).stdout)


def read_wrk(told: str) -> Closed:
    """What wrk printed, as numbers."""
    failed = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", told))
    failed += sum(
        int(number) for line in re.findall(r"Socket errors: (.*)", told) for number in re.findall(r"\d+", line)
    )
    rps = float(re.findall(r"Requests/sec:\s+([\d.]+)", told)[0])
    return Closed(rps, _quantile(told, "50"), _quantile(told, "99"), failed)


def _quantile(told: str, percent: str) -> float:
    ((number, unit),) = re.findall(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", told)
    return float(number) * UNITS[unit]


def open_loop(request: Request, rps: float, seconds: float) -> Opened:
    """Send a request every 1/rps seconds whatever the answers do; latencies count from when each was due."""
    return asyncio.run(_open_loop(request, rps, seconds))


async def _open_loop(request: Request, rps: float, seconds: float) -> Opened:
    due: asyncio.Queue[float | None] = asyncio.Queue()
    latencies: list[float] = []
    failures: list[str] = []
    workers = [asyncio.create_task(_worker(request, due, latencies, failures)) for _ in range(OPEN_CONNECTIONS)]
    began = time.perf_counter()
    for number in range(int(rps * seconds)):
        at = began + number / rps
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait(at)
    for _ in workers:
        due.put_nowait(None)
    await asyncio.gather(*workers)
    return Opened(tuple(latencies), len(failures))


async def _worker(
    request: Request, due: "asyncio.Queue[float | None]", latencies: list[float], failures: list[str]
) -> None:
    head = (
        f"POST {request.path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(request.body)}\r\n\r\n"
    )
    whole = head.encode() + request.body
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while (at := await due.get()) is not None:
        try:
            streams = streams or await asyncio.open_connection("127.0.0.1", request.port)
            streams[1].write(whole)
            status, closes = await _answer(streams[0])
        except (OSError, asyncio.IncompleteReadError) as error:
            failures.append(repr(error))
            streams = None
            continue
        latencies.append((time.perf_counter() - at) * 1000)
        if status != 200:  # noqa: PLR2004
            failures.append(str(status))
        if closes:
            streams[1].close()
            streams = None
    if streams:
        streams[1].close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = re.search(rb"content-length: (\d+)", head)
    if length is None:
        raise OSError("an answer without a length")
    await reader.readexactly(int(length[1]))
    return int(head[9:12]), b"connection: close" in head
