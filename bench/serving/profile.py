"""Where the time of a predict request goes: `python -m bench.serving.profile [--seconds 20] [--write]`.

py-spy looks at the serving thread 200 times a second while wrk asks over 16 connections, as in the comparison. Each
sample belongs to the innermost of our own functions on its stack: what a library does belongs to whom it was done for.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.serving import material as materials
from bench.serving.document import Section
from bench.serving.load import Request, closed_loop
from bench.serving.peers import IMAGE, OURS, OURS_ONNX, PROFILER, STARTS, Place
from bench.serving.stage import (
    CACHE,
    CLIENT_CORE,
    FIRST_PORT,
    SERVER_CORE,
    Tree,
    end_on_sigterm,
    install,
    raise_curtain,
)

SAMPLES_PER_SECOND = 200
WARM_S, EDGE_S = 2, 1
SERVING_THREAD = "Serving.run ("
SECTION = Section("profile")

STAGES: dict[str, tuple[str, ...]] = {
    "the loop: waking up, reading from sockets, calling back (uvloop, C)": ("serving.py",),
    "HTTP: parsing heads, the exchange, writing to sockets": ("connections.py", "exchange.py", "httptools_impl.py"),
    "JSON to a row, and its validation": ("native.py:understand", "bodies.py"),
    "collecting a turn, building the array, dividing the answer": ("predict.py", "models.py", "asked.py"),
    "the model: scikit-learn or onnxruntime": ("estimators.py", "labels.py", "forests.py", "onnx_format.py"),
    "the answer: checks, probabilities by class, id, JSON": ("native.py", "scores.py"),
    "counters, latencies and drift for /health and /metrics": ("traffic.py", "buckets.py", "window.py"),
}
"""Files of `modelserver` (or one function of a file) by stage; the first that fits counts."""
ELSEWHERE = "elsewhere"


def main() -> int:
    options = _options()
    end_on_sigterm()
    install(CACHE / "venvs", (IMAGE, PROFILER))
    shares: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        place = Place(materials.make(Path(folder) / "models"), CACHE / "venvs", Path(folder))
        for server in (OURS, OURS_ONNX):
            for model in materials.MODELS:
                shares[f"{model}, {server}"] = _profiled(place, server, model, options.seconds)
    told = lines(shares)
    print("\n".join(told))
    if options.write:
        SECTION.write(told)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.serving.profile", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20, help="of each of the four")
    parser.add_argument("--write", action="store_true", help="write the table to docs/performance.md")
    return parser.parse_args()


def _profiled(place: Place, server: str, model: str, seconds: int) -> Counter[str]:
    start = STARTS[server](place, model, FIRST_PORT)
    tree = raise_curtain(start, FIRST_PORT, SERVER_CORE, place.work / "log")
    request = Request(FIRST_PORT, start.path, materials.bodies(place.material.row)[start.body])
    try:
        closed_loop(request, WARM_S, place.work, _pinned())
        load = threading.Thread(target=closed_loop, args=(request, seconds + 2 * EDGE_S, place.work, _pinned()))
        load.start()
        stacks = _sampled(place, tree, seconds)
        load.join()
    finally:
        tree.end()
    return stages(stacks.splitlines())


def _pinned() -> tuple[str, ...]:
    return ("taskset", "-c", str(CLIENT_CORE))


def _sampled(place: Place, tree: Tree, seconds: int) -> str:
    program, found = Path(place.python(PROFILER)).with_name("py-spy"), place.work / "stacks"
    options = ("--pid", tree.process.pid, "--duration", seconds, "--rate", SAMPLES_PER_SECOND, "--format", "raw")
    words = [*_pinned(), str(program), "record", *map(str, options), "--output", str(found)]
    subprocess.run(words, check=True, capture_output=True)
    return found.read_text()


def stages(stacks: Iterable[str]) -> Counter[str]:
    """Samples by stage; each line has its frames, outermost first, and how often they were seen."""
    found: Counter[str] = Counter()
    for line in stacks:
        frames, _, times = line.rpartition(" ")
        if SERVING_THREAD in frames:
            found[_stage(frames.split(";"))] += int(times)
    return found


def _stage(frames: Sequence[str]) -> str:
    for frame in reversed(frames):
        function, _, place = frame.partition(" (")
        file = place.partition(":")[0].rpartition("/")[2]
        own = "modelserver/" in place or file == "httptools_impl.py"
        for stage, parts in STAGES.items():
            if own and (file in parts or f"{file}:{function.rpartition('.')[2]}" in parts):
                return stage
    return ELSEWHERE


def lines(shares: dict[str, Counter[str]]) -> list[str]:
    """The table, in percent of each column's samples."""
    told = [f"| share of the serving thread's time | {' | '.join(shares)} |", "|---|" + "---|" * len(shares)]
    for stage in (*STAGES, ELSEWHERE):
        cells = [f"{found[stage] / max(1, found.total()):.0%}" for found in shares.values()]
        if any(found[stage] for found in shares.values()):
            told.append(f"| {stage} | {' | '.join(cells)} |")
    counted = " | ".join(f"{found.total():,}" for found in shares.values())
    return [*told, f"| samples | {counted} |"]


if __name__ == "__main__":
    sys.exit(main())
