"""Compare: `python -m bench.serving [--minutes 25] [--rounds 5] [--server NAME ...] [--write]`.

All servers are started once, each pinned to the same core; in every round each one in turn is woken, loaded from the
other core, and put to sleep. Rounds are interleaved, so that what else the machine does hits all of them alike. No
round begins that would not end within the time.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.serving import material as materials
from bench.serving.document import Section
from bench.serving.load import Request, closed_loop, open_loop
from bench.serving.peers import OURS, OURS_ONNX, STARTS, Place
from bench.serving.report import BRISK_RPS, SLOW_RPS, Measured, Results, lines
from bench.serving.stage import (
    CACHE,
    CLIENT_CORE,
    FIRST_PORT,
    SERVER_CORE,
    Tree,
    awake,
    end_on_sigterm,
    install,
    raise_curtain,
)

SECTION = Section("bench-serving")
WARM_S, CLOSED_S = 1, 2  # wrk counts whole seconds
SLOW_S, BRISK_S = 2.0, 1.0
Key = tuple[str, str]


def main() -> int:
    options = _options()
    end_on_sigterm()
    if shutil.which("wrk") is None or shutil.which("taskset") is None:
        print("wrk and taskset have to be on PATH; Debian's packages wrk and util-linux have them", file=sys.stderr)
        return 2
    deadline = time.monotonic() + options.minutes * 60
    install(CACHE / "venvs")
    results: Results = {}
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        material = materials.make(Path(folder) / "models")
        with _stage(material, Path(folder), options.server or list(STARTS)) as trees:
            os.sched_setaffinity(0, {CLIENT_CORE})
            rounds = _rounds(trees, material, results, (options.rounds, deadline))
    told = lines(results, _heading(rounds))
    print("\n".join(told))
    if options.write:
        SECTION.write(told)
    return 1 if any(measured.failed for (_, server), measured in results.items() if server in {OURS, OURS_ONNX}) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=25.0, help="no round begins that would end later")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", action="append", choices=list(STARTS), help="only this one; may be given again")
    parser.add_argument("--write", action="store_true", help="write the table to docs/performance.md")
    return parser.parse_args()


@contextmanager
def _stage(material: materials.Material, folder: Path, servers: list[str]) -> Iterator[dict[Key, Tree]]:
    trees: dict[Key, Tree] = {}
    try:
        for number, (model, server) in enumerate((model, server) for model in materials.MODELS for server in servers):
            work = folder / str(number)
            work.mkdir()
            port = FIRST_PORT + 10 * number
            start = STARTS[server](Place(material, CACHE / "venvs", work), model, port)
            tree = trees[model, server] = raise_curtain(start, port, SERVER_CORE, work / "log")
            print(f"{server}, {model}: ready after {tree.seconds_to_ready:.1f} s", flush=True)
            with awake(tree):
                pass
        yield trees
    finally:
        for tree in trees.values():
            tree.end()


def _rounds(trees: dict[Key, Tree], material: materials.Material, results: Results, bounds: tuple[int, float]) -> int:
    most, deadline = bounds
    bodies, longest = materials.bodies(material.row), 0.0
    for done in range(most):
        began = time.monotonic()
        if began + longest > deadline:
            return done
        for key, tree in trees.items():
            measured = results.setdefault(key, Measured(tree.seconds_to_ready))
            request = Request(tree.port, tree.start.path, bodies[tree.start.body])
            with awake(tree):
                _measure(request, measured, material.folder)
        longest = time.monotonic() - began
        print(f"round {done + 1}: {longest:.0f} s", flush=True)
    return most


def _measure(request: Request, measured: Measured, folder: Path) -> None:
    prefix = ("taskset", "-c", str(CLIENT_CORE))
    closed_loop(request, WARM_S, folder, prefix)
    measured.closed.append(closed_loop(request, CLOSED_S, folder, prefix))
    for rps, seconds in ((SLOW_RPS, SLOW_S), (BRISK_RPS, BRISK_S)):
        measured.opened[rps].append(open_loop(request, rps, seconds))


def _heading(rounds: int) -> list[str]:
    return [
        "## The serving image beside other servers",
        "",
        "    make bench-serving",
        "",
        (
            f"{rounds} interleaved rounds, medians; {os.cpu_count()} cores, {platform.machine()}, Python "
            f"{platform.python_version()}. Every server has one core and one row per request, request logs off; load "
            "comes from the other core. Requests/s and the first latencies: wrk, 16 connections, closed loop. The "
            "others: open loop, latencies from when a request was due. Versions and settings: bench/serving/peers.py. "
            "This image runs with validation, /health counters and /metrics on."
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
