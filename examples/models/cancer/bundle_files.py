"""Bundles: a tar archive of a model and a bundle.json, here with a baseline of what the model predicted.

The same bytes on every run: no times, no owners, files in a fixed order.
"""

import hashlib
import io
import json
import tarfile
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev

MODEL = "model.onnx"
EDGES = tuple(round(0.05 * i, 2) for i in range(1, 20))

Baseline = Mapping[str, object]


def baseline(scores: Sequence[float]) -> Baseline:
    """What a model predicted, as the judge takes it: a score belongs to the first edge that is not below it."""
    counts = [0] * (len(EDGES) + 1)
    for score in scores:
        counts[bisect_left(EDGES, score)] += 1
    return {"count": len(scores), "mean": fmean(scores), "sd": pstdev(scores), "edges": EDGES, "counts": counts}


def without_spread(one: Baseline) -> Baseline:
    """The same mean as of scores that are all alike, which nothing can be judged by."""
    return {"count": one["count"], "mean": one["mean"], "sd": 0.0}


def write(path: Path, model: bytes, columns: Sequence[str], own: Baseline) -> None:
    manifest = {
        "bundle": 1,
        "name": "cancer",
        "version": path.stem,
        "model": {"file": MODEL, "sha256": hashlib.sha256(model).hexdigest()},
        "columns": [{"name": name} for name in columns],
        "baseline": own,
    }
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, "bundle.json", json.dumps(manifest, indent=2).encode())
        _add(archive, MODEL, model)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
