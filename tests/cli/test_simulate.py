"""`modelrollout simulate`."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli.commands import QUICK, manifest, run

from modelrollout.rehearsal import PLOTS

PROMOTED = ("healthy", "node-lost", "no-room", "everything-fails", "operator-killed", "blind", "status-erased")
TAKEN_BACK = (
    "errors",
    "slow",
    "refuses",
    "crash-loop",
    "cannot-load",
    "never-ready",
    "hangs",
    "fails-later",
    "out-of-memory",
)


def played(folder: Path, scenario: str, *words: str, **changes: Any) -> dict[str, Any]:
    path = manifest(folder, {**QUICK, **changes})
    found = run("simulate", "-f", path, "--scenario", scenario, "-o", "json", *words)
    assert found.exit_code == 0, found.output
    return dict(json.loads(found.stdout))


@pytest.mark.parametrize("scenario", PROMOTED)
def test_a_good_model_is_promoted_whatever_happens_around_it(scenario: str, tmp_path: Path) -> None:
    story = played(tmp_path, scenario)

    assert (story["stable"], story["conditions"]["Ready"]["status"]) == ("2.1.0", "True")


@pytest.mark.parametrize("scenario", TAKEN_BACK)
def test_a_bad_model_is_taken_back(scenario: str, tmp_path: Path) -> None:
    story = played(tmp_path, scenario)

    assert (story["phase"], story["stable"]) == ("RolledBack", "previous")
    assert story["outcomes"]["2.1.0"] in {"Rejected", "Unhealthy"}


def test_without_traffic_nothing_is_promoted(tmp_path: Path) -> None:
    story = played(tmp_path, "no-traffic")

    assert (story["phase"], story["stable"]) == ("Holding", "previous")
    assert story["requests"]["sent"] == 0
    assert "Inconclusive" in story["conditions"]


def test_an_image_that_cannot_be_pulled_is_waited_for(tmp_path: Path) -> None:
    story = played(tmp_path, "cannot-pull")

    assert (story["phase"], story["stable"]) == ("Holding", "previous")
    assert "ImageCannotBePulled" in story["message"]


def test_the_timeline_begins_with_the_new_model_and_tells_the_way(tmp_path: Path) -> None:
    story = played(tmp_path, "healthy")
    first, *rest = story["timeline"]

    assert (first["seconds"], first["kind"], first["text"]) == (0, "happening", "the spec asks for 2.1.0")
    assert [one["step"] for one in rest if one["text"].startswith("StepStarted")] == ["1/3", "2/3", "3/3"]
    assert {one["kind"] for one in rest} == {"event", "change"}
    assert [one["seconds"] for one in rest] == sorted(one["seconds"] for one in rest)


def test_writes_are_told_on_request(tmp_path: Path) -> None:
    writes = [one["text"] for one in played(tmp_path, "errors", "--writes")["timeline"] if one["kind"] == "write"]

    assert [text.split()[0] for text in writes[:2]] == ["remember", "create"]


def test_the_same_manifest_is_played_alike_each_time(tmp_path: Path) -> None:
    assert played(tmp_path, "errors") == played(tmp_path, "errors")


def test_pods_are_named_after_the_rollout(tmp_path: Path) -> None:
    path = manifest(tmp_path, QUICK, "fraud")
    story = json.loads(run("simulate", "-f", path, "--scenario", "errors", "-o", "json").stdout)

    assert "all on fraud-" in story["message"]


def test_a_step_that_waits_for_a_person_is_resumed_by_one(tmp_path: Path) -> None:
    story = played(tmp_path, "healthy", strategy={"canary": {"steps": [{"weight": 25, "pause": {}}, {"weight": 50}]}})

    assert "somebody commands: resume 2.1.0" in {one["text"] for one in story["timeline"]}
    assert story["stable"] == "2.1.0"


def test_a_paused_manifest_stays_paused_and_says_so(tmp_path: Path) -> None:
    found = run("simulate", "-f", manifest(tmp_path, {**QUICK, "paused": True}))

    assert "spec.paused is true in this manifest: the rollout will not go on by itself" in found.stdout
    assert "Paused: 2.1.0" in found.stdout


@pytest.mark.parametrize("strategy", [{"blueGreen": {}}, {"rolling": {}}, {"canary": {"constantTotal": {}}}], ids=str)
def test_every_strategy_can_be_played(strategy: dict[str, Any], tmp_path: Path) -> None:
    assert played(tmp_path, "healthy", strategy=strategy)["stable"] == "2.1.0"


def test_a_manifest_without_a_version_or_awake_pods_can_be_played(tmp_path: Path) -> None:
    story = played(tmp_path, "healthy", model={"uri": "https://models.example/churn.skops"}, replicas=0)

    assert story["stable"] == "candidate"


def test_all_scenarios_are_listed() -> None:
    listed = run("simulate", "--list")

    assert listed.exit_code == 0
    assert [name for name in PLOTS if name not in listed.stdout] == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("eror", 'error: there is no scenario "eror"; did you mean errors?\n'),
        ("zzz", 'error: there is no scenario "zzz"; --list names them all\n'),
    ],
)
def test_an_unknown_scenario_is_refused(name: str, said: str, tmp_path: Path) -> None:
    found = run("simulate", "-f", manifest(tmp_path), "--scenario", name)

    assert (found.exit_code, found.stderr) == (2, said)


def test_away_from_a_terminal_each_event_is_one_line(tmp_path: Path) -> None:
    shown = run("simulate", "-f", manifest(tmp_path), "--scenario", "errors", columns=80).stdout.splitlines()

    started = next(line for line in shown if "StepStarted" in line)
    assert started.split()[:6] == ["0:05", "Progressing", "1/3", "25", "%", "0"]
    assert started.endswith("make 20 % of the requests where 25 % were asked for")
