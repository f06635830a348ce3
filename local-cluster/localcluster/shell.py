"""Runs the machine's own programs and turns their failures into sentences."""

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from localcluster.saying import ClusterError

LINES_OF_A_FAILURE = 12


def run(argv: Sequence[str | Path], *, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Answer what the program wrote to stdout; raises ClusterError with the last lines it wrote when it fails."""
    command = [str(word) for word in argv]
    try:
        done = subprocess.run(command, input=stdin, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ClusterError(f"the program {command[0]} is not installed") from error
    if done.returncode != 0:
        raise ClusterError(describe_failure(command, done.returncode, done.stdout + done.stderr))
    return done.stdout


def try_run(argv: Sequence[str | Path]) -> str | None:
    """Answer the program's stdout, or None where it fails or does not exist."""
    try:
        return run(argv)
    except ClusterError:
        return None


def describe_failure(command: Sequence[str], code: int, output: str) -> str:
    tail = "\n".join(f"    {line}" for line in output.strip().splitlines()[-LINES_OF_A_FAILURE:])
    return f"`{' '.join(command[:6])}` ended with {code}:\n{tail}" if tail else f"`{command[0]}` ended with {code}"


def have(program: str) -> bool:
    return shutil.which(program) is not None


def wait_until(is_so: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    """Return as soon as `is_so()`; raises ClusterError naming `what` when it has not come true in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not after {seconds:.0f} s")
        time.sleep(0.1)
