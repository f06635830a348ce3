"""Packs one static program into an image archive, as `docker save` writes it: no builder, no registry.

Format: https://github.com/moby/docker-image-spec (image.tar of version 1.2).
"""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_image(program: Path, reference: str, archive: Path) -> None:
    """Write an archive with one image named `reference` that runs `program` as nobody."""
    layer = _tar({f"{program.name}": program.read_bytes()}, mode=0o755)
    config = _config(program.name, hashlib.sha256(layer).hexdigest())
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]).encode()
    archive.write_bytes(_tar({name: config, "layer.tar": layer, "manifest.json": manifest}, mode=0o644))


def _config(program: str, layer_digest: str) -> bytes:
    return json.dumps(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": [f"/{program}"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        }
    ).encode()


def _tar(files: dict[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
