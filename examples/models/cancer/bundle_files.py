"""Bundles, as `modelrollout bundle` writes them, with a baseline that is ours to choose: its own, or another's."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from modelserver.making import packing, recording
from modelserver.manifest import MANIFEST, Baseline, Column, Manifest, ModelFile

CLASSES = (0, 1)
MODEL = "model.onnx"


def baseline(scores: Sequence[float]) -> Baseline:
    """What a model predicted, as the judge takes it."""
    return recording.baseline(scores, CLASSES)


def without_spread(one: Baseline) -> Baseline:
    """The same mean as of scores that are all alike, which nothing can be judged by."""
    return Baseline(count=one.count, mean=one.mean, sd=0.0)


def write(path: Path, model: bytes, columns: Sequence[str], own: Baseline) -> None:
    """The same bytes for the same model and baseline."""
    manifest = Manifest(
        bundle=1,
        name="cancer",
        version=path.stem,
        model=ModelFile(file=MODEL, sha256=hashlib.sha256(model).hexdigest()),
        columns=tuple(Column(name=name) for name in columns),
        baseline=own,
    )
    packing.pack({MANIFEST: manifest.model_dump_json(indent=1, exclude_none=True).encode(), MODEL: model}, path)
