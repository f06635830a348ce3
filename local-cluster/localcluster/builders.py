"""The two programs that build images, behind one face: docker where its engine works, else buildah."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from localcluster import base_image, pip_settings
from localcluster.debian import IMAGE_PROGRAMS, install_missing
from localcluster.places import Places
from localcluster.saying import ClusterError, say
from localcluster.shell import have, run, try_run

LITTLE_ROOM = 8 * 2**30


class Builder(Protocol):
    """Builds images, names what it built by its content, and hands it on."""

    def build(self, dockerfile: Path, context: Path, reference: str) -> None: ...

    def identify(self, reference: str) -> str:
        """Answer the digest of the image's config, empty where there is no such image."""

    def save(self, reference: str, archive: Path) -> None: ...

    def push(self, reference: str, target: str) -> None: ...


class Docker:
    """The Docker engine, which caches layers by itself and pulls the base image."""

    def build(self, dockerfile: Path, context: Path, reference: str) -> None:
        run(["docker", "build", "--quiet", "--tag", reference, "--file", dockerfile, context])

    def identify(self, reference: str) -> str:
        found = try_run(["docker", "image", "inspect", "--format", "{{.Id}}", reference]) or ""
        return found.strip().removeprefix("sha256:")

    def save(self, reference: str, archive: Path) -> None:
        run(["docker", "save", "--output", archive, reference])

    def push(self, reference: str, target: str) -> None:
        run(["docker", "tag", reference, target])
        run(["docker", "push", target])


@dataclass(frozen=True, slots=True)
class Buildah:
    """Buildah with a store of its own in the cache; needs no daemon and no registry."""

    cache: Path

    def build(self, dockerfile: Path, context: Path, reference: str) -> None:
        self.ensure_base()
        self._make_room()
        settings = pip_settings.parse_settings(try_run([sys.executable, "-m", "pip", "config", "list"]) or "")
        pip_conf = self.cache / "pip.conf"
        pip_conf.write_text(pip_settings.render(settings))
        mounts = {
            pip_conf: "/etc/pip.conf",
            Path("/etc/ssl/certs"): "/etc/ssl/certs",
            Path("/etc/resolv.conf"): "/etc/resolv.conf",
            **{folder: str(folder) for folder in pip_settings.local_folders(settings)},
        }
        self._run(
            "bud",
            "--layers",
            "--format=docker",
            "--isolation=chroot",
            "--network=host",
            "--pull=false",
            f"--build-arg=BASE_IMAGE={base_image.REFERENCE}",
            *(f"--volume={there}:{here}:ro" for there, here in mounts.items()),
            f"--tag={reference}",
            f"--file={dockerfile}",
            str(context),
        )

    def identify(self, reference: str) -> str:
        try:
            return self._run("inspect", "--type=image", "--format={{.FromImageID}}", reference).strip()
        except ClusterError:
            return ""

    def save(self, reference: str, archive: Path) -> None:
        self._run("push", "--quiet", reference, f"docker-archive:{archive}:{reference}")

    def push(self, reference: str, target: str) -> None:
        """Push; like docker, without TLS to a registry on this machine."""
        host = target.partition("/")[0].partition(":")[0]
        trust = ["--tls-verify=false"] if host in {"localhost", "127.0.0.1"} else []
        self._run("push", "--quiet", *trust, reference, f"docker://{target}")

    def ensure_base(self) -> None:
        """Put the base image into the store where it is not there yet."""
        if base_image.REFERENCE in self._run("images", "--format={{.Name}}:{{.Tag}}").split():
            return
        archive = base_image.make_base_archive(self.cache)
        say("adding the base image to buildah's store")
        container = self._run("from", "scratch").strip()
        self._run("add", "--quiet", container, str(archive), "/")
        self._run("config", "--cmd=python3", "--env=LANG=C.UTF-8", container)
        self._run("commit", "--quiet", "--rm", container, base_image.REFERENCE)

    def _make_room(self) -> None:
        """Forget what killed builds left, and old layers where the disk gets full."""
        self._run("rm", "--all")
        if shutil.disk_usage(self.cache).free < LITTLE_ROOM:
            say("little disk is free: removing old image layers")
            self._run("rmi", "--prune")

    def _run(self, *words: str) -> str:
        store = self.cache / "buildah"
        store.mkdir(parents=True, exist_ok=True)
        return run(["buildah", f"--root={store}/store", f"--runroot={store}/run", *words], env=self._environment())

    def _environment(self) -> Mapping[str, str]:
        temporary = self.cache / "buildah" / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        settings = self.cache / "buildah" / "containers.conf"
        settings.write_text(f'[network]\nnetwork_config_dir = "{self.cache}/buildah/networks"\n')
        return {**os.environ, "TMPDIR": str(temporary), "CONTAINERS_CONF": str(settings)}


def find_builder(where: Places) -> Builder:
    """Docker where its engine works, else buildah, installed where it is missing."""
    if have("docker") and try_run(["docker", "info"]) is not None:
        say("images: built by docker")
        return Docker()
    install_missing(IMAGE_PROGRAMS)
    say("images: built by buildah")
    return Buildah(where.cache)
