"""The control groups of the cluster's pods: one folder of our name in every hierarchy (version 1) or in the one (2)."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localcluster.places import CGROUP
from localcluster.shell import wait_until

ROOT = Path("/sys/fs/cgroup")


def hierarchies(root: Path = ROOT) -> tuple[Path, ...]:
    """Answer the mount points of the hierarchies that hold our folder."""
    if (root / "cgroup.controllers").exists():
        return (root,)
    return tuple(sorted(path for path in root.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink()))


def add_groups() -> None:
    for hierarchy in hierarchies():
        (hierarchy / CGROUP).mkdir(exist_ok=True)
    unified = ROOT / "cgroup.subtree_control"
    if unified.exists():
        for controller in (ROOT / "cgroup.controllers").read_text().split():
            with suppress(OSError):
                unified.write_text(f"+{controller}")


def our_groups(root: Path = ROOT) -> tuple[Path, ...]:
    """Answer our folders and all below them, the deepest first."""
    tops = (hierarchy / CGROUP for hierarchy in hierarchies(root)) if root.exists() else ()
    return tuple(group for top in tops if top.exists() for group in _deepest_first(top))


def _deepest_first(top: Path) -> tuple[Path, ...]:
    return tuple(Path(folder) for folder, _, _ in os.walk(top, topdown=False))


def pod_pids() -> set[int]:
    """Every process inside our groups: all the pods' processes, whatever started them."""
    return _pids(our_groups())


def _pids(groups: Iterable[Path]) -> set[int]:
    pids: set[int] = set()
    for group in groups:
        with suppress(OSError):
            pids |= {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
    return pids


def kill_pod(uid: str, root: Path = ROOT) -> None:
    """Kill one pod's processes at once, as no request can: whoever is deleted by force still gets 2 s.

    What the kubelet makes of it is its own affair: it starts the containers again.
    """
    _signal(uid, signal.SIGKILL, root)


@contextmanager
def stopped_pod(uid: str, root: Path = ROOT) -> Iterator[None]:
    """Run a block while one pod's processes stand still (SIGSTOP)."""
    _signal(uid, signal.SIGSTOP, root)
    try:
        yield
    finally:
        _signal(uid, signal.SIGCONT, root)


def _signal(uid: str, what: signal.Signals, root: Path) -> None:
    for pid in _pids([group for group in our_groups(root) if f"pod{uid}" in group.parts]):
        with suppress(ProcessLookupError):
            os.kill(pid, what)


def kill_pods() -> None:
    """Kill until nobody is left: a process may fork while the list is read."""
    wait_until(_killed_all, "the pods' processes have ended", seconds=20)


def _killed_all() -> bool:
    pids = pod_pids()
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not pids


def remove_groups() -> None:
    for group in our_groups():
        with suppress(OSError):
            group.rmdir()
