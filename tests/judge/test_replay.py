"""`modelrollout judge`: the same code offline, on a log of strata."""

import json
from pathlib import Path
from typing import Any

import pytest
from judge.trials import timed
from typer.testing import CliRunner

from modelrollout.api.spec import Compare
from modelrollout.cli import app
from modelrollout.judge.comparing import comparing
from modelrollout.judge.replay import document, read, replay, stratum_of, written
from modelrollout.judge.strata import Stratified
from modelrollout.judge.trial import started


def line(candidate: int, stable: int, of_candidate: int, of_stable: int, **extra: Any) -> str:
    arms = {
        "canary": {"requests": of_candidate, "errors": candidate},
        "stable": {"requests": of_stable, "errors": stable},
    }
    return json.dumps(arms | extra)


def judged(tmp_path: Path, lines: list[str], *options: str) -> tuple[int, str]:
    path = tmp_path / "strata.jsonl"
    path.write_text("\n".join(lines))
    ended = CliRunner().invoke(app, ["judge", "--strata", str(path), *options])
    return ended.exit_code, ended.output


def errors_of(tmp_path: Path, lines: list[str], *options: str) -> dict[str, Any]:
    code, text = judged(tmp_path, lines, "-o", "json", *options)
    assert code == 0
    found: dict[str, Any] = json.loads(text)["metrics"]["errors"]
    return found


@pytest.mark.parametrize(
    ("lines", "log_e"),
    [
        pytest.param([line(3, 5, 100, 900)], 1.539153, id="one stratum"),
        pytest.param([line(3, 5, 100, 900), "", line(6, 9, 250, 750)], 1.647420, id="two strata and an empty line"),
        pytest.param([line(10, 10, 100, 900)], 8.629903, id="five times the share"),
    ],
)
def test_the_designed_values_come_out(tmp_path: Path, lines: list[str], log_e: float) -> None:
    assert errors_of(tmp_path, lines)["log_e"] == pytest.approx(log_e, abs=1e-6)


def test_proof_of_no_worse_comes_out_and_passes(tmp_path: Path) -> None:
    found = errors_of(tmp_path, [line(20, 180, 1000, 9000)])

    assert found["log_e_noninferior"] == pytest.approx(4.233603, abs=1e-6)
    assert found["verdict"] == "pass"
    assert found["low"] < found["risk_ratio"] < found["high"]


def test_five_times_stables_errors_roll_back(tmp_path: Path) -> None:
    found = errors_of(tmp_path, [line(10, 10, 100, 900)])

    assert (found["verdict"], found["p"] < 0.001) == ("rollBack", True)


def test_alpha_beta_and_margin_are_the_callers(tmp_path: Path) -> None:
    lines = [line(3, 5, 100, 900)]

    assert errors_of(tmp_path, lines)["verdict"] == "undecided"
    assert errors_of(tmp_path, lines, "--alpha", "0.3")["verdict"] == "rollBack"
    alike = [line(20, 180, 1000, 9000)]
    assert errors_of(tmp_path, alike, "--beta", "0.001")["verdict"] == "undecided"
    assert errors_of(tmp_path, alike, "--beta", "0.001", "--margin", "4")["verdict"] == "pass"


def test_a_table_is_for_people(tmp_path: Path) -> None:
    code, text = judged(tmp_path, [line(10, 10, 100, 900)])

    assert code == 0
    assert text.splitlines()[0].split()[:3] == ["METRIC", "VERDICT", "LOG"]
    assert text.splitlines()[-1] == "verdict: rollBack after 1 strata"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("{", "line 1: Invalid JSON", id="no JSON"),
        pytest.param('{"canary": {"requests": 1}}', "line 1: stable: Field required", id="one arm"),
        pytest.param(line(5, 0, 4, 9), "line 1: canary: 5 errors and 0 refusals among 4 requests", id="too many"),
        pytest.param(line(0, 0, -4, 9), "line 1: canary.requests: Input should be greater", id="negative"),
        pytest.param(
            line(0, 0, 4, 9, edges_ms=[1.0]).replace('"errors": 0}', '"errors": 0, "latency": [1]}', 1),
            "line 1: canary has 1 latency counts for 1 edges; one more is needed",
            id="buckets",
        ),
    ],
)
def test_a_line_that_is_no_stratum_is_named(tmp_path: Path, text: str, why: str) -> None:
    code, output = judged(tmp_path, [text])

    assert code == 2
    assert why in output


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["judge", "--strata", str(tmp_path / "none.jsonl")])

    assert ended.exit_code == 2
    assert ended.output.startswith("error: cannot read ")


