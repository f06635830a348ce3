"""Trains and writes every model; the same bytes on every run of one machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from cancer import bundle_files, estimators, graphs, onnx_files, skops_files
from cancer.faults import (
    COARSE_TEXTURE,
    FOUR_PERCENT_TEXTURE,
    ORDINARY_RADIUS,
    RADIUS,
    TEXTURE,
    TWO_PERCENT_TEXTURE,
)
from cancer.rows import SERVED_ROWS, Data, load, request_bodies
from modelserver.manifest import Baseline

GOLDEN_ROWS = 2
SLOW_LOAD_SECONDS = 20
MEAN_COLUMNS = 10
ONE_TOO_MANY = "patient age"
SOFTER = (0.6, 0.22)
"""Factor and offset of scores that are less sure of themselves."""
ALL_ALIKE, TOO_SMALL = (0.0, 0.5), (0.1, 0.0)
AS_THEY_ARE = (0.9999, 0.00005)
"""All but nothing is changed, in the same nodes as the others have: two nodes take a twentieth of a request's time."""


def train(folder: Path) -> Iterator[str]:
    """Write all files into the folder and tell, one line per model, what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    data = load()
    (folder / "rows.json").write_text(json.dumps(request_bodies(data)), encoding="utf-8")
    fitted = {
        "v1": estimators.weak().fit(data.train, data.train_labels),
        "v2": estimators.better().fit(data.train, data.train_labels),
        "v3": estimators.other().fit(data.train, data.train_labels),
    }
    converted = {name: _converted(estimator, data) for name, estimator in fitted.items()}
    for name, estimator in fitted.items():
        skops_files.write(folder / f"{name}.skops", estimator)
        accuracy = estimator.score(data.test, data.test_labels)
        yield f"{name}: accuracy {accuracy:.3f} on {len(data.test_labels)} rows it has not seen"
    skops_files.write(folder / "column-too-many.skops", _wrapped_wrongly(fitted["v2"], data))
    for name, model in _all_onnx(converted, data).items():
        onnx_files.write(folder / f"{name}.onnx", model)
        yield f"{name}.onnx: {(folder / f'{name}.onnx').stat().st_size} bytes"
    for name, (model, own) in _with_baselines(converted["v2"], data).items():
        bundle_files.write(folder / f"{name}.tar", onnx_files.content(model), data.columns, own)
        yield f"{name}.tar: {(folder / f'{name}.tar').stat().st_size} bytes"


def _converted(estimator: Any, data: Data) -> onnx.ModelProto:  # noqa: ANN401 - scikit-learn has no types
    model = onnx_files.convert(estimator, data.columns)
    onnx_files.describe(model, golden_rows=data.rows.head(GOLDEN_ROWS).values.tolist())
    return model


def _all_onnx(good: dict[str, onnx.ModelProto], data: Data) -> dict[str, onnx.ModelProto]:
    zeros = [[0.0] * len(data.columns)]
    base = _copy(good["v2"], golden_rows=zeros)
    models = {
        **good,
        "column-too-many": _copy(good["v2"], feature_names=[*data.columns, ONE_TOO_MANY]),
        "slow": graphs.slow(base),
        "fails-under-traffic": graphs.failing(base, TEXTURE, COARSE_TEXTURE),
        "fails-2-percent": graphs.failing(base, TEXTURE, TWO_PERCENT_TEXTURE),
        "fails-4-percent": graphs.failing(base, TEXTURE, FOUR_PERCENT_TEXTURE),
        "always-fails": graphs.failing(base, RADIUS, ORDINARY_RADIUS),
        "refuses-422": _renamed(data),
        "oom": graphs.greedy(base, RADIUS, ORDINARY_RADIUS),
        "hangs": graphs.hanging(base, RADIUS, ORDINARY_RADIUS),
    }
    for name in ("v1", "v2", "v3", "fails-under-traffic", "always-fails"):
        models[f"slow-load-{name}"] = _copy(models[name], warmup_seconds=SLOW_LOAD_SECONDS)
    return models


def _with_baselines(good: onnx.ModelProto, data: Data) -> dict[str, tuple[onnx.ModelProto, Baseline]]:
    """Models with the baseline that their artefact carries; those that have drifted carry the good one's."""
    right, softer = (graphs.rescored(good, *how) for how in (AS_THEY_ARE, SOFTER))
    own = _baseline(right, data)
    return {
        "scores": (right, own),
        "scores-softer": (softer, _baseline(softer, data)),
        "scores-all-alike": (graphs.rescored(good, *ALL_ALIKE), own),
        "scores-too-small": (graphs.rescored(good, *TOO_SMALL), own),
        "scores-without-spread": (right, bundle_files.without_spread(own)),
    }


def _baseline(model: onnx.ModelProto, data: Data) -> Baseline:
    """Of the rows that are asked about: a validation set has to be like the traffic."""
    return bundle_files.baseline(onnx_files.scores(model, data.rows.head(SERVED_ROWS).to_numpy()))


def _copy(model: onnx.ModelProto, **props: object) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    onnx_files.describe(copy, **props)
    return copy


def _renamed(data: Data) -> onnx.ModelProto:
    """A model of ten columns under other names: it loads, and refuses what the others' clients send."""
    columns = data.columns[:MEAN_COLUMNS]
    estimator = estimators.better().fit(data.train[columns], data.train_labels)
    return onnx_files.convert(estimator, ["_".join(reversed(name.split(" ", 1))) for name in columns])


def _wrapped_wrongly(estimator: Any, data: Data) -> dict[str, Any]:  # noqa: ANN401
    return {"model": estimator, "feature_columns": [*data.columns, ONE_TOO_MANY]}
