"""Starts the cluster's programs and finds them again.

Every program gets the cluster's folder in its environment, and its children inherit it. A process is ours when that
mark is there: a recycled pid carries none, a program that outlived a killed run still does. Signals go through a
pidfd that is opened before the mark is read, so the process that was checked is the one that is hit.
"""

import os
import select
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "MODELROLLOUT_CLUSTER_FOLDER"
PART = "MODELROLLOUT_CLUSTER_PART"


@dataclass(frozen=True, slots=True)
class Part:
    """One program of the cluster: its name in logs and in `status`, and how it is called."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Process:
    """A live process that carries our mark."""

    pid: int
    part: str
    program: str

    @property
    def is_part_itself(self) -> bool:
        """False for what a part has started, such as containerd's shims."""
        return self.program == self.part


def start(part: Part, folder: Path, logs: Path) -> None:
    """Start the part in its own session; it lives on when this command ends."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TZ")}
    pid = os.posix_spawnp(
        part.argv[0],
        part.argv,
        {**kept, MARK: str(folder), PART: part.name},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(logs / f"{part.name}.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    while os.waitpid(pid, os.WNOHANG) == (0, 0) and read_process(pid, folder) is None:
        time.sleep(0.005)  # the kernel shows a program's environment a moment after it has started


def find_ours(folder: Path) -> tuple[Process, ...]:
    """Every live process that was started for the cluster in `folder`."""
    seen = (read_process(int(entry.name), folder) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return tuple(process for process in seen if process is not None)


def folders_in_use() -> frozenset[str]:
    """Folders of all clusters of this project that have a live process, whoever started them."""
    folders = (marks_of(int(entry.name)).get(MARK) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return frozenset(folder for folder in folders if folder is not None)


def marks_of(pid: int) -> Mapping[str, str]:
    """The environment with which the process started, empty where it cannot be read."""
    try:
        return parse_environment(Path(f"/proc/{pid}/environ").read_bytes())
    except OSError:
        return {}


def read_process(pid: int, folder: Path) -> Process | None:
    """Answer the process when it carries our mark and is no zombie."""
    marks = marks_of(pid)
    if marks.get(MARK) != str(folder):
        return None
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    if not argv:
        return None
    return Process(pid, marks.get(PART, ""), program_name(argv))


def read_argv(pid: int) -> tuple[str, ...]:
    """The command line of a process, empty where there is none."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(raw.decode(errors="replace").removesuffix("\0").split("\0"))


def parse_environment(raw: bytes) -> Mapping[str, str]:
    """Read the format of /proc/PID/environ: NAME=value, each ended by a zero byte."""
    pairs = (entry.partition("=") for entry in raw.decode(errors="replace").split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def program_name(argv: bytes) -> str:
    """Read the last part of the program's path out of /proc/PID/cmdline."""
    return argv.split(b"\0", 1)[0].decode(errors="replace").rsplit("/", 1)[-1]


def kill_ours(folder: Path, pids: Iterable[int]) -> None:
    """Kill those of the pids that still carry our mark."""
    for pid in pids:
        with suppress(ProcessLookupError):
            _kill_marked(pid, folder)


def _kill_marked(pid: int, folder: Path, *, seconds: float = 0.0) -> bool:
    """Kill a process with our mark, and tell whether it has ended after so many seconds.

    Its pidfd tells when the last of its threads is gone. Until then it holds its ports, though /proc shows a zombie.
    """
    pidfd = os.pidfd_open(pid)
    try:
        if read_process(pid, folder) is None:
            return True
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return bool(select.select([pidfd], [], [], seconds)[0])
    finally:
        os.close(pidfd)


def end_ours(folder: Path, pid: int, seconds: float) -> bool:
    """Kill one of them and wait; answer whether nothing of it is left."""
    try:
        return _kill_marked(pid, folder, seconds=seconds)
    except ProcessLookupError:
        return True


def parts_running(processes: Sequence[Process]) -> Mapping[str, int]:
    """Name of each running part with its pid."""
    return {process.part: process.pid for process in processes if process.is_part_itself}
