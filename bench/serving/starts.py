"""Start to ready, beside what scikit-learn alone takes: `python -m bench.serving.starts [--starts 9] [--write]`.

Everything is pinned to one core and started in turn; a start ends when the server answers 200 at /ready. CPU time is of
the process tree until then. With --image the servers are those of localhost/modelrollout-server:dev (`make image`),
with its Python and bytecode, in its root file system; that needs root. With --against CHECKOUT the server of another
checkout takes turns with this one's.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from bench.serving import material as materials
from bench.serving.document import Section
from bench.serving.peers import IMAGE, OURS, OURS_ONNX, PLAIN, STARTS, Place, Start
from bench.serving.rootfs import inside, unpacked
from bench.serving.stage import CACHE, FIRST_PORT, SERVER_CORE, end_on_sigterm, install, raise_curtain

MODEL = "logistic"
ALONE = "import sklearn.linear_model"
SECTION = Section("starts")


@dataclass(slots=True)
class Taken:
    """All starts of one thing, in seconds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def main() -> int:
    options = _options()
    end_on_sigterm()
    install(CACHE / "venvs", (IMAGE,))
    with tempfile.TemporaryDirectory(prefix="starts-") as folder:
        place = Place(materials.make(Path(folder) / "models"), CACHE / "venvs", Path(folder))
        found = _timed(_things(place, options), place, options.starts)
    told = lines(found, options.starts, "in the image" if options.image else "in an environment like the image's")
    print("\n".join(told))
    if options.write:
        SECTION.write(told)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.serving.starts", description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=9, help="of each")
    parser.add_argument("--image", action="store_true", help="of the built image instead of an environment like it")
    parser.add_argument("--against", type=Path, help="another checkout, whose server takes turns with this one's")
    parser.add_argument("--write", action="store_true", help="write the table to docs/performance.md")
    return parser.parse_args()


def _things(place: Place, options: argparse.Namespace) -> dict[str, Start]:
    alone = Start((place.python(IMAGE), "-c", f"import os; {ALONE}; os._exit(0)"), {}, "", "", "")
    things = {ALONE: alone, **{name: STARTS[name](place, MODEL, FIRST_PORT) for name in (OURS, OURS_ONNX)}}
    if options.image:
        root = unpacked(place)
        return {name: inside(root, start) for name, start in things.items()}
    if options.against:
        others = {"PYTHONPATH": str(options.against.resolve() / "serving-image")}
        for name in (OURS, OURS_ONNX):
            things[f"{name}, of {options.against}"] = replace(
                things[name], environment={**things[name].environment, **others}
            )
    return {**things, PLAIN: STARTS[PLAIN](place, MODEL, FIRST_PORT)}


def _timed(things: dict[str, Start], place: Place, starts: int) -> dict[str, Taken]:
    found = {name: Taken() for name in things}
    for number in range(-1, starts):
        for name, start in things.items():
            began, spent = time.monotonic(), _cpu_seconds()
            wall = _ready(start, place) if start.ready else _done(start, began)
            if number >= 0:  # the one before warms the disk's cache
                found[name].wall.append(wall)
                found[name].cpu.append(_cpu_seconds() - spent)
        print(f"start {number + 1} of each is done", flush=True)
    return found


def _ready(start: Start, place: Place) -> float:
    tree = raise_curtain(start, FIRST_PORT, SERVER_CORE, place.work / "log")
    tree.end()
    return tree.seconds_to_ready


def _done(start: Start, began: float) -> float:
    words = ["taskset", "-c", str(SERVER_CORE), *start.arguments]
    subprocess.run(words, env={**os.environ, **start.environment}, check=True)
    return time.monotonic() - began


def _cpu_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def lines(found: dict[str, Taken], starts: int, where: str) -> list[str]:
    alone = median(found[ALONE].cpu)
    told = [
        f"{starts} starts of each in turn, {where}, on one core.",
        "",
        "| until /ready answers 200 | seconds: median (least to most) | CPU seconds | times the CPU of the first |",
        "|---|---|---|---|",
    ]
    for name, taken in found.items():
        wall = f"{median(taken.wall):.2f} ({min(taken.wall):.2f} to {max(taken.wall):.2f})"
        shown = f"`{name}` alone" if name == ALONE else name
        told.append(f"| {shown} | {wall} | {median(taken.cpu):.2f} | {median(taken.cpu) / alone:.2f} |")
    return told


if __name__ == "__main__":
    sys.exit(main())
