"""Runs the suites in order, prints the minutes of each beside its budget, and leaves nothing running.

Only the standard library and the environment that `make install` made. `KEEP=1` keeps the cluster. The last lines are
a table and "N passed, N failed, N skipped".
"""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
CLUSTER = [os.environ.get("PYTHON", "python3"), "local-cluster/cluster.py"]
PYTEST = [PYTHON, "-m", "pytest", "-q"]
FOUR = ("-n", "4", "--dist=worksteal")
SLOWEST = ("--durations=10", "--durations-min=20")


@dataclass(frozen=True, slots=True)
class Suite:
    """One line of the table: commands run one after the other."""

    name: str
    budget_minutes: int
    commands: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(slots=True)
class Result:
    suite: Suite
    minutes: float
    ok: bool
    count: Count = field(default_factory=Count)


def pytest(*arguments: str) -> tuple[str, ...]:
    return (*PYTEST, *arguments)


CHECKS = Suite("lint, types, layers, generated files", 3, (("make", "lint", "types", "layers", "verify"),))
FAST = Suite(
    "fast tests", 8, (pytest("-n", "2", "-m", "not cluster and not long", "--ignore", "tests/serving", "tests"),)
)
SERVING = Suite("serving image", 6, (pytest("-m", "not cluster and not long", "tests/serving"),))
FRESH = """test "$CLUSTER" = current || {
  python3 local-cluster/cluster.py status >/dev/null 2>&1 || python3 local-cluster/cluster.py down --force
}"""
"""What is left of a cluster whose processes are gone is no place for tests: take it away first."""
UP = Suite("cluster and images", 14, (("sh", "-c", FRESH), (*CLUSTER, "up"), (*CLUSTER, "image")))
DOWN = Suite("cluster taken away", 1, ((*CLUSTER, "down"),))
END_TO_END = Suite(
    "end to end",
    14,
    (
        pytest(*FOUR, *SLOWEST, "-m", "cluster and not kills and not alone and not long", "tests/e2e"),
        pytest("-m", "cluster and not long", "tests/contract"),
    ),
)
QUIET = ("tests/e2e/test_stories.py", "tests/e2e/test_registries.py")
"""What is disturbed by others, or would disturb them, without a fault in it."""
FAULTS = Suite(
    "faults",
    8,
    (
        pytest("-n", "2", "--dist=loadfile", *SLOWEST, "-m", "cluster and kills and not long", "tests/e2e"),
        pytest(*SLOWEST, "-m", "cluster and alone and not long", *(f"--ignore={file}" for file in QUIET), "tests/e2e"),
    ),
)
COMPARED = Suite(
    "compared latencies, a registry", 5, (pytest(*SLOWEST, "-m", "cluster and alone and not long", *QUIET),)
)
LONG_FAST = Suite("long without a cluster", 15, (pytest("-n", "2", "-m", "long and not cluster", "tests"),))
LONG = Suite("long end to end", 70, (pytest("-m", "cluster and long", "tests/e2e"),))
BENCH = Suite("fault to safe", 20, ((PYTHON, "bench/fault_to_safe.py"),))
MINUTES = os.environ.get("MINUTES", "120")
SOAKING = (PYTHON, "-m", "soak", "--minutes", MINUTES, "--seed", os.environ.get("SEED", "1"))
SOAK = Suite("soak", round(float(MINUTES)) + 15, (("env", "PYTHONPATH=local-cluster:tests", *SOAKING),))
DEMO = Suite("demo", 6, ((PYTHON, "examples/demo/demo.py"),))

PLANS = {
    "test": (CHECKS, FAST, SERVING, UP, END_TO_END, FAULTS, COMPARED),
    "long": (LONG_FAST, UP, LONG),
    "bench": (UP, BENCH),
    "soak": (UP, SOAK),
    "demo": (UP, DEMO),
}


def run(suite: Suite, reports: Path) -> Result:
    """Run one suite; its pytest commands write what they counted into `reports`."""
    print(f"\n== {suite.name}", flush=True)
    began = time.monotonic()
    count = Count()
    ok = True
    for index, command in enumerate(suite.commands):
        report = reports / f"{suite.name.replace(' ', '-').replace(',', '')}-{index}.xml"
        counted = (*command, f"--junit-xml={report}") if "pytest" in command else command
        passed = subprocess.run(counted, cwd=ROOT, check=False).returncode == 0
        _add(count, report)
        ok = ok and passed
        if not passed and "pytest" not in command:
            break
    return Result(suite, (time.monotonic() - began) / 60, ok, count)


def take_down() -> Result:
    """Leave no cluster behind. A program that is still connected was left by a test, which fails the plan."""
    result = run(DOWN, ROOT)
    if not result.ok:
        subprocess.run((*CLUSTER, "down", "--force"), cwd=ROOT, check=False)
    return result


def _add(count: Count, report: Path) -> None:
    if not report.exists():
        return
    for suite in ET.parse(report).iter("testsuite"):  # noqa: S314  # our own report, written a moment ago
        total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        count.failed += failed
        count.skipped += skipped
        count.passed += total - failed - skipped


def show(results: list[Result]) -> None:
    print(f"\n{'suite':40} {'minutes':>8} {'budget':>7} {'passed':>7} {'failed':>7} {'skipped':>8}")
    for one in results:
        late = "  over its budget" if one.minutes > one.suite.budget_minutes else ""
        state = "" if one.ok else "  FAILED"
        print(
            f"{one.suite.name:40} {one.minutes:8.1f} {one.suite.budget_minutes:7} {one.count.passed:7} "
            f"{one.count.failed:7} {one.count.skipped:8}{late}{state}"
        )
    print(f"{'all':40} {sum(one.minutes for one in results):8.1f}")
    counts = [one.count for one in results]
    passed, failed = sum(one.passed for one in counts), sum(one.failed for one in counts)
    print(f"{passed} passed, {failed} failed, {sum(one.skipped for one in counts)} skipped", flush=True)


def main(plan: str) -> int:
    results: list[Result] = []
    complete = False
    touched_cluster = False
    try:
        with tempfile.TemporaryDirectory() as folder:
            for suite in PLANS[plan]:
                touched_cluster = touched_cluster or suite is UP
                results.append(run(suite, Path(folder)))
                if not results[-1].ok:
                    break
            else:
                complete = True
    except KeyboardInterrupt:
        print("\ninterrupted", flush=True)
    finally:
        if touched_cluster and os.environ.get("KEEP") != "1":
            results.append(take_down())
        if plan != "demo":
            show(results)
    return 0 if complete and all(one.ok for one in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
