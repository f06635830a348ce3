"""A bundle of a model and a sample, and the proof that the server answers from it as the model did."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from modelserver import bundles, libraries, sources
from modelserver.clipped import Clipped
from modelserver.failures import StartError
from modelserver.golden import difference
from modelserver.labels import UnservableError, classes_of, shape_of
from modelserver.making import packing, recording
from modelserver.making.inputs import Numbers, Sample, Unusable
from modelserver.making.originals import Original
from modelserver.manifest import MANIFEST, Column, Manifest, ModelFile, Prediction
from modelserver.models import Artifact, Expected, Metadata, Model, Rows, Scores, is_regression
from modelserver.outputs import Clip
from modelserver.scores import MissingAnswersError, NotFiniteError, Reader, check_count, check_finite
from modelserver.settings import Settings
from modelserver.warmup import warm_up

ROWS_TOGETHER = 1000
TOLERANCES: dict[type, float] = {np.float32: 1e-5, np.float64: 1e-6}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the maker says of a model beyond what it and its sample tell."""

    name: str
    version: str
    golden_rows: int = 10
    tolerance: float | None = None
    """Of an answer n: tolerance * max(1, |n|); None takes what the model's own numbers allow on another machine."""
    clip: Clip = field(default_factory=Clip)
    columns: Mapping[str, Column] = field(default_factory=dict)
    target: str | None = None
    """Column of the sample with the true values, for an interval."""
    level: float | None = None
    """Share of the truths that an interval has to hold."""
    code: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that was written and checked."""

    path: Path
    manifest: Manifest
    digest: str
    rows: int
    """Rows of the sample, all answered by the bundle as by the original."""
    trust: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The sample in the model's order, and what the original answers to it, clipped as it will be."""

    columns: tuple[str, ...]
    rows: Numbers
    expected: Expected
    told: Metadata
    """What the answers look like."""


def bundle(original: Original, sample: Sample, wanted: Wanted, out: Path) -> Made:
    """Write the bundle, load it as the server does, and hold its answers against the original's, row by row.

    Raises:
        Unusable: the sample does not fit, or the bundle would not be served as the original.
    """
    packing.check_free(out)
    columns = _columns(original, sample, wanted)
    rows = sample.numbers(columns)
    tolerance = TOLERANCES[original.model.dtype] if wanted.tolerance is None else wanted.tolerance
    scores = _answers(original.model, rows)
    told = _told(scores, original.classes)
    if wanted.clip != Clip():
        if not is_regression(told):
            raise Unusable("only a regression's predictions are clipped, and each of this model's is no single number")
        scores = _answers(Clipped(original.model, wanted.clip), rows)
    answered = Answered(columns, rows, Expected(scores, tolerance), told)
    prediction = _prediction(answered, wanted, sample)
    manifest = _manifest(original, answered, wanted, prediction)
    files = {MANIFEST: manifest.model_dump_json(indent=1, exclude_none=True).encode() + b"\n"}
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".bundle-") as folder:
        draft = Path(folder) / out.name
        packing.pack({**files, original.file: original.content}, draft)
        _compare(draft, original, answered)
        shutil.move(draft, out)
    return Made(out, manifest, packing.digest(out), len(rows), original.trust, original.notes)


def _columns(original: Original, sample: Sample, wanted: Wanted) -> tuple[str, ...]:
    """The model's own names, else the sample's in their order."""
    columns = original.columns or tuple(name for name in sample.columns if name != wanted.target)
    if len(columns) != original.width:
        whose = "the model's feature_columns name" if original.columns else f"{sample.name} has"
        raise Unusable(f"{whose} {len(columns)} columns, the model takes {original.width}")
    for name in wanted.columns:
        if name not in columns:
            raise Unusable(f'--columns names "{name}", which the model does not take')
    return columns


