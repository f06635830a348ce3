"""Mounts under the cluster's folder: volumes of pods, file systems and network namespaces of containers."""

from pathlib import Path

from localcluster.shell import try_run


def mounts_under(folder: Path, table: str) -> tuple[str, ...]:
    """Mount points below `folder` in the text of /proc/self/mounts, the last mounted first."""
    points = (decode(line.split(" ")[1]) for line in table.splitlines() if " " in line)
    return tuple(reversed([point for point in points if Path(point).is_relative_to(folder)]))


def decode(point: str) -> str:
    r"""Undo the kernel's octal escapes (a space is \040)."""
    for escaped, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(escaped, plain)
    return point


def our_mounts(folder: Path) -> tuple[str, ...]:
    return mounts_under(folder, Path("/proc/self/mounts").read_text())


def unmount_ours(folder: Path) -> None:
    for point in our_mounts(folder):
        try_run(["umount", "--lazy", point])
