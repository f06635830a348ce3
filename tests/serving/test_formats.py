"""Formats: what is loaded, what is refused, and in which words."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import skops.io
from cancer.onnx_files import write as write_onnx
from serving.apps import loaded, served
from serving.processes import SERVING_IMAGE
from sklearn.linear_model import LinearRegression, LogisticRegression

from modelserver.failures import StartError

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]])


class Estimator:
    """Of a type that nobody trusts."""

    n_features_in_ = 2

    def predict(self, rows: object) -> object:
        return rows


def regression() -> LinearRegression:
    return LinearRegression().fit(ROWS, ROWS.sum(axis=1))


def skops_file(folder: Path, content: object) -> Path:
    path = folder / "m.skops"
    skops.io.dump(content, path)
    return path


def refusal(path: Path, *trust: str) -> str:
    with pytest.raises(StartError) as failure:
        loaded(path, *trust)
    return str(failure.value)


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
async def test_skops_and_onnx_of_one_model_answer_alike(models: Path, rows: list[dict[str, float]], name: str) -> None:
    answers = []
    for suffix in ("skops", "onnx"):
        server = served(loaded(models / f"{name}.{suffix}"))
        answers.append((await server.batch(*rows[:100])).json()["predictions"])

    labels = [[row["prediction"] for row in rows] for rows in answers]
    shares = [[row["probabilities"]["1"] for row in rows] for rows in answers]
    assert labels[0] == labels[1]
    assert shares[0] == pytest.approx(shares[1], abs=1e-4)


@pytest.mark.parametrize("suffix", ["skops", "onnx"])
def test_columns_come_from_the_artifact(models: Path, suffix: str) -> None:
    artifact = loaded(models / f"v2.{suffix}")

    assert artifact.metadata.columns[:2] == ("mean radius", "mean texture")
    assert (artifact.width, len(artifact.metadata.columns), artifact.metadata.classes) == (30, 30, (0, 1))


@pytest.mark.parametrize("suffix", ["skops", "onnx"])
def test_a_column_too_many_is_a_feature_mismatch(models: Path, suffix: str) -> None:
    found = refusal(models / f"column-too-many.{suffix}")

    assert found == "feature mismatch: the artifact lists 31 columns, the model takes 30"


async def test_a_regression_answers_numbers_without_probabilities(tmp_path: Path) -> None:
    server = served(loaded(skops_file(tmp_path, {"model": regression(), "feature_columns": ["x", "y"]})))

    answer = (await server.predict({"features": {"y": 2, "x": 1}})).json()

    assert answer["prediction"] == pytest.approx(3.0)
    assert "probabilities" not in answer


async def test_classes_may_be_words(tmp_path: Path) -> None:
    model = LogisticRegression(C=100).fit(ROWS, ["no", "no", "yes", "yes"])
    server = served(loaded(skops_file(tmp_path, model)))

    answer = (await server.predict({"features": [3, 1]})).json()

    assert (answer["prediction"], list(answer["probabilities"])) == ("yes", ["no", "yes"])


def test_a_golden_row_of_another_length_is_a_feature_mismatch(tmp_path: Path) -> None:
    path = skops_file(tmp_path, {"model": regression(), "golden_rows": [[1.0, 2.0], [1.0]]})

    assert refusal(path) == "feature mismatch: golden row 1 has 1 values, the model takes 2"


def test_a_skops_file_with_an_unknown_type_needs_trust(tmp_path: Path) -> None:
    path = skops_file(tmp_path, Estimator())
    type_name = f"{Estimator.__module__}.{Estimator.__qualname__}"

    found = refusal(path)

    assert found.startswith("untrusted model: ")
    assert type_name in found
    assert loaded(path, type_name).width == 2


def test_a_pickle_needs_trust_and_is_said_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "m.joblib"
    path.write_bytes(pickle.dumps(regression()))

    found = refusal(path)

    assert found == (
        "untrusted model: m.joblib is a pickle, which runs any code in it when loaded; "
        "save the model with skops or as ONNX, or set trust: pickle if you know who made it"
    )
    assert loaded(path, "pickle").width == 2
    assert "any code in it runs now" in caplog.text


def test_a_format_is_found_by_content_where_the_name_says_nothing(models: Path, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes((models / "v2.onnx").read_bytes())
    (tmp_path / "two").write_bytes((models / "v2.skops").read_bytes())
    (tmp_path / "three").write_bytes(pickle.dumps(regression()))

    assert (loaded(tmp_path / "one").format, loaded(tmp_path / "two").format) == ("onnx", "skops")
    assert refusal(tmp_path / "three").startswith("untrusted model: three is a pickle")


UNREADABLE = {
    "m.onnx": "unreadable model: onnxruntime cannot load it: ",
    "m.skops": "unreadable model: skops cannot load it: ",
    "m.txt": "unreadable model: m.txt is neither skops (.skops) nor ONNX (.onnx), nor a pickle (.joblib, .pkl)",
}


@pytest.mark.parametrize(("name", "sentence"), UNREADABLE.items())
def test_rubbish_is_an_unreadable_model(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / name).write_bytes(b"<html>not found</html>")

    assert refusal(tmp_path / name).startswith(sentence)


def test_an_estimator_that_is_not_fitted_is_unreadable(tmp_path: Path) -> None:
    assert "is not fitted" in refusal(skops_file(tmp_path, LinearRegression()))


def test_a_file_without_an_estimator_is_unreadable(tmp_path: Path) -> None:
    assert "holds no fitted estimator" in refusal(skops_file(tmp_path, {"columns": ["x"]}))


def test_metadata_that_is_no_json_is_unreadable(models: Path, tmp_path: Path) -> None:
    model = onnx.load(models / "v2.onnx")
    onnx.helper.set_model_props(model, {"feature_names": "mean radius, mean texture"})
    write_onnx(tmp_path / "m.onnx", model)

    assert refusal(tmp_path / "m.onnx").startswith("unreadable model: the ONNX model's metadata cannot be read: ")


def test_a_start_imports_what_its_model_needs_and_nothing_that_people_read(models: Path) -> None:
    program = """
import sys
from pathlib import Path
from modelserver import lifecycle, serving, sources
from modelserver.settings import Settings
from modelserver.state import State
settings = Settings.from_environment({"MODEL_URI": sys.argv[1]})
state = State(settings)
fetched = sources.fetch(settings)
artifact = serving.bundles.load(fetched, settings)
state.loaded(fetched, artifact)
serving.App(serving.Predictor(artifact, settings, state.traffic), state)
print(*sorted({"sklearn", "skops", "scipy", "onnxruntime", "fastapi", "opentelemetry"} & set(sys.modules)))
"""

    def imported(name: str) -> str:
        arguments = [sys.executable, "-c", program, str(models / name)]
        done = subprocess.run(
            arguments, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(SERVING_IMAGE)}
        )
        return done.stdout.strip()

    assert imported("v2.onnx") == "onnxruntime"
    assert imported("v2.skops") == "scipy sklearn skops"