def _told(scores: Scores, classes: Any) -> Metadata:  # noqa: ANN401 - as scikit-learn has them
    try:
        return Metadata(classes=classes_of(classes, scores.labels), answers=shape_of(scores, classes))
    except UnservableError as error:
        raise Unusable(str(error)) from error


def _answers(model: Model, rows: Rows) -> Scores:
    """The answers to all rows, or why there are none."""
    most = model.rows_at_once or ROWS_TOGETHER
    try:
        parts = [model.predict(rows[at : at + most].astype(model.dtype)) for at in range(0, len(rows), most)]
    except UnservableError as error:
        raise Unusable(str(error)) from error
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise Unusable(f"the model fails on the sample: {type(error).__name__}: {said}") from error
    labels = [label for part in parts for label in part.labels]
    shares = [row for part in parts for row in part.probabilities or ()]
    scores = Scores(labels, shares if parts[0].probabilities is not None else None)
    try:
        check_count(scores, len(rows))
        check_finite(scores)
    except (MissingAnswersError, NotFiniteError) as error:
        raise Unusable(str(error)) from error
    return scores


def _manifest(original: Original, answered: Answered, wanted: Wanted, prediction: Prediction) -> Manifest:
    rows, scores = answered.rows, answered.expected.scores
    values = Reader(answered.told).values(scores)
    # Labels that are words, of a model that does not list its classes, are no numbers to sort by.
    places = recording.spread_out(values or [0.0] * len(rows), wanted.golden_rows)
    return Manifest(
        bundle=1,
        name=wanted.name,
        version=wanted.version,
        model=ModelFile(file=original.file, sha256=hashlib.sha256(original.content).hexdigest()),
        columns=tuple(_described(wanted.columns, answered)),
        golden=recording.golden(rows, answered.expected, places),
        baseline=recording.baseline(values, answered.told.classes) if values else None,
        prediction=prediction,
        code=wanted.code,
        data=wanted.data,
        libraries=libraries.in_use(original.file.rpartition(".")[2]),
    )


def _described(promised: Mapping[str, Column], answered: Answered) -> list[Column]:
    found = []
    for name, seen in zip(answered.columns, recording.usual(answered.rows), strict=True):
        own = promised.get(name, Column(name=name))
        found.append(own if own.usual is not None else own.model_copy(update={"usual": seen}))
    return found


def _prediction(answered: Answered, wanted: Wanted, sample: Sample) -> Prediction:
    low = wanted.clip.low if wanted.clip.low > -inf else None
    high = wanted.clip.high if wanted.clip.high < inf else None
    if wanted.level is None:
        return Prediction(min=low, max=high)
    if not is_regression(answered.told):
        raise Unusable("only a regression has intervals, and each of this model's answers is no single number")
    if wanted.target is None:
        raise Unusable("--interval needs --target, the column of the sample with the true values")
    truth = sample.numbers([wanted.target])[:, 0]
    ends = recording.interval(truth, answered.expected.scores.labels, wanted.level)
    return Prediction(min=low, max=high, interval=ends)


def _compare(draft: Path, original: Original, answered: Answered) -> None:
    settings = Settings.from_environment({"MODEL_URI": str(draft), "MODEL_TRUST": ",".join(original.trust)})
    try:
        artifact = bundles.load(sources.fetch(settings), settings)
        _compare_rows(artifact, answered.rows, answered.expected)
        warm_up(artifact)
    except StartError as error:
        raise Unusable(f"the server would not start with this bundle: {error}") from error


def _compare_rows(artifact: Artifact, rows: Numbers, expected: Expected) -> None:
    answered = _answers(artifact.model, rows)
    apart = [
        (row, said) for row in range(len(rows)) if (said := difference(expected, row, answered.rows(row, row + 1)))
    ]
    if apart:
        row, said = apart[0]
        raise Unusable(
            f"{len(apart)} of {len(rows)} rows are answered otherwise than by the original; row {row + 1}: {said}"
        )
