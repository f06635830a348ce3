"""What is answered is what `predict` and `predict_proba` return, whatever kind of model it is; or it is refused."""

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from onnx import TensorProto, helper
from serving.apps import Served, loaded, served
from skl2onnx import to_onnx
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.multioutput import MultiOutputClassifier, RegressorChain
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC

from modelserver.artefacts import Whole
from modelserver.estimators import SklearnModel
from modelserver.failures import StartError
from modelserver.warmup import warm_up

RANDOM = np.random.default_rng(3)
ROWS = np.round(RANDOM.normal(0, 2, (200, 4)), 3)
VALUE = ROWS @ (1.0, -2.0, 0.5, 0.0) + RANDOM.normal(0, 1.0, 200)
WORDS = np.array(["no", "yes"])[(VALUE > 1.5).astype(int)]
THREE = np.digitize(VALUE, (-1.0, 1.0))
LABELS = np.column_stack([VALUE > 0, ROWS[:, 0] > 0, ROWS[:, 1] > 1]).astype(int)
COUNTS = RANDOM.integers(0, 4, (200, 4)).astype(float)

KINDS: dict[str, tuple[Any, Any]] = {
    "a tuned threshold": (TunedThresholdClassifierCV(LogisticRegression(), scoring="f1_macro"), VALUE > 1.5),
    "a tuned threshold over words": (TunedThresholdClassifierCV(LogisticRegression(), scoring="f1_macro"), WORDS),
    "a fixed threshold": (FixedThresholdClassifier(LogisticRegression(), threshold=0.2), THREE > 1),
    "a threshold at the end": (
        make_pipeline(StandardScaler(), FixedThresholdClassifier(LogisticRegression(), threshold=0.8)), WORDS
    ),
    "a search": (GridSearchCV(RandomForestClassifier(10, random_state=0), {"max_depth": [2, 3]}), WORDS),
    "truths": (LogisticRegression(), VALUE > 0),
    "classes with fractions": (LogisticRegression(), np.where(VALUE > 0, 2.0, 1.0)),
    "a forest that ties": (RandomForestClassifier(2, random_state=0), THREE),
    "support vectors with probabilities": (CalibratedClassifierCV(SVC(), ensemble=False), THREE),
    "no probabilities": (LinearSVC(), WORDS),
    "neighbours": (KNeighborsClassifier(4), THREE),
    "several numbers": (LinearRegression(), np.column_stack([VALUE, ROWS[:, 0]])),
    "a chain": (RegressorChain(LinearRegression()), np.column_stack([VALUE, ROWS[:, 0]])),
    "a column of targets": (LinearRegression(), VALUE[:, None]),
    "labels of a forest": (RandomForestClassifier(5, random_state=0), LABELS),
    "labels of a network": (MLPClassifier((5,), tol=10.0, random_state=0), LABELS),
    "outputs of words": (
        MultiOutputClassifier(LogisticRegression()), np.column_stack([WORDS, np.array(["a", "b", "c"])[THREE]])
    ),
    "outliers": (IsolationForest(n_estimators=10, random_state=0), None),
    "outliers by neighbours": (LocalOutlierFactor(novelty=True), None),
    "a sparse matrix inside": (make_pipeline(OneHotEncoder(), LogisticRegression()), COUNTS.sum(axis=1) > 6),
    "a sparse matrix before a forest": (
        make_pipeline(OneHotEncoder(), RandomForestRegressor(5, random_state=0)), COUNTS.sum(axis=1)
    ),
    "fewer columns inside": (make_pipeline(TruncatedSVD(2), RandomForestClassifier(5, random_state=0)), THREE),
}  # fmt: skip


def fitted(name: str) -> tuple[Any, np.ndarray[Any, Any]]:
    estimator, target = KINDS[name]
    rows = COUNTS if "sparse" in name else ROWS
    return sklearn.clone(estimator).fit(rows, target), rows


def pickled(folder: Path, estimator: object) -> Path:
    path = folder / "m.pkl"
    path.write_bytes(pickle.dumps(estimator))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(StartError) as failure:
        warm_up(loaded(path, "pickle"))
    return str(failure.value)


