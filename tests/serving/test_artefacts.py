"""A dictionary around a model: each of its keys is used with its meaning, by `bundle` and by the server, or refused."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from making.samples import COLUMNS, ROWS, TRUTH, csv_file, dictionary, loaded, pickled, run
from serving.apps import served
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import LabelBinarizer, LabelEncoder, StandardScaler

from modelserver.artefacts import REMEDIES
from modelserver.failures import StartError
from modelserver.models import Artifact

WORDS = np.array(["churns", "stays"])[(np.median(TRUTH) < TRUTH).astype(int)]
ENCODER = LabelEncoder().fit(WORDS)


def bundled(folder: Path, path: Path) -> Artifact:
    code, _, err = run("bundle", "--from", path, "--sample", csv_file(folder), "--name", "m", "--version", "1",
                       "--out", folder / "b.tar")  # fmt: skip
    assert (code, err) == (0, "")
    return loaded(folder / "b.tar", MODEL_TRUST="sklearn.tree._tree.Tree")


def both(folder: Path, content: object) -> list[Artifact]:
    """From the bare pickle and from its bundle."""
    path = pickled(folder, content)
    return [loaded(path, MODEL_TRUST="pickle"), bundled(folder, path)]


def refusals(folder: Path, content: object) -> list[str]:
    """What the server says of the pickle, and `bundle`."""
    path = pickled(folder, content)
    with pytest.raises(StartError) as failure:
        loaded(path, MODEL_TRUST="pickle")
    code, _, err = run("bundle", "--from", path, "--sample", csv_file(folder), "--name", "m", "--version", "1")
    assert code == 2
    return [str(failure.value).partition(": ")[2], err.strip().partition(".pkl: ")[2]]


def scaled() -> Any:
    return StandardScaler().fit(ROWS).transform(ROWS)


def test_rows_go_through_the_scaler_first(tmp_path: Path) -> None:
    given = dictionary()
    want = given["model"].predict_proba(given["scaler"].transform(ROWS))

    for artifact in both(tmp_path, given):
        np.testing.assert_allclose(np.array(artifact.model.predict(ROWS).probabilities), want, rtol=1e-9)
        assert artifact.metadata.columns == COLUMNS


async def test_a_label_encoder_gives_the_words_back(tmp_path: Path) -> None:
    model = LogisticRegression().fit(scaled(), ENCODER.transform(WORDS))
    given = dictionary(model=model, label_encoder=ENCODER)

    for artifact in both(tmp_path, given):
        assert artifact.model.predict(ROWS).labels == ENCODER.inverse_transform(model.predict(scaled())).tolist()
        answer = (await served(artifact).predict({"features": ROWS[0].tolist()})).json()
        assert list(answer["probabilities"]) == ["churns", "stays"]


@pytest.mark.parametrize("kind", [LogisticRegression(), RandomForestClassifier(10, max_depth=3, random_state=0)])
@pytest.mark.parametrize("threshold", [0.2, 0.8, np.float64(0.5), 1])
def test_a_threshold_decides_between_the_classes(tmp_path: Path, kind: Any, threshold: float) -> None:
    model = kind.fit(scaled(), WORDS)
    want = np.where(model.predict_proba(scaled())[:, 1] >= threshold, "stays", "churns")

    for artifact in both(tmp_path, dictionary(model=model, threshold=threshold)):
        assert artifact.model.predict(ROWS).labels == want.tolist()


def test_a_threshold_and_a_label_encoder_go_together(tmp_path: Path) -> None:
    model = LogisticRegression().fit(scaled(), ENCODER.transform(WORDS))
    want = np.where(model.predict_proba(scaled())[:, 1] >= 0.9, "stays", "churns")

    for artifact in both(tmp_path, dictionary(model=model, threshold=0.9, label_encoder=ENCODER)):
        assert artifact.model.predict(ROWS).labels == want.tolist()


def test_a_version_of_its_own_is_told_apart_from_the_one_that_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = pickled(tmp_path, dictionary())

    loaded(path, MODEL_TRUST="pickle", MODEL_VERSION="1.4.0")
    assert "calls itself" not in caplog.text
    loaded(path, MODEL_TRUST="pickle", MODEL_VERSION="2")
    assert 'the artefact calls itself version "1.4.0", and is served as "2"' in caplog.text


def test_what_only_describes_the_model_is_named(tmp_path: Path) -> None:
    path = pickled(tmp_path, dictionary(metrics={"auc": 0.9}, trained_at="2026-01-02", golden_rows=ROWS[:2].tolist()))

    assert loaded(path, MODEL_TRUST="pickle").metadata.golden_rows == tuple(map(tuple, ROWS[:2].tolist()))
    out = run("bundle", "--from", path, "--sample", csv_file(tmp_path), "--name", "m", "--out", tmp_path / "b")[1]
    assert "note: not kept, as it changes no answer: metrics, trained_at" in out
    assert "note: its golden_rows are not kept" in out


@pytest.mark.parametrize("key", [*REMEDIES, "ensemble_weights", 7])
def test_a_key_that_would_be_dropped_is_named_with_a_remedy(tmp_path: Path, key: Any) -> None:
    for said in refusals(tmp_path, dictionary() | {key: LabelEncoder()}):
        remedy = REMEDIES.get(key, "leave it out of what you save, or put what it does into the model")
        assert said == f'the artefact holds "{key}", which is not used here and would be dropped; {remedy}'


def test_a_key_without_a_value_is_nothing(tmp_path: Path) -> None:
    assert len(both(tmp_path, dictionary(calibrator=None, threshold=None, label_encoder=None))) == 2


CLASSES = LogisticRegression().fit(ROWS, WORDS)
WRONG: list[tuple[Any, str]] = [
    (dictionary(threshold=2), "threshold is 2, not a probability"),
    (dictionary(threshold=float("nan")), "threshold is nan, not a probability"),
    (dictionary(threshold="high"), "threshold is high, not a probability"),
    (dictionary(threshold=True), "threshold is True, not a probability"),
    (
        dictionary(model=LogisticRegression().fit(scaled(), np.arange(300) % 3), threshold=0.5),
        "the artefact holds a threshold, which is for a model of two classes with predict_proba",
    ),
    (dictionary(label_encoder={0: "no"}), "label_encoder is a dict, not a fitted LabelEncoder"),
    (dictionary(label_encoder=LabelEncoder()), "label_encoder is a LabelEncoder, not a fitted LabelEncoder"),
    (
        dictionary(label_encoder=LabelBinarizer().fit(WORDS)),
        "label_encoder is a LabelBinarizer, not a fitted LabelEncoder",
    ),
    (
        dictionary(model=CLASSES, scaler=None, label_encoder=ENCODER),
        "the label_encoder does not know the classes that the model answers",
    ),
    (dictionary(scaler={"mean": 1}), "scaler is a dict, which has no transform"),
    (dictionary(feature_columns="age,income"), "feature_columns is a str, not a list of names"),
    (dictionary(feature_columns=["age", "age"]), 'feature_columns names "age" twice'),
    (dictionary(golden_rows=[["a", 1]]), "golden_rows are not rows of numbers"),
    (dictionary(warmup_seconds=-1), "warmup_seconds is -1, not a number of seconds"),
    (dictionary(model=None, scaler=None), "the file holds a NoneType, which has no predict; "),
    ({"clf": CLASSES}, 'the file holds no fitted estimator, nor a dictionary with a model: it has "clf"; "clf": call'),
    ([CLASSES], "the file holds a list, which has no predict; "),
]


@pytest.mark.parametrize(("content", "sentence"), WRONG)
def test_a_key_that_makes_no_sense_is_refused(tmp_path: Path, content: object, sentence: str) -> None:
    for said in refusals(tmp_path, content):
        assert said.startswith(sentence)


def test_a_model_that_was_calibrated_itself_is_taken(tmp_path: Path) -> None:
    model = CalibratedClassifierCV(LogisticRegression()).fit(ROWS, WORDS)
    want = model.predict_proba(ROWS)
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model))

    found = loaded(path, MODEL_TRUST="pickle").model.predict(ROWS)

    np.testing.assert_allclose(np.array(found.probabilities), want, rtol=1e-9)
