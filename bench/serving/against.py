"""Compare this checkout's server with another checkout's: `python -m bench.serving.against CHECKOUT [--rounds 15]`.

Both have the same packages, models, core and load, in turn, a few seconds each, so that what else the machine does hits
both alike. The figure is the ratio of the medians; beside it stand the quartiles of the ratio within a round.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from bench.serving import material as materials
from bench.serving.load import Closed, Request, closed_loop
from bench.serving.peers import IMAGE, OURS, OURS_ONNX, STARTS, Place
from bench.serving.stage import CACHE, CLIENT_CORE, FIRST_PORT, SERVER_CORE, Tree, awake, install, raise_curtain

HERE, THERE = "this checkout", "the other"
Key = tuple[str, str]


def main() -> int:
    options = _options()
    if shutil.which("wrk") is None or shutil.which("taskset") is None:
        print("wrk and taskset have to be on PATH; Debian's packages wrk and util-linux have them", file=sys.stderr)
        return 2
    install(CACHE / "venvs", [IMAGE])
    failed = 0
    with tempfile.TemporaryDirectory(prefix="bench-against-") as folder:
        material = materials.make(Path(folder) / "models")
        for model in materials.MODELS:
            for server in (OURS, OURS_ONNX):
                with _pair(material, Path(folder), options.checkout, (model, server)) as trees:
                    failed += _compare(trees, material, options.rounds, (model, server))
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.serving.against", description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="a folder that holds serving-image/")
    parser.add_argument("--rounds", type=int, default=15)
    return parser.parse_args()


@contextmanager
def _pair(material: materials.Material, folder: Path, checkout: Path, key: Key) -> Iterator[dict[str, Tree]]:
    model, server = key
    trees: dict[str, Tree] = {}
    try:
        for number, which in enumerate((HERE, THERE)):
            work = folder / f"{model}-{server}-{number}".replace(" ", "-")
            work.mkdir()
            port = FIRST_PORT + 10 * number
            start = STARTS[server](Place(material, CACHE / "venvs", work), model, port)
            if which is THERE:
                environment = start.environment | {"PYTHONPATH": str(checkout.resolve() / "serving-image")}
                start = replace(start, environment=environment)
            trees[which] = raise_curtain(start, port, SERVER_CORE, work / "log")
            with awake(trees[which]):
                pass
        yield trees
    finally:
        for tree in trees.values():
            tree.end()


def _compare(trees: dict[str, Tree], material: materials.Material, rounds: int, key: Key) -> int:
    os.sched_setaffinity(0, {CLIENT_CORE})
    measured: dict[str, list[Closed]] = defaultdict(list)
    bodies, prefix = materials.bodies(material.row), ("taskset", "-c", str(CLIENT_CORE))
    for number in range(rounds + 1):  # the first one warms up
        for which in (HERE, THERE) if number % 2 else (THERE, HERE):
            tree = trees[which]
            request = Request(tree.port, tree.start.path, bodies[tree.start.body])
            with awake(tree):
                measured[which].append(closed_loop(request, 1, material.folder, prefix))
    rps = {which: [one.rps for one in many[1:]] for which, many in measured.items()}
    low, middle, high = quantiles([a / b for a, b in zip(rps[HERE], rps[THERE], strict=True)], n=4)
    mine, other = median(rps[HERE]), median(rps[THERE])
    print(
        f"{key[0]}, {key[1]}: {mine:,.0f} and {other:,.0f} requests/s, ratio {mine / other:.3f}; "
        f"within a round {middle:.3f} ({low:.3f} to {high:.3f}), {rounds} rounds",
        flush=True,
    )
    return sum(one.failed for many in measured.values() for one in many)


if __name__ == "__main__":
    sys.exit(main())
