"""`bundle`: what it makes is what the server loads, and what would not be served as the original is not made."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from making.samples import (
    COLUMNS,
    LABELS,
    ROWS,
    TRUTH,
    csv_file,
    dictionary,
    loaded,
    made,
    pickled,
    promised,
    regression,
    run,
    skops_file,
)
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from modelserver.failures import StartError
from modelserver.models import Origin
from modelserver.warmup import warm_up


class Contrary(LogisticRegression):  # type: ignore[misc]
    """Its class is not the one of the largest probability, as it may be with support vector machines."""

    def predict(self, rows: Any) -> Any:
        return 1 - super().predict(rows)


def manifest(path: Path) -> Any:
    with tarfile.open(path) as tar:
        file = tar.extractfile("bundle.json")
        assert file is not None
        return json.load(file)


def refused(folder: Path, model: Path, *words: object, **sample: Any) -> str:
    code, out, err = run("bundle", "--from", model, "--sample", csv_file(folder, **sample), "--name", "churn",
                         "--version", "1", "--out", folder / "b.tar.gz", *words)  # fmt: skip
    assert (code, out) == (2, "")
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith((".", "b.tar"))) == []
    return err.removeprefix("error: ").strip()


def test_a_pickled_dictionary_becomes_a_bundle_of_one_pipeline(tmp_path: Path) -> None:
    artifact_file, path = pickled(tmp_path, dictionary()), tmp_path / "churn.tar.gz"

    code, out, err = run("bundle", "--from", artifact_file, "--sample", csv_file(tmp_path), "--name", "churn",
                         "--out", path)  # fmt: skip

    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == [
        f"wrote {path}: churn 1.4.0, 2 columns, 10 golden rows",
        f"checked: 300 of 300 rows are answered as by {artifact_file}",
    ]
    artifact = loaded(path, MODEL_SHA256=lines[2].removeprefix("sha256: "))
    warm_up(artifact)
    assert (artifact.metadata.columns, artifact.metadata.classes) == (COLUMNS, (0, 1))
    assert artifact.metadata.origin == Origin("churn", "1.4.0")


def test_it_answers_as_scaler_and_model_did_one_after_the_other(tmp_path: Path) -> None:
    parts = dictionary()
    path = made(tmp_path, pickled(tmp_path, parts))

    answered = loaded(path).model.predict(ROWS[:20])

    wanted = parts["model"].predict_proba(parts["scaler"].transform(ROWS[:20]))
    assert np.allclose(np.array(answered.probabilities), wanted)


def test_a_bundle_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    model = skops_file(tmp_path, regression())
    digests = set()
    for number in range(2):
        path = made(tmp_path, model, name=f"{number}.tar")
        digests.add(json.dumps({key: value for key, value in manifest(path).items() if key != "model"}))

    assert len(digests) == 1


def test_a_path_without_an_archives_suffix_is_a_folder(tmp_path: Path) -> None:
    path = made(tmp_path, skops_file(tmp_path, regression()), name="bundle")

    assert sorted(file.name for file in path.iterdir()) == ["bundle.json", "model.skops"]
    warm_up(loaded(path))


def test_the_baseline_is_of_the_sample(tmp_path: Path) -> None:
    path = made(tmp_path, skops_file(tmp_path, regression()))

    baseline = loaded(path).metadata.baseline

    assert baseline is not None
    predictions = regression().predict(ROWS)
    assert baseline.count == 300
    assert [baseline.mean, baseline.sd] == pytest.approx([predictions.mean(), predictions.std(ddof=1)])
    assert len(baseline.edges) == 19
    assert max(baseline.counts) - min(baseline.counts) <= 2


def test_golden_rows_reach_from_the_lowest_prediction_to_the_highest(tmp_path: Path) -> None:
    path = made(tmp_path, skops_file(tmp_path, regression()), "--golden-rows", 5)

    expected = loaded(path).metadata.expected

    predictions = regression().predict(ROWS)
    assert expected is not None
    labels = [float(label) for label in expected.scores.labels if isinstance(label, int | float)]
    assert [labels[0], labels[-1]] == pytest.approx([predictions.min(), predictions.max()])
    assert labels == sorted(labels)
    assert len(labels) == 5


def test_promises_about_columns_are_kept_with_what_the_sample_shows(tmp_path: Path) -> None:
    ages = np.column_stack((np.arange(300) % 80, ROWS[:, 1]))
    columns = promised(tmp_path, {"age": {"type": "integer", "min": 0, "max": 120}})

    found = manifest(made(tmp_path, pickled(tmp_path, dictionary()), "--columns", columns, rows=ages))["columns"]

    assert found[0] == {"name": "age", "type": "integer", "min": 0.0, "max": 120.0, "usual": [0.0, 79.0]}
    assert found[1] == {"name": "income", "type": "number", "usual": [ROWS[:, 1].min(), ROWS[:, 1].max()]}


def test_an_interval_holds_the_share_of_the_truths_that_was_asked_for(tmp_path: Path) -> None:
    model = skops_file(tmp_path, regression())

    path = made(tmp_path, model, "--target", "price", "--interval", 0.9, price=TRUTH, name="i.tar")

    interval = loaded(path).metadata.interval
    assert interval is not None
    residuals = np.sort(TRUTH - regression().predict(ROWS))
    assert [interval.level, interval.lower, interval.upper] == pytest.approx([0.9, residuals[14], residuals[285]])


def test_predictions_are_clipped_in_golden_rows_and_baseline_too(tmp_path: Path) -> None:
    path = made(tmp_path, skops_file(tmp_path, regression()), "--clip-min", 45, "--clip-max", 55)

    metadata = loaded(path).metadata

    assert metadata.expected is not None
    assert metadata.baseline is not None
    assert (metadata.expected.scores.labels[0], metadata.expected.scores.labels[-1]) == (45.0, 55.0)
    assert 45 < metadata.baseline.mean < 55
    assert loaded(path).model.predict(np.array([[0.0, 0.0]])).labels == [45.0]


def test_an_onnx_file_becomes_a_bundle(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"

    code, out, err = run("bundle", "--from", models / "v2.onnx", "--sample", models / "rows.json", "--name", "cancer",
                         "--version", "2", "--out", path)  # fmt: skip

    assert (code, err) == (0, "")
    assert "30 columns" in out
    assert manifest(path)["model"]["file"] == "model.onnx"
    warm_up(loaded(path))


def test_a_forest_needs_no_trust(tmp_path: Path) -> None:
    forest = RandomForestRegressor(5, max_depth=3, random_state=0).fit(ROWS, TRUTH)
    path = tmp_path / "b.tar"

    code, out, _ = run("bundle", "--from", pickled(tmp_path, forest), "--sample", csv_file(tmp_path), "--name", "f",
                       "--version", "1", "--out", path)  # fmt: skip

    assert code == 0
    assert "MODEL_TRUST" not in out
    assert loaded(path).width == 2


def test_types_that_are_not_scikit_learns_are_listed(tmp_path: Path) -> None:
    name = f"{Contrary.__module__}.Contrary"
    path = tmp_path / "b.tar"

    code, out, _ = run("bundle", "--from", pickled(tmp_path, Contrary().fit(ROWS, LABELS)), "--sample",
                       csv_file(tmp_path), "--name", "f", "--version", "1", "--out", path)  # fmt: skip

    assert code == 0
    assert f"the server needs MODEL_TRUST (spec.model.trust): {name}\n" in out
    with pytest.raises(StartError, match=f"it holds types that are not scikit-learn's own: {name}. Name them in"):
        loaded(path)
    assert loaded(path, MODEL_TRUST=name).width == 2


def test_a_small_or_even_sample_is_noted(tmp_path: Path) -> None:
    words = ("bundle", "--from", skops_file(tmp_path, regression()), "--name", "s", "--version", "1")

    few = run(*words, "--sample", csv_file(tmp_path, rows=ROWS[:50]), "--out", tmp_path / "few.tar")[1]
    same = run(*words, "--sample", csv_file(tmp_path, rows=[ROWS[0]] * 300), "--out", tmp_path / "same.tar")[1]

    note = "note: the judge will not use the baseline for drift: "
    assert few.splitlines()[-1] == f"{note}it is of 50 predictions and the judge needs 200"
    assert same.splitlines()[-1] == f"{note}all predictions are the same"
    warm_up(loaded(tmp_path / "same.tar"))


def test_a_model_whose_probabilities_contradict_its_classes_answers_as_predict_does(tmp_path: Path) -> None:
    contrary = Contrary().fit(ROWS, LABELS)

    path = made(tmp_path, pickled(tmp_path, contrary))

    model = loaded(path, MODEL_TRUST=f"{Contrary.__module__}.Contrary").model
    assert model.predict(ROWS).labels == contrary.predict(ROWS).tolist()


def test_a_pickle_without_an_estimator_is_refused(tmp_path: Path) -> None:
    found = refused(tmp_path, pickled(tmp_path, {"model": "a text"}))

    assert found == (
        f"{tmp_path / 'artifact.pkl'}: the file holds a str, which has no predict; "
        "it has to be a fitted estimator, or a dictionary {model, scaler, feature_columns, version} around one"
    )


COLUMNS_BAD: list[tuple[dict[str, Any], str]] = [
    ({"feature_columns": ["age"]}, "the model's feature_columns name 1 columns, the model takes 2"),
    ({"feature_columns": ["age", "height"]}, 'sample.csv, row 1: there is no column "height"'),
]


@pytest.mark.parametrize(("changes", "said"), COLUMNS_BAD)
def test_columns_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    assert refused(tmp_path, pickled(tmp_path, dictionary(**changes))).endswith(said)


def test_a_sample_in_another_order_is_put_into_the_models(tmp_path: Path) -> None:
    turned = ROWS[:, ::-1]

    path = made(tmp_path, pickled(tmp_path, dictionary()), rows=turned, header=("income", "age"))

    assert loaded(path).metadata.golden_rows[0] in {tuple(row) for row in ROWS.tolist()}


def test_a_cell_that_is_no_number_is_named(tmp_path: Path) -> None:
    model = skops_file(tmp_path, regression())

    found = refused(tmp_path, model, rows=[(1, 2), (3, "n/a")])

    assert found == f'{tmp_path / "sample.csv"}, row 2: column "income" is "n/a", not a finite number'


REFUSED: list[tuple[tuple[object, ...], str]] = [
    (("--interval", 0.9), "--interval needs --target, the column of the sample with the true values"),
    (("--interval", 90), "--interval is 90; it is a share of the truths, such as 0.9"),
    (("--clip-min", 2, "--clip-max", 1), "--clip-min 2 is above --clip-max 1"),
    (("--golden-rows", 0), "--golden-rows takes 1 to 1000, --tolerance 0 to 1"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_options_that_cannot_be_are_refused(tmp_path: Path, words: tuple[object, ...], said: str) -> None:
    assert refused(tmp_path, skops_file(tmp_path, regression()), *words) == said


def test_an_interval_needs_enough_rows(tmp_path: Path) -> None:
    found = refused(tmp_path, skops_file(tmp_path, regression()), "--target", "price", "--interval", 0.9,
                    rows=ROWS[:18], price=TRUTH[:18])  # fmt: skip

    assert found == "an interval of 0.9 needs at least 19 rows, not 18"


@pytest.mark.parametrize("words", [("--interval", 0.9, "--target", "label"), ("--clip-max", 1)])
def test_a_classifier_has_neither_intervals_nor_clipping(tmp_path: Path, words: tuple[object, ...]) -> None:
    assert "only a regression" in refused(tmp_path, pickled(tmp_path, dictionary()), *words, label=LABELS)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    model, path = skops_file(tmp_path, regression()), tmp_path / "taken.tar"
    path.write_text("mine")

    code, _, err = run("bundle", "--from", model, "--sample", csv_file(tmp_path), "--name", "x", "--version", "1",
                       "--out", path)  # fmt: skip

    assert (code, err) == (2, f"error: {path} is there already; name another --out, or remove it\n")
    assert path.read_text() == "mine"


def test_a_version_is_asked_for_where_nobody_says_one(tmp_path: Path) -> None:
    model = skops_file(tmp_path, regression())

    code, _, err = run("bundle", "--from", model, "--sample", csv_file(tmp_path), "--name", "x")

    assert (code, err) == (2, f"error: {model} does not say its version; give --version\n")


def test_promises_about_unknown_columns_are_refused(tmp_path: Path) -> None:
    columns = promised(tmp_path, {"hight": {"min": 0}})

    found = refused(tmp_path, pickled(tmp_path, dictionary()), "--columns", columns)

    assert found == '--columns names "hight", which the model does not take'


def test_columns_in_another_order_than_the_estimators_are_not_made(models: Path, tmp_path: Path) -> None:
    estimator = skops.io.load(models / "v2.skops")
    names = list(estimator.feature_names_in_)
    wrong = {"model": estimator, "feature_columns": [names[1], names[0], *names[2:]]}

    code, _, err = run("bundle", "--from", pickled(tmp_path, wrong), "--sample", models / "rows.json", "--name", "x",
                       "--version", "1", "--out", tmp_path / "b.tar")  # fmt: skip

    assert code == 2
    assert 'feature mismatch: column 0 is "mean texture" in the artifact and "mean radius" in its estimator' in err


def test_a_sample_may_be_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"features": dict(zip(COLUMNS, row, strict=True))}) for row in ROWS.tolist()))

    code, out, _ = run("bundle", "--from", pickled(tmp_path, dictionary()), "--sample", path, "--name", "x",
                       "--out", tmp_path / "b.tar")  # fmt: skip

    assert code == 0
    assert "checked: 300 of 300 rows" in out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.csv", "", "holds no rows"),
        ("s.csv", "a,a\n1,2\n", "its header has a column twice"),
        ("s.csv", "a,b\n1,2,3\n", "row 1: it has more values than the header has columns"),
        ("s.json", "{", "is not JSON"),
        ("s.json", "[1]", "row 1: a row is an object of numbers by column"),
        ("s.json", "[]", "holds no rows"),
    ],
)
def test_a_sample_that_is_none_is_refused(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)

    code, _, err = run("bundle", "--from", pickled(tmp_path, dictionary()), "--sample", tmp_path / name,
                       "--name", "x", "--out", tmp_path / "b.tar")  # fmt: skip

    assert code == 2
    assert said in err


def test_a_support_vector_machine_without_probabilities_is_made(tmp_path: Path) -> None:
    path = made(tmp_path, skops_file(tmp_path, SVC().fit(ROWS, LABELS)))

    assert loaded(path).metadata.classes == (0, 1)
