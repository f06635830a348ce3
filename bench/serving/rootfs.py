"""The built image as a folder, and servers run in it: with its Python, its packages and its bytecode.

No container engine stands between, so that what is timed is the server. The folders of the kernel are mounted in a
mount namespace of the server's own and vanish with it.
"""

import os
import shutil
import sys
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

from bench.serving.peers import ROOT, Place, Start

sys.path.insert(0, str(ROOT / "local-cluster"))

from localcluster.builders import find_builder
from localcluster.image_archive import opened
from localcluster.images import pick
from localcluster.places import find_places

PYTHON = "/venv/bin/python3"
NOBODY = "65532:65532"
ENTER = 'for one in proc dev sys; do mount --rbind /$one "$0/$one"; done; exec "$@"'


@dataclass(frozen=True, slots=True)
class Root:
    folder: Path
    environment: dict[str, str]
    """What the image sets."""


def unpacked(place: Place, tag: str = "dev") -> Root:
    """The root file system of the serving image, with the models at the path that they have outside.

    Raises:
        ClusterError: the image has not been built.
    """
    where = find_places(os.environ, ROOT)
    archive, folder = place.work / "image.tar", place.work / "root"
    find_builder(where).save(pick(["modelrollout-server"])[0].reference(tag), archive)
    with opened(archive) as image:
        environment = image.environment
        for layer in image.layers():
            with tarfile.open(fileobj=layer) as inner:
                inner.extractall(folder, numeric_owner=True, filter="fully_trusted")  # noqa: S202 - our own image
    archive.unlink()
    models = place.material.folder
    shutil.copytree(models, folder / models.relative_to("/"))
    _open_to_all(folder, models)
    return Root(folder, environment)


def _open_to_all(folder: Path, models: Path) -> None:
    """The server runs as nobody in particular; temporary folders are their owner's."""
    for path in (folder, *(folder / part.relative_to("/") for part in (models, *models.parents[:-1]))):
        path.chmod(0o755)


def inside(root: Root, start: Start) -> Start:
    """The same server, run by the image's Python in the image's files."""
    chroot = shutil.which("chroot") or "/usr/sbin/chroot"
    enter = ("unshare", "--mount", "sh", "-c", ENTER, str(root.folder))
    python = (chroot, f"--userspec={NOBODY}", str(root.folder), PYTHON)
    environment = {name: value for name, value in start.environment.items() if name != "PYTHONPATH"}
    return replace(
        start, arguments=(*enter, *python, *start.arguments[1:]), environment={**root.environment, **environment}
    )