async def ways(server: Served, rows: Any) -> Iterator[tuple[list[Any], list[list[float]] | None]]:
    """Labels and probabilities, by rows alone, by rows together, and by tensors."""
    alone = [(await server.predict({"features": row})).json() for row in rows.tolist()]
    answers = [await server.batch(*rows[at : at + 100].tolist()) for at in range(0, len(rows), 100)]
    together = [one for answer in answers for one in answer.json()["predictions"]]
    labels: list[Any] = []
    shares: list[list[float]] = []
    for at in range(0, len(rows), 100):
        part = rows[at : at + 100]
        tensor = {"name": "x", "datatype": "FP64", "shape": list(part.shape), "data": part.tolist()}
        answer = await server.client.post("/v2/models/churn/infer", content=json.dumps({"inputs": [tensor]}))
        outputs = {one["name"]: one for one in answer.json()["outputs"]}
        labels += np.reshape(np.array(outputs["predict"]["data"], object), outputs["predict"]["shape"]).tolist()
        if "predict_proba" in outputs:
            given = outputs["predict_proba"]
            shares += np.reshape(given["data"], given["shape"]).tolist()
    return iter([*((_labels(every), _shares(every)) for every in (alone, together)), (labels, shares or None)])


def _labels(answers: list[Any]) -> list[Any]:
    return [one["prediction"] for one in answers]


def _shares(answers: list[Any]) -> list[list[float]] | None:
    if "probabilities" not in answers[0]:
        return None
    every = [one["probabilities"] for one in answers]
    return [[share for part in (one if isinstance(one, list) else [one]) for share in part.values()] for one in every]


@pytest.mark.parametrize("name", KINDS)
async def test_answers_are_the_notebooks_in_every_way_of_asking(name: str, tmp_path: Path) -> None:
    estimator, rows = fitted(name)
    with sklearn.config_context(assume_finite=False):
        labels = np.asarray(estimator.predict(rows))
        shares = estimator.predict_proba(rows) if hasattr(estimator, "predict_proba") else None
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    artifact = loaded(pickled(tmp_path, estimator), "pickle")
    warm_up(artifact)

    for ours, given in await ways(served(artifact), rows):
        if labels.dtype.kind == "f":
            np.testing.assert_allclose(np.array(ours, float), labels, rtol=1e-9, atol=1e-9)
        else:
            assert ours == labels.tolist()
        assert (given is None) == (shares is None)
        if given is not None and shares is not None:
            wanted = np.hstack(shares) if isinstance(shares, list) else np.asarray(shares)
            np.testing.assert_allclose(np.array(given), wanted, rtol=1e-9, atol=1e-12)


async def test_probabilities_are_named_by_their_classes_and_outputs(tmp_path: Path) -> None:
    async def first(name: str) -> Any:
        estimator, rows = fitted(name)
        server = served(loaded(pickled(tmp_path, estimator), "pickle"))
        return (await server.predict({"features": rows[0].tolist()})).json()["probabilities"]

    assert list(await first("truths")) == ["false", "true"]
    assert list(await first("a tuned threshold over words")) == ["no", "yes"]
    assert [list(one) for one in await first("outputs of words")] == [["no", "yes"], ["a", "b", "c"]]
    assert list(await first("labels of a network")) == ["0", "1", "2"]


SHAPES = {
    "several numbers": [("predict", "FP64", [-1, 2])],
    "no probabilities": [("predict", "BYTES", [-1])],
    "outliers": [("predict", "INT64", [-1])],
    "labels of a forest": [("predict", "INT64", [-1, 3]), ("predict_proba", "FP64", [-1, 6])],
    "truths": [("predict", "BOOL", [-1]), ("predict_proba", "FP64", [-1, 2])],
}


@pytest.mark.parametrize("name", SHAPES)
async def test_metadata_say_what_the_outputs_look_like(name: str, tmp_path: Path) -> None:
    server = served(loaded(pickled(tmp_path, fitted(name)[0]), "pickle"))

    found = (await server.client.get("/v2/models/churn")).json()["outputs"]

    assert [(one["name"], one["datatype"], one["shape"]) for one in found] == SHAPES[name]


class Among(BaseEstimator):  # type: ignore[misc]
    """Answers a row by those beside it."""

    n_features_in_ = 4

    def predict(self, rows: Any) -> Any:
        return rows[:, 0] - rows[:, 0].mean()


class Answering(BaseEstimator):  # type: ignore[misc]
    """Answers all rows the same."""

    n_features_in_ = 4

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict(self, rows: Any) -> Any:
        if self.answer == "":
            raise ValueError("Specifying the columns using strings is only supported for dataframes")
        return np.array([self.answer] * len(rows))


class Forgetful(Answering):
    def predict(self, rows: Any) -> Any:
        return rows[:1, 0]


class OnlyTogether(Answering):
    def predict(self, rows: Any) -> Any:
        if len(rows) == 1:
            raise ValueError("one row is no sample")
        return np.zeros(len(rows))


