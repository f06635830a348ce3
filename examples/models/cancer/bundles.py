"""Two bundles: one validated on the rows that clients send, one on healthy women's alone, far from what it will see."""

from collections.abc import Sequence
from pathlib import Path

from cancer.rows import SERVED_ROWS, Data
from modelserver.making.bundling import Wanted, bundle
from modelserver.making.inputs import Sample
from modelserver.making.originals import original

BENIGN = 1


def write(folder: Path, data: Data) -> None:
    """Around the ONNX files that are in the folder already."""
    served = data.rows.head(SERVED_ROWS)
    healthy = data.rows[data.labels == BENIGN]
    _write(folder / "v2.onnx", folder / "v2.tar.gz", "2.0.0", served.to_dict("records"))
    _write(folder / "v3.onnx", folder / "drifts.tar.gz", "3.0.0", healthy.to_dict("records"))


def _write(model: Path, path: Path, version: str, rows: Sequence[dict[str, float]]) -> None:
    path.unlink(missing_ok=True)
    bundle(original(model, ()), Sample(path.name, tuple(rows)), Wanted("cancer", version), path)
