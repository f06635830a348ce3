"""`check`: what a new model has to keep of the old one, and how its latency is compared."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from making.samples import (
    COLUMNS,
    LABELS,
    ROWS,
    TRUTH,
    dictionary,
    json_file,
    made,
    pickled,
    promised,
    regression,
    run,
    skops_file,
)
from sklearn.linear_model import LogisticRegression

from modelserver.making.comparing import Asked, compare
from modelserver.making.inputs import Unusable
from modelserver.making.rounds import Plan, speed
from modelserver.models import Artifact, Metadata, Rows, Scores

QUICK = ("--rounds", 1, "--calls", 3, "--max-p95-ratio", 1e6)


def checks(*words: object) -> tuple[int, dict[str, tuple[bool, str]]]:
    code, out, err = run("check", *words, *QUICK, "-o", "json")
    assert err == ""
    return code, {one["check"]: (one["passed"], one["said"]) for one in json.loads(out)["checks"]}


def old(folder: Path) -> Path:
    return made(folder, pickled(folder, dictionary()), name="old.tar")


def test_a_model_may_follow_itself(tmp_path: Path) -> None:
    code, found = checks(old(tmp_path), "--against", tmp_path / "old.tar")

    assert code == 0
    assert list(found) == ["columns", "ranges", "answers", "golden rows", "rows", "p95"]
    assert found["columns"] == (True, "2 columns, the same in the same order")
    assert found["golden rows"] == (True, "10 of 10 answered as when the bundle was made (tolerance 1e-06)")
    assert found["rows"] == (True, "20 of 20 answered; 20 with the old model's class")


def test_the_verdict_is_a_line_for_each_check_and_the_exit_code(tmp_path: Path) -> None:
    path = old(tmp_path)

    good = run("check", path, "--against", path, *QUICK)
    slow = run("check", path, "--against", path, "--rounds", 1, "--calls", 3, "--max-p95-ratio", 1e-9)

    assert (good[0], slow[0]) == (0, 1)
    assert good[1].splitlines()[-1] == f"{path} may follow {path}"
    assert [line[:4] for line in slow[1].splitlines()[:-1]] == ["ok  "] * 5 + ["FAIL"]
    assert slow[1].splitlines()[-1] == f"{path} should not follow {path}"


def test_another_order_of_the_columns_fails_and_nothing_is_timed(tmp_path: Path) -> None:
    turned = dictionary(feature_columns=list(reversed(COLUMNS)))
    new = made(tmp_path, pickled(tmp_path, turned), name="new.tar", rows=ROWS[:, ::-1], header=COLUMNS)

    code, found = checks(new, "--against", old(tmp_path))

    assert code == 1
    assert found["columns"] == (False, 'column 0 is "income" in the new model and "age" in the old one')
    assert list(found) == ["columns", "ranges", "answers", "golden rows"]


def test_a_column_more_is_named(tmp_path: Path) -> None:
    wide = np.column_stack((ROWS, ROWS[:, 0]))
    model = {"model": LogisticRegression(C=1e-6).fit(wide, LABELS), "feature_columns": [*COLUMNS, "tenure"]}
    new = made(tmp_path, pickled(tmp_path, model), name="new.tar", rows=wide, header=(*COLUMNS, "tenure"))

    found = checks(new, "--against", old(tmp_path))[1]

    assert found["columns"] == (False, 'the new model takes 3, the old one 2 (more: "tenure")')


def test_a_narrower_range_fails_by_name(tmp_path: Path) -> None:
    columns = promised(tmp_path, {"age": {"min": -100, "max": 120}})
    new = made(tmp_path, pickled(tmp_path, dictionary()), "--columns", columns, name="new.tar")

    narrowed, widened = checks(new, "--against", old(tmp_path)), checks(tmp_path / "old.tar", "--against", new)

    assert narrowed[1]["ranges"] == (False, 'the new model refuses values that the old one takes, in "age"')
    assert (narrowed[0], widened[0]) == (1, 0)


def test_other_classes_fail(tmp_path: Path) -> None:
    words = LogisticRegression().fit(ROWS, np.where(LABELS, "yes", "no"))
    new = made(tmp_path, skops_file(tmp_path, words), name="new.tar")
    numbers = made(tmp_path, skops_file(tmp_path, regression(), "r.skops"), name="regression.tar")

    assert checks(new, "--against", old(tmp_path))[1]["answers"] == (
        False,
        "the new model answers classes no, yes, the old one classes 0, 1",
    )
    assert checks(numbers, "--against", tmp_path / "old.tar")[1]["answers"][1].startswith("the new model answers num")


def test_an_interval_may_come_and_not_go(tmp_path: Path) -> None:
    model = skops_file(tmp_path, regression())
    bare = made(tmp_path, model, name="bare.tar")
    whole = made(tmp_path, model, "--target", "y", "--interval", 0.9, y=TRUTH, name="whole.tar")

    assert checks(whole, "--against", bare)[0] == 0
    assert checks(bare, "--against", whole)[1]["answers"] == (
        False,
        "the old model answers with an interval, the new one without",
    )


def test_a_regression_tells_how_far_it_is_from_the_old_one(tmp_path: Path) -> None:
    path = made(tmp_path, skops_file(tmp_path, regression()), name="r.tar")

    assert checks(path, "--against", path)[1]["rows"][1] == (
        "20 of 20 answered; the largest difference from the old model is 0"
    )


def test_bare_files_are_compared_on_rows_that_are_given(models: Path) -> None:
    code, found = checks(models / "v3.onnx", "--against", models / "v2.skops", "--rows", models / "rows.json")

    assert code == 0
    assert found["golden rows"] == (True, "2 of 2 answered")


def test_without_a_row_there_is_nothing_to_ask_about(tmp_path: Path) -> None:
    model = skops_file(tmp_path, regression())

    code, out, err = run("check", model, "--against", model)

    assert (code, out) == (2, "")
    assert err == "error: neither model has golden rows; give --rows FILE, so that there is something to ask about\n"


def test_a_model_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    code, _, err = run("check", tmp_path / "nothing.tar", "--against", old(tmp_path))

    assert (code, err.split(" cannot")[0]) == (2, f"error: {tmp_path / 'nothing.tar'}")
    assert "model not found" in err


@pytest.mark.parametrize("words", [("--rounds", 0), ("--calls", 0), ("--max-p95-ratio", 0), ("--max-p95-ratio", "nan")])
def test_options_that_cannot_be_are_refused(words: tuple[object, ...]) -> None:
    code, _, err = run("check", "new", "--against", "old", *words)

    assert (code, err) == (2, "error: --rounds and --calls take at least 1, --max-p95-ratio more than 0\n")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Timed:
    """A model that takes as long as it is told, in its clock's time."""

    clock: Clock
    seconds: Callable[[], float]
    asked: list[Any] = field(default_factory=list)
    dtype: type[np.floating] = np.float64
    rows_at_once: int | None = None

    def predict(self, rows: Rows) -> Scores:
        self.clock.now += self.seconds()
        self.asked.append(self.clock.now)
        return Scores(rows.sum(axis=1).tolist())


