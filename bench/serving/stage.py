"""Servers as process trees on one core: started once, stopped (SIGSTOP) while others are measured."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.serving.peers import REQUIREMENTS, Start

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelrollout" / "bench-serving"
FIRST_PORT = 21_000
SERVER_CORE, CLIENT_CORE = 0, 1
PATIENCE_S, LOOK_EVERY_S = 180.0, 0.01


@dataclass(frozen=True, slots=True)
class Tree:
    """A server's processes: the one that was started and its descendants, which may lead groups of their own."""

    process: "subprocess.Popen[bytes]"
    start: Start
    port: int
    seconds_to_ready: float

    def send(self, number: signal.Signals) -> None:
        for pid in _descent(self.process.pid):
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.kill(pid, number)

    def end(self) -> None:
        self.send(signal.SIGSTOP)  # or a parent would replace what is killed before itself
        self.send(signal.SIGKILL)
        self.process.wait()


def _descent(root: int) -> list[int]:
    """The process and everything below it, parents first."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


@contextmanager
def awake(tree: Tree) -> Iterator[None]:
    tree.send(signal.SIGCONT)
    try:
        yield
    finally:
        tree.send(signal.SIGSTOP)


def raise_curtain(start: Start, port: int, core: int, log: Path) -> Tree:
    """Start the server pinned to the core and wait until it answers.

    Raises:
        RuntimeError: with its log, if it does not; or something else listens on its port.
    """
    _check_free(port)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **start.environment}
    began = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *start.arguments],
            env=environment, cwd=log.parent, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    tree = Tree(process, start, port, 0.0)
    while not _answers(port, start.ready):
        if process.poll() is not None or time.monotonic() - began > PATIENCE_S:
            tree.end()
            raise RuntimeError(f"{' '.join(start.arguments)} is not ready:\n{log.read_text()[-2000:]}")
        time.sleep(LOOK_EVERY_S)
    return replace(tree, seconds_to_ready=time.monotonic() - began)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise RuntimeError(f"port {port} is taken: something else would be measured")


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004
    except (OSError, urllib.error.URLError):
        return False


def end_on_sigterm() -> None:
    """Let a SIGTERM end the measurement as an error would, so that no server and no folder is left behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))


def install(venvs: Path, names: Iterable[str] = REQUIREMENTS) -> None:
    """Make each of these virtual environments that is not there yet, with bytecode as in an image."""
    for name, requirements in ((name, REQUIREMENTS[name]) for name in names):
        python = venvs / name / "bin" / "python"
        if python.exists():
            continue
        print(f"installing {name}: {' '.join(requirements)}", flush=True)
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", str(venvs / name)], check=True)
        install = [*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
        subprocess.run([*install, *requirements], check=True)