REFUSED: list[tuple[object, str]] = [
    (Answering(""), "warm-up failed: the model fails on each of "),
    (Answering([[1.0, 2.0]]), "unreadable model: predict answers an array of 3 dimensions"),
    (Answering(1j), "unreadable model: predict answers complex128; numbers, truths and text are served"),
    (Answering({"a": 1}), "unreadable model: predict answers dict; numbers, truths and text are served"),
    (Answering(float("nan")), "warm-up failed: the model fails on each of "),
    (Forgetful(0), "unreadable model: predict gives 1 answers to "),
    (OnlyTogether(0), "warm-up failed: the model fails on a row alone that it answers among others: "),
]


@pytest.mark.parametrize(("estimator", "sentence"), REFUSED)
def test_what_would_answer_500_to_every_request_never_becomes_ready(
    tmp_path: Path, estimator: object, sentence: str
) -> None:
    assert refusal(pickled(tmp_path, estimator)).startswith(sentence)


async def test_rows_that_change_each_others_answers_are_asked_one_by_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = served(loaded(pickled(tmp_path, Among()), "pickle"))

    found = (await server.batch(*ROWS[:3].tolist())).json()["predictions"]

    assert [one["prediction"] for one in found] == [0.0, 0.0, 0.0]
    assert "asked for one at a time" in caplog.text


def test_a_forest_is_not_handed_what_its_pipeline_made_endless() -> None:
    pipeline = make_pipeline(PowerTransformer(), RandomForestRegressor(5, random_state=0)).fit(abs(ROWS) + 1, VALUE)
    model = SklearnModel(Whole(pipeline))
    pipeline.steps[0][1].lambdas_ = np.full(4, np.nan)

    with pytest.raises(ValueError, match=r"not finite|NaN"):
        model.predict(ROWS[:1])


def onnx_file(folder: Path, model: Any) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def graph(outputs: list[tuple[str, int, list[Any]]], *nodes: Any) -> Any:
    """A model of four columns."""
    made = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("zipmap", [True, False])
async def test_onnx_of_words_answers_as_the_estimator(tmp_path: Path, *, zipmap: bool) -> None:
    estimator = LogisticRegression().fit(ROWS, WORDS)
    onnx = to_onnx(estimator, ROWS[:1].astype(np.float32), options={"zipmap": zipmap})
    server = served(loaded(onnx_file(tmp_path, onnx)))

    for labels, shares in await ways(server, ROWS[:50]):
        assert labels == estimator.predict(ROWS[:50]).tolist()
        np.testing.assert_allclose(np.array(shares), estimator.predict_proba(ROWS[:50]), atol=1e-5)


async def test_onnx_of_several_columns_answers_lists(tmp_path: Path) -> None:
    estimator = LinearRegression().fit(ROWS, np.column_stack([VALUE, ROWS[:, 0]]))
    server = served(loaded(onnx_file(tmp_path, to_onnx(estimator, ROWS[:1].astype(np.float32)))))

    for labels, shares in await ways(server, ROWS[:50]):
        np.testing.assert_allclose(np.array(labels, float), estimator.predict(ROWS[:50]), atol=1e-4)
        assert shares is None


SCORED: list[tuple[Any, dict[str, bool] | None]] = [
    (IsolationForest(n_estimators=10, random_state=0), None),
    (LogisticRegression(), {"zipmap": False, "raw_scores": True}),
]


@pytest.mark.parametrize(("estimator", "options"), SCORED)
async def test_scores_in_an_onnx_file_are_no_probabilities(
    tmp_path: Path, estimator: Any, options: dict[str, bool] | None
) -> None:
    estimator.fit(ROWS, THREE)
    onnx = to_onnx(estimator, ROWS[:1].astype(np.float32), target_opset={"": 18, "ai.onnx.ml": 3}, options=options)
    server = served(loaded(onnx_file(tmp_path, onnx)))

    for labels, shares in await ways(server, ROWS[:50]):
        assert labels == estimator.predict(ROWS[:50]).tolist()
        assert shares is None


async def test_an_onnx_file_whose_rows_change_each_other_is_asked_row_by_row(tmp_path: Path) -> None:
    mean = helper.make_node("ReduceMax", ["x"], ["most"], keepdims=1)
    minus = helper.make_node("Sub", ["x", "most"], ["y"])
    server = served(loaded(onnx_file(tmp_path, graph([("y", TensorProto.FLOAT, [None, 4])], mean, minus))))

    found = (await server.batch([1, 2, 3, 4], [5, 6, 7, 8])).json()["predictions"]

    assert [one["prediction"] for one in found] == [[-3.0, -2.0, -1.0, 0.0]] * 2
