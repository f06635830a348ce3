"""How much memory this process uses, and how much its container may."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

STATM = Path("/proc/self/statm")
MEMBERSHIP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")
NO_LIMIT = 1 << 60
"""cgroup v1 writes a number near 2^63 for "no limit", v2 the word max."""


def used_bytes() -> int:
    """Resident memory of this process."""
    try:
        pages = int(STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def limit_bytes(membership: Path = MEMBERSHIP, cgroups: Path = CGROUPS) -> int | None:
    """The container's limit, by cgroup v1 or v2, seen from inside or outside its namespace; None without one."""
    for file in _limit_files(membership, cgroups):
        try:
            text = file.read_text(encoding="ascii").strip()
        except OSError:
            continue
        limit = int(text) if text.isdigit() else NO_LIMIT
        return limit if limit < NO_LIMIT else None
    return None


def _limit_files(membership: Path, cgroups: Path) -> Iterator[Path]:
    """The most exact first: a path that is not there belongs to a namespace whose root is our own group."""
    try:
        lines = membership.read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield cgroups / path.lstrip("/") / "memory.max"
        elif "memory" in controllers.split(","):
            yield cgroups / "memory" / path.lstrip("/") / "memory.limit_in_bytes"
    yield cgroups / "memory.max"
    yield cgroups / "memory" / "memory.limit_in_bytes"