def with_latency(requests: int, slow: int) -> str:
    arms = {
        "canary": {"requests": requests, "latency": timed(requests, slow).counts, "refusals": 1},
        "stable": {"requests": requests, "latency": timed(requests).counts},
    }
    return json.dumps(arms)


def test_latency_and_refusals_are_judged_where_the_log_has_them(tmp_path: Path) -> None:
    code, text = judged(tmp_path, [with_latency(300, 60)] * 6, "-o", "json")

    found = json.loads(text)
    assert code == 0
    assert set(found["metrics"]) == {"errors", "refusals", "latency"}
    assert (found["metrics"]["latency"]["verdict"], found["verdict"]) == ("rollBack", "rollBack")


def test_a_later_step_begins_a_part_of_the_bets_anew() -> None:
    terms = comparing(Compare())
    healthy = [line(40, 40, 4000, 4000)]

    in_steps = replay([*healthy, line(30, 3, 500, 500, step=1)], terms)
    at_once = replay([*healthy, line(30, 3, 500, 500)], terms)

    assert in_steps.trial.errors.log_e == pytest.approx(at_once.trial.errors.log_e)
    assert in_steps.trial.errors.alarm > at_once.trial.errors.alarm


def test_what_is_written_is_read_back() -> None:
    trial = started(comparing(Compare()))
    one = next(iter(read([with_latency(300, 60)])))
    seen = stratum_of(one, trial)

    again = stratum_of(next(iter(read([written(seen, {"step": 3, "rollout": "team/churn"})]))), trial)

    assert told(again) == told(seen)


def told(seen: Stratified) -> tuple[Any, ...]:
    arms = ((one.pods, one.counts, one.upto.tolist(), one.predictions) for one in (seen.canary, seen.stable))
    return (*arms, seen.edges_ms, seen.baseline, seen.before.tolist())


def test_an_empty_log_decides_nothing() -> None:
    assert document(replay([], comparing(Compare())))["verdict"] == "undecided"


def test_predictions_may_be_sums_or_counts_alone() -> None:
    trial = started(comparing(Compare()))
    sums = {"count": 3, "sum": 1.5, "sum_squares": 0.75, "edges": [0.5], "counts": [2, 1]}
    arms = {"canary": {"requests": 3, "predictions": sums}, "stable": {"requests": 3, "predictions": [2, 1]}}

    seen = stratum_of(next(iter(read([json.dumps(arms)]))), trial)

    assert [one.count for arm in (seen.canary, seen.stable) for one in arm.predictions] == [3, 3]


def test_a_log_with_a_baseline_is_judged_for_drift(tmp_path: Path) -> None:
    sums = {"count": 900, "sum": 450.0, "sum_squares": 225.0, "edges": [0.25, 0.75], "counts": [0, 900, 0]}
    own = {"count": 2000, "mean": 0.5, "deviation": 0.4, "edges": [0.25, 0.75], "counts": [1000, 0, 1000]}
    arms = {"canary": {"requests": 900, "predictions": sums}, "stable": {"requests": 900}, "baseline": own}

    code, text = judged(tmp_path, [json.dumps(arms)], "-o", "json")

    assert code == 0
    assert json.loads(text)["metrics"]["predictions"]["verdict"] == "drifted"
    assert json.loads(text)["verdict"] == "rollBack"
