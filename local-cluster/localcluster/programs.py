"""Builds the programs that no Debian package has, from Go modules pinned by go.sum, into the user's cache.

A program is complete or absent (built beside its place, then renamed). A killed build goes on where it stopped, since
Go keeps every compiled package.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.golang import find_go
from localcluster.places import KUBERNETES_VERSION, Places
from localcluster.saying import ClusterError, say
from localcluster.shell import LINES_OF_A_FAILURE

SECONDS_BETWEEN_NEWS = 15.0
HELM_VERSION = "v4.3.1"
_STAMP = "k8s.io/component-base/version"
KUBERNETES_STAMPS = f"-X {_STAMP}.gitVersion={KUBERNETES_VERSION} -X {_STAMP}.gitMajor=1 -X {_STAMP}.gitMinor=36"


@dataclass(frozen=True, slots=True)
class Module:
    """A folder with its own go.mod, the packages to build there, and what the linker writes into them."""

    name: str
    packages: tuple[str, ...]
    stamps: str = ""

    @property
    def programs(self) -> tuple[str, ...]:
        return tuple(package.rsplit("/", 1)[-1] for package in self.packages)


KUBERNETES = Module(
    "kubernetes",
    (
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-scheduler",
        "k8s.io/kubernetes/cmd/kubelet",
        "k8s.io/kubernetes/cmd/kube-proxy",
        "./pause",
    ),
    KUBERNETES_STAMPS,
)
KUBECTL = Module("kubernetes", ("k8s.io/kubernetes/cmd/kubectl",), KUBERNETES_STAMPS)
HELM_STAMPS = f"-X helm.sh/helm/v4/internal/version.version={HELM_VERSION}"
HELM = Module("tools", ("helm.sh/helm/v4/cmd/helm",), HELM_STAMPS)
# One build for both: the second processor compiles while the first links.
AROUND = Module("tools", ("./coredns", *HELM.packages), HELM_STAMPS)
KIND = Module("tools", ("sigs.k8s.io/kind",))


def programs_folder(places: Places, module: Module) -> Path:
    """The cache folder for exactly these sources: another go.sum or another of our own programs gives another one."""
    return places.cache / "programs" / f"{module.name}-{sources_key(places.build / module.name)}"


def sources_key(build: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in build.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(build)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def build_missing(places: Places, module: Module) -> Path:
    """Answer the folder that holds the module's programs, built where they are missing."""
    folder = programs_folder(places, module)
    missing = tuple(package for package in module.packages if not (folder / package.rsplit("/", 1)[-1]).exists())
    if not missing:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for half_built in folder.glob(".building-*"):
        shutil.rmtree(half_built)
    go = find_go(places.cache)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as temporary:
        _go_build(_command(go, module, missing, Path(temporary)), places.build / module.name, Path(temporary))
        for program in Path(temporary).iterdir():
            program.rename(folder / program.name)
            say(f"built {program.name}")
    return folder


def _command(go: str, module: Module, packages: Sequence[str], target: Path) -> list[str]:
    return [go, "build", "-v", "-trimpath", "-ldflags", f"-s -w {module.stamps}", "-o", f"{target}/", *packages]


def _go_build(command: Sequence[str], source: Path, target: Path) -> None:
    """Build with news every few seconds; `go build -v` writes one line per compiled package."""
    names = ", ".join(package.rpartition("/")[2] for package in command[command.index("-o") + 2 :])
    say(f"building {names} (the first time takes minutes)")
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    process = subprocess.Popen(
        command, cwd=source, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()), daemon=True)
    reader.start()
    try:
        _tell_progress(reader, lines, target)
    except BaseException:
        process.terminate()
        raise
    if process.wait() != 0:
        raise ClusterError("the build failed:\n" + "".join(lines[-LINES_OF_A_FAILURE:]))


def _tell_progress(reader: threading.Thread, lines: Sequence[str], target: Path) -> None:
    began = time.monotonic()
    while reader.is_alive():
        reader.join(SECONDS_BETWEEN_NEWS)
        if reader.is_alive():
            linked = ", ".join(sorted(file.name for file in target.iterdir())) or "none"
            seconds = time.monotonic() - began
            say(f"  {seconds:.0f} s: {len(lines)} packages downloaded or compiled; programs linked: {linked}")
