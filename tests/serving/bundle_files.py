"""Bundles of a small regression, as folders and as archives; anything in them can be changed."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from serving.apps import settings
from sklearn.linear_model import LinearRegression, LogisticRegression

from modelserver import bundles, sources
from modelserver.manifest import MANIFEST
from modelserver.models import Artifact

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]])
GOLDEN = {"rows": [[1.0, 2.0], [0.5, 0.25]], "predictions": [3.0, 0.75]}
BASELINE = {"count": 400, "mean": 2.0, "sd": 0.5, "edges": [1.5, 2.5], "counts": [100, 200, 100]}


def regression() -> bytes:
    """The sum of both columns."""
    model = LinearRegression().fit(ROWS, ROWS.sum(axis=1))
    return bytes(skops.io.dumps({"model": model, "feature_columns": ["x", "y"]}))


def classifier() -> bytes:
    return bytes(skops.io.dumps(LogisticRegression(C=100).fit(ROWS, ["no", "no", "yes", "yes"])))


def manifest(content: bytes, **changes: Any) -> dict[str, Any]:
    own = {
        "bundle": 1,
        "name": "sums",
        "version": "2.1.0",
        "model": {"file": "model.skops", "sha256": hashlib.sha256(content).hexdigest()},
        "columns": [{"name": "x"}, {"name": "y"}],
    }
    return own | changes


def files(content: bytes | None = None, **changes: Any) -> dict[str, bytes]:
    """The files of a bundle around a model's bytes; by default a regression's."""
    content = regression() if content is None else content
    return {MANIFEST: json.dumps(manifest(content, **changes)).encode(), "model.skops": content}


def folder(parent: Path, content: bytes | None = None, **changes: Any) -> Path:
    path = parent / "sums"
    path.mkdir()
    for name, part in files(content, **changes).items():
        (path / name).write_bytes(part)
    return path


def archive(parent: Path, parts: Mapping[str, bytes], name: str = "sums.tar.gz") -> Path:
    return archive_of(parent, [(member(path, len(part)), part) for path, part in parts.items()], name)


def member(path: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(path)
    found.size, found.type, found.linkname = size, kind, link
    return found


def archive_of(parent: Path, members: list[tuple[tarfile.TarInfo, bytes]], name: str = "sums.tar.gz") -> Path:
    path = parent / name
    with tarfile.open(path, "w" if name.endswith(".tar") else "w:gz") as tar:
        for one, part in members:
            tar.addfile(one, io.BytesIO(part))
    return path


def loaded(path: Path | str, **environment: str) -> Artifact:
    own = settings(MODEL_URI=str(path), **environment)
    return bundles.load(sources.fetch(own), own)