def steady(seconds: float) -> Callable[[], float]:
    return lambda: seconds


def with_tail(every: int, usual: float, long: float) -> Callable[[], float]:
    calls = iter(range(10**6))
    return lambda: long if next(calls) % every == 0 else usual


def test_the_ratio_is_that_of_the_95th_percentiles() -> None:
    clock = Clock()

    tail = Timed(clock, with_tail(10, 0.001, 0.004))
    found = speed(tail, Timed(clock, steady(0.002)), [(1.0,)], Plan(5, 100, clock))

    assert [found.new_p95_ms, found.old_p95_ms, found.ratio] == pytest.approx([4.0, 2.0, 2.0])


def test_a_machine_that_slows_down_slows_both_models_down() -> None:
    clock = Clock()

    def slowing() -> float:
        return 0.001 * (1 + clock.now)

    found = speed(Timed(clock, slowing), Timed(clock, slowing), [(1.0,)], Plan(9, 50, clock))

    assert found.new_p95_ms > 1.5
    assert found.ratio == pytest.approx(1.0, abs=0.1)


def test_one_disturbed_round_decides_nothing() -> None:
    clock = Clock()
    calls = iter(range(10**6))

    def disturbed() -> float:
        return 1.0 if 100 <= next(calls) < 200 else 0.001

    found = speed(Timed(clock, disturbed), Timed(clock, steady(0.001)), [(1.0,)], Plan(9, 50, clock))

    assert found.ratio == pytest.approx(1.0)


@pytest.mark.parametrize(("seconds", "passed"), [(0.0015, True), (0.0016, False)])
def test_one_and_a_half_times_the_old_p95_is_the_limit(seconds: float, passed: bool) -> None:  # noqa: FBT001
    clock = Clock()

    def artifact(taken: float) -> Artifact:
        return Artifact(Timed(clock, steady(taken)), 1, "fake", Metadata(golden_rows=((1.0,),)))

    found = compare(artifact(seconds), artifact(0.001), Asked(max_ratio=1.5 + 1e-9, plan=Plan(3, 20, clock)))

    assert found.passed is passed


def test_an_old_model_that_fails_on_its_own_rows_is_no_measure() -> None:
    def artifact(answer: float) -> Artifact:
        def predict(rows: Rows) -> Scores:
            return Scores([answer] * len(rows))

        return Artifact(Answering(predict), 1, "fake", Metadata(golden_rows=((1.0,),)))

    with pytest.raises(Unusable, match="the old model fails on these rows: row 0: the model answered nan"):
        compare(artifact(1.0), artifact(float("nan")), Asked())
    found = compare(artifact(float("nan")), artifact(1.0), Asked())
    assert [one.check for one in found.findings if not one.passed] == ["golden rows", "rows"]


@dataclass
class Answering:
    predict: Callable[[Rows], Scores]
    dtype: type[np.floating] = np.float64
    rows_at_once: int | None = None


def test_rows_may_come_from_a_file(tmp_path: Path) -> None:
    model = skops_file(tmp_path, regression())
    rows = json_file(tmp_path, [list(row) for row in ROWS[:7].tolist()])

    assert checks(model, "--against", model, "--rows", rows)[1]["rows"][1].startswith("7 of 7 answered")
