"""The base image where no registry can be reached: Debian trixie with Python 3.13, made by debootstrap.

It is what python:3.13-slim stands on. Made once and kept as an archive in the cache; Dockerfiles take it through
`ARG BASE_IMAGE=python:3.13-slim`.
"""

import shutil
import tempfile
from pathlib import Path

from localcluster.saying import say
from localcluster.shell import run

SUITE = "trixie"
RECIPE = "1"
REFERENCE = f"localhost/modelrollout-base:{SUITE}-{RECIPE}"
INCLUDED = ("python3", "python3-venv", "ca-certificates")
# What no program needs at run time, and this machine's own resolver and name.
EMPTIED = ("var/lib/apt/lists", "var/cache/apt", "var/log", "usr/share/doc", "usr/share/man", "usr/share/locale")
REMOVED = ("etc/resolv.conf", "etc/hostname")


def make_base_archive(cache: Path) -> Path:
    """Answer the tar archive of the base's file system, made where the cache has none."""
    archive = cache / "base" / f"{SUITE}-{RECIPE}.tar"
    if archive.exists():
        return archive
    say(f"making the base image: Debian {SUITE} with Python (about 40 s, kept in the cache)")
    archive.parent.mkdir(parents=True, exist_ok=True)
    for half_made in archive.parent.glob(".making-*"):
        shutil.rmtree(half_made)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=archive.parent) as temporary:
        root, packed = Path(temporary) / "root", Path(temporary) / "packed.tar"
        run(["debootstrap", "--variant=minbase", f"--include={','.join(INCLUDED)}", SUITE, root])
        strip(root)
        run(["tar", "--numeric-owner", "--directory", root, "--create", "--file", packed, "."])
        packed.rename(archive)
    return archive


def strip(root: Path) -> None:
    """Take out what an image does not need."""
    for name in EMPTIED:
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in REMOVED:
        (root / name).unlink(missing_ok=True)
