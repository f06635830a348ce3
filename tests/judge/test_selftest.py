"""`modelrollout selftest`: stable's pods against each other, where every alarm is a false one."""

import json
from pathlib import Path

import numpy as np
import pytest
from judge.trials import timed
from typer.testing import CliRunner

from modelrollout.api.spec import Compare
from modelrollout.cli import app
from modelrollout.judge.comparing import comparing
from modelrollout.judge.selftest import NothingToSplit, SelfTest, selftest

PODS = tuple(f"churn-{letter}" for letter in "abcd")


def log(rounds: int, burst: float = 0.0, pods: tuple[str, ...] = PODS, sick: str = "", seed: int = 1) -> list[str]:
    """Rounds of 50 requests a pod, 2 % of which fail; in a burst half of one pod's do. A sick pod fails 20 %."""
    rng, lines = np.random.default_rng(seed), []
    for _ in range(rounds):
        hit = pods[int(rng.integers(len(pods)))] if rng.random() < burst else ""
        errors = {pod: int(rng.binomial(50, 0.5 if pod == hit else 0.2 if pod == sick else 0.02)) for pod in pods}
        stable = {
            pod: {
                "requests": 50,
                "errors": errors[pod],
                "latency": timed(50, slow=int(rng.binomial(50, 0.05))).counts,
            }
            for pod in pods
        }
        whole = {"requests": 50 * len(pods), "errors": sum(errors.values()), "pods": stable}
        lines.append(json.dumps({"canary": {"requests": 0}, "stable": whole}))
    return lines


def halved(lines: list[str], alpha: float = 0.05) -> SelfTest:
    return selftest(lines, comparing(Compare(false_rollback_rate=alpha)), most=40)


def test_stable_against_itself_is_not_taken_back() -> None:
    found = halved(log(60))

    assert (found.strata, found.pods, found.requests, found.halvings) == (60, 4, 12_000, 6)
    assert found.rate == 0.0
    assert found.dispersion == pytest.approx({"errors": 1.0, "refusals": 1.0, "latency": 1.0}, abs=0.35)


def test_bursts_show_as_dispersion() -> None:
    found = halved(log(80, burst=0.3))

    assert found.dispersion["errors"] > 3
    assert found.dispersion["refusals"] == 1.0


def test_a_sick_pod_makes_false_alarms() -> None:
    """Each half that has it looks worse than the other one: the promise does not hold on such traffic."""
    found = halved(log(100, sick="churn-b"))

    assert found.alarms["errors"] > 0
    assert found.any_alarm >= found.alarms["errors"]
    assert found.rate == found.any_alarm / 6


def test_many_pods_are_split_in_some_ways_the_same_in_each_run() -> None:
    lines = log(5, pods=tuple(f"churn-{number}" for number in range(12)))

    assert halved(lines) == halved(lines)
    assert halved(lines).halvings == 40


def test_one_pod_cannot_be_split() -> None:
    with pytest.raises(NothingToSplit, match="fewer than two pods"):
        halved(log(3, pods=("churn-a",)))


def run(tmp_path: Path, lines: list[str], *options: str) -> tuple[int, str]:
    path = tmp_path / "strata.jsonl"
    path.write_text("\n".join(lines))
    ended = CliRunner().invoke(app, ["selftest", "--strata", str(path), *options])
    return ended.exit_code, ended.output


def test_the_command_says_it_for_people_and_for_programs(tmp_path: Path) -> None:
    code, text = run(tmp_path, log(20))
    assert code == 0
    assert text.splitlines()[0].split() == ["METRIC", "FALSE", "ALARMS", "DISPERSION"]
    assert "0 of 6 halvings of stable's 4 pods would have been taken back (0.000; promised at most 0.01)" in text

    code, text = run(tmp_path, log(20), "-o", "json", "--alpha", "0.05", "--halvings", "3")
    found = json.loads(text)
    assert code == 0
    assert (found["alpha"], found["false_alarm_rate"], found["halvings"]) == (0.05, 0.0, 3)


def test_a_log_that_cannot_be_split_is_one_sentence(tmp_path: Path) -> None:
    code, text = run(tmp_path, log(3, pods=("churn-a",)))

    assert code == 2
    assert text.startswith("error: ")
    assert "fewer than two pods" in text
