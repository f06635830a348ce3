"""`modelrollout plan`."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli.commands import QUICK, manifest, run

STEPS = {"canary": {"steps": [{"weight": 5}, {"weight": 25}, {"weight": 50}]}}


def planned(folder: Path, spec: dict[str, Any], *words: str) -> dict[str, Any]:
    compared = spec | {"health": {"compare": {}} | spec.get("health", {})}
    found = run("plan", "-f", manifest(folder, compared), "-o", "json", *words)
    assert found.exit_code == 0, found.output
    return dict(json.loads(found.stdout))


def test_each_step_has_its_pods_and_the_weight_they_make(tmp_path: Path) -> None:
    plan = planned(tmp_path, {**QUICK, "replicas": 20, "strategy": STEPS}, "--rps", "100")

    assert [(one["weight_asked"], one["weight_made"], one["pods"]) for one in plan["steps"]] == [
        (5, 5, {"candidate": 1, "stable": 20}),
        (25, 26, {"candidate": 7, "stable": 20}),
        (50, 50, {"candidate": 20, "stable": 20}),
        (100, 100, {"candidate": 20, "stable": 20}),
    ]


def test_a_step_that_makes_the_same_pods_is_passed_through(tmp_path: Path) -> None:
    spec = {**QUICK, "replicas": 2, "strategy": {"canary": {"steps": [{"weight": 10}, {"weight": 25}]}}}
    second = planned(tmp_path, spec, "--rps", "100")["steps"][1]

    assert second["remark"] == "passed through: the pods of step 1"
    assert second["healthy_passes"] is None


def test_without_a_comparison_a_step_passes_by_its_floor_and_only_the_limits_look(tmp_path: Path) -> None:
    first = planned(tmp_path, {**QUICK, "health": {"minSamples": 20, "compare": None}, "replicas": 1}, "--rps", "4")[
        "steps"
    ][0]

    assert (first["healthy_passes"]["requests"], first["slower_1_2x"]) == (40, None)


def test_minutes_are_requests_divided_by_their_rate(tmp_path: Path) -> None:
    spec = {**QUICK, "strategy": STEPS}
    slow, fast = (planned(tmp_path, spec, "--rps", rps)["steps"][0]["errors_doubled"] for rps in ("2", "200"))

    assert slow["requests"] == fast["requests"]
    assert slow["minutes"] == pytest.approx(slow["requests"] / 2 / 60, abs=0.01)
    assert fast["minutes"] == pytest.approx(slow["minutes"] / 100, abs=0.01)


def test_two_requests_a_second_at_five_percent_are_warned_of(tmp_path: Path) -> None:
    spec = {**QUICK, "replicas": 19, "strategy": STEPS, "decisionDeadline": "1h"}
    plan = planned(tmp_path, spec, "--rps", "2")

    assert plan["warnings"][0].startswith("step 1: 2 requests/s at 5 %: ")
    assert "decisionDeadline is 1h" in plan["warnings"][0]
    assert planned(tmp_path, spec, "--rps", "500")["warnings"] == []


def test_a_smaller_false_rollback_rate_takes_longer_to_notice(tmp_path: Path) -> None:
    strict = {**QUICK, "health": {"compare": {"falseRollbackRate": 0.001}}}

    noticed = [planned(tmp_path, one, "--rps", "10")["steps"][0]["errors_doubled"] for one in (dict(QUICK), strict)]
    assert noticed[0]["requests"] < noticed[1]["requests"]


def test_without_requests_nothing_happens(tmp_path: Path) -> None:
    plan = planned(tmp_path, dict(QUICK), "--rps", "0")

    assert plan["steps"][0]["healthy_passes"]["happens"] is False
    assert "nothing can be decided without requests" in plan["warnings"][0]
    assert plan["promoted_after_seconds"] is None


def test_a_rate_at_the_limit_never_passes(tmp_path: Path) -> None:
    plan = planned(tmp_path, dict(QUICK), "--rps", "100", "--error-rate", "0.05")

    assert plan["steps"][-1]["healthy_passes"] == {"happens": False, "requests": None, "minutes": None}
    assert "a healthy model never passes" in plan["warnings"][-1]


def test_blue_green_is_judged_on_its_preview(tmp_path: Path) -> None:
    steps = planned(tmp_path, {**QUICK, "strategy": {"blueGreen": {}}}, "--rps", "10")["steps"]

    assert [(one["weight_made"], one["remark"]) for one in steps] == [
        (0, "judged on 20 requests of its preview Service"),
        (100, "no stable to compare with: limits only"),
    ]


def test_rolling_passes_when_its_pods_are_ready(tmp_path: Path) -> None:
    steps = planned(tmp_path, {**QUICK, "strategy": {"rolling": {}}}, "--rps", "10")["steps"]

    assert [one["pods"] for one in steps] == [
        {"candidate": 1, "stable": 3},
        {"candidate": 2, "stable": 2},
        {"candidate": 3, "stable": 1},
        {"candidate": 4, "stable": 0},
    ]
    assert {one["remark"] for one in steps[:-1]} == {"passes when ready"}


def test_no_step_passes_before_one_interval_is_over(tmp_path: Path) -> None:
    spec = {**QUICK, "health": {"interval": "1m"}}
    fast = planned(tmp_path, spec, "--rps", "1000000")["steps"]

    assert [one["healthy_passes"]["minutes"] for one in fast] == [1.0, 1.0, 1.0]


def test_timed_pauses_and_the_bake_count_until_promotion(tmp_path: Path) -> None:
    paused = {"canary": {"steps": [{"weight": 50, "pause": {"duration": "10m"}}]}}
    plain = {"canary": {"steps": [{"weight": 50}]}}

    times = [
        planned(tmp_path, {**QUICK, "strategy": one}, "--rps", "50")["promoted_after_seconds"]
        for one in (plain, paused)
    ]
    assert times[1] - times[0] == 600


def test_a_pause_for_a_person_has_no_end_that_could_be_told(tmp_path: Path) -> None:
    spec = {**QUICK, "strategy": {"canary": {"steps": [{"weight": 50, "pause": {}}]}}}

    assert planned(tmp_path, spec, "--rps", "50")["promoted_after_seconds"] is None


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_its_terminal_and_cuts_nothing(columns: int, tmp_path: Path) -> None:
    spec = {**QUICK, "replicas": 20, "strategy": STEPS, "decisionDeadline": "1h"}
    shown = run("plan", "-f", manifest(tmp_path, spec), "--rps", "2", columns=columns).stdout

    assert max(map(len, shown.splitlines())) <= columns
    assert "…" not in shown
    for words in ("STEP", "ASKED", "MADE", "CANARY", "1 + 20", "warning: step 1: 2 requests/s at 4.76 %"):
        assert words in shown


@pytest.mark.parametrize("words", [("--rps", "-1"), ("--rps", "10", "--error-rate", "2"), ("--rps", "ten"), ()])
def test_numbers_that_cannot_be_are_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    assert run("plan", "-f", manifest(tmp_path), *words).exit_code == 2
