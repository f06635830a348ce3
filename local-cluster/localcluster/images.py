"""The project's images: builds them and loads them into whichever cluster is up."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster import base_image, current
from localcluster.builders import Buildah, Builder, find_builder
from localcluster.choice import Driver, read_choice
from localcluster.debian import IMAGE_PROGRAMS, install_missing
from localcluster.image_sizes import Size, size_of
from localcluster.kind import kind
from localcluster.node import ctr
from localcluster.places import CLUSTER_NAME, Places
from localcluster.saying import ClusterError, say
from localcluster.shell import run, try_run
from localcluster.sources import Sources

LOADED = "localhost"
"""The prefix of images that no registry has."""


@dataclass(frozen=True, slots=True)
class Image:
    """A name, and its Dockerfile and context inside the checkout."""

    name: str
    dockerfile: str
    context: str

    def reference(self, tag: str) -> str:
        return f"{LOADED}/{self.name}:{tag}"


IMAGES = (
    Image("modelrollout-server", "serving-image/Dockerfile", "serving-image"),
    Image("modelrollout-operator", "operator/Dockerfile", "."),
    Image("modelrollout-models", "examples/models/Dockerfile", "examples/models"),
)


@dataclass(frozen=True, slots=True)
class Loading:
    """How an image gets into a cluster: by a command that takes an archive, or by a push to a registry."""

    command: tuple[str, ...] = ()
    repository: str = ""


def repository_in(where: Places, environ: Mapping[str, str]) -> str:
    """Where the cluster that is up finds the images: in itself, or in the registry that they are pushed to."""
    if read_choice(where) is not Driver.CURRENT:
        return LOADED
    return loading_for(current.context_of(where), environ).repository or LOADED


def pick(names: Sequence[str]) -> tuple[Image, ...]:
    """The images of those names, all where none is named; raises ClusterError for a name nobody knows."""
    known = {image.name: image for image in IMAGES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ClusterError(f"there is no image {', '.join(unknown)}; the images are {', '.join(known)}")
    return tuple(known[name] for name in names) or IMAGES


def make_images(where: Places, images: Sequence[Image], driver: Driver, tag: str) -> None:
    """Build each image and load it where the cluster does not have it yet."""
    for image in images:
        if not (where.checkout / image.dockerfile).exists():
            raise ClusterError(f"image {image.name}: {image.dockerfile} is not there; nothing was built")
    builder = find_builder(where)
    for image in images:
        reference = image.reference(tag)
        _build(where, builder, image, reference)
        _LOADERS[driver](where, builder, reference)


def _build(where: Places, builder: Builder, image: Image, reference: str) -> None:
    sources = Sources(where.checkout / image.dockerfile, where.checkout / image.context)
    note = where.cache / "built" / f"{type(builder).__name__}-{reference.replace('/', '_')}"
    key = sources.key(base_image.REFERENCE, reference, *map(builder.identify, sources.parents()))
    if note.exists() and note.read_text() == f"{key} {builder.identify(reference)}":
        say(f"{reference} is built already")
        return
    say(f"building {reference}")
    builder.build(sources.dockerfile, sources.context, reference)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(f"{key} {builder.identify(reference)}")


def sizes(where: Places, images: Sequence[Image], tag: str) -> Iterator[tuple[str, Size]]:
    """Reference and size of each image; raises ClusterError for one that was not built here."""
    builder = find_builder(where)
    for reference in (image.reference(tag) for image in images):
        if not builder.identify(reference):
            raise ClusterError(f"{reference} is not built; build it with `make image`")
        with tempfile.TemporaryDirectory(dir=where.cache) as folder:
            archive = Path(folder) / "image.tar"
            builder.save(reference, archive)
            yield reference, size_of(archive)


def last_built(where: Places, image: Image, tag: str) -> str:
    """Tells one build of an image from another; empty where none was built here."""
    notes = (where.cache / "built").glob(f"*-{image.reference(tag).replace('/', '_')}")
    newest = max(notes, key=lambda note: note.stat().st_mtime, default=None)
    return hashlib.sha256(newest.read_bytes()).hexdigest()[:12] if newest is not None else ""


def load_base(where: Places) -> None:
    """Load the base image itself into the self-built cluster; tests run small Python programs on it."""
    install_missing(IMAGE_PROGRAMS)
    builder = Buildah(where.cache)
    builder.ensure_base()
    _load_into_node(where, builder, base_image.REFERENCE)


def _load_into_node(where: Places, builder: Builder, reference: str) -> None:
    node, identity = where.node, builder.identify(reference)
    note = node.loaded / reference.replace("/", "_")
    former = note.read_text() if note.exists() else ""
    if former == identity and reference in run([*ctr(node), "images", "ls", "-q"]).split():
        say(f"{reference} is in the cluster already")
        return
    _load_archive(where, builder, reference, (*ctr(node), "images", "import"))
    node.loaded.mkdir(parents=True, exist_ok=True)
    note.write_text(identity)
    if former not in {other.read_text() for other in node.loaded.iterdir()}:
        try_run(
            [*ctr(node), "images", "rm", f"sha256:{former}"]
        )  # kubelet clears no images here: it could not get them back


def _load_into_kind(where: Places, builder: Builder, reference: str) -> None:
    _load_archive(where, builder, reference, (kind(where), "load", "image-archive", f"--name={CLUSTER_NAME}"))


def _load_into_current(where: Places, builder: Builder, reference: str) -> None:
    context = current.context_of(where)
    loading = loading_for(context, os.environ)
    if loading.command:
        _load_archive(where, builder, reference, loading.command)
        return
    target = f"{loading.repository}/{reference.rpartition('/')[2]}"
    say(f"pushing {target}")
    builder.push(reference, target)


def loading_for(context: str, environ: Mapping[str, str]) -> Loading:
    """The way into a user's own cluster, told by the name of its context; raises ClusterError where there is none."""
    program, _, name = context.partition("-")
    if context == "minikube" or environ.get("MINIKUBE_PROFILE") == context:
        return Loading(("minikube", "image", "load", f"--profile={context}"))
    if program == "kind":
        return Loading(("kind", "load", "image-archive", f"--name={name}"))
    if program == "k3d":
        return Loading(("k3d", "image", "import", f"--cluster={name}"))
    repository = environ.get("IMAGE_REPO", "").rstrip("/")
    if repository:
        return Loading(repository=repository)
    raise ClusterError(
        f"context {context} is neither minikube's nor kind's nor k3d's: set IMAGE_REPO to a registry it can pull from"
    )


def _load_archive(where: Places, builder: Builder, reference: str, command: Sequence[str]) -> None:
    say(f"loading {reference}")
    where.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where.cache) as temporary:
        archive = Path(temporary) / "image.tar"
        builder.save(reference, archive)
        run([*command, archive])


_LOADERS = {
    Driver.SELF_BUILT: _load_into_node,
    Driver.KIND: _load_into_kind,
    Driver.CURRENT: _load_into_current,
}
