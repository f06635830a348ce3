"""What is no usable manifest gets one sentence and exit code 2."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.commands import MODEL, QUICK, manifest, rollout, run

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parents[1] / "contract" / "bad_specs.yaml").read_text())
NEEDS_A_SERVER = {"an unknown field deep in the pod template", "a variable twice"}
"""What only the schema of Kubernetes' own types shows."""


def refusal(path: str) -> str:
    found = run("plan", "-f", path, "--rps", "10")

    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith("error: ")
    assert found.stderr.count("\n") == 1
    return found.stderr.removeprefix("error: ").strip()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_what_the_api_server_refuses_is_refused_without_one(case: dict[str, Any], tmp_path: Path) -> None:
    spec = {key: value for key, value in ({"model": MODEL} | case["spec"]).items() if value is not None}
    path = manifest(tmp_path, spec, case.get("name", "churn"))
    if case["case"] in NEEDS_A_SERVER:
        assert run("plan", "-f", path, "--rps", "10").exit_code == 0
        return

    assert refusal(path).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "is not YAML: line 1, column 6"),
        ("", "holds no ModelRollout but nothing"),
        ("just words", "holds no ModelRollout but no object"),
        ("kind: Deployment", "holds no ModelRollout but Deployment; begin with apiVersion: modelrollout.dev/v1alpha1"),
        ("kind: ModelRollout\napiVersion: v1", 'apiVersion is "v1"; write modelrollout.dev/v1alpha1'),
        (
            "kind: ModelRollout\napiVersion: modelrollout.dev/v1alpha1\nspec: {}",
            "metadata.name is missing; give the rollout a name",
        ),
    ],
)
def test_what_is_no_manifest_is_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "rollout.yaml"
    path.write_text(text)

    assert said in refusal(str(path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"replicas": -1}, "spec.replicas is -1: input should be greater than or equal to 0"),
        ({"healt": {}}, 'unknown field "spec.healt"'),
        ({"model": {}}, "spec.model.uri is missing"),
        ({"bake": "soon"}, "spec.bake is 'soon': \"soon\" is not a duration; write for instance 30s, 5m or 1h30m"),
    ],
)
def test_a_bad_field_is_named_with_its_value(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = manifest(tmp_path, {**QUICK, **changes})

    assert refusal(path) == f"{path}: {said}"


def test_a_file_that_is_not_there_is_named() -> None:
    assert refusal("nowhere.yaml") == "nowhere.yaml cannot be read: no such file or directory"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\xff\xfe\x00\x80")

    assert "it is no text in UTF-8" in refusal(str(tmp_path / "model.onnx"))


def test_two_rollouts_in_one_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "both.yaml"
    path.write_text(yaml.safe_dump_all([rollout(QUICK), rollout(QUICK, "other")]))

    assert "holds 2 ModelRollouts; give one that holds a single one" in refusal(str(path))


def test_the_one_rollout_among_other_objects_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump_all([{"kind": "Secret"}, rollout(QUICK)]))

    assert run("plan", "-f", str(path), "--rps", "10").stdout.startswith("churn: canary, stable has 4 pods")


def test_a_manifest_may_come_from_standard_input() -> None:
    found = run("plan", "-f", "-", "--rps", "10", stdin=yaml.safe_dump(rollout(QUICK)))

    assert found.stdout.startswith("churn: canary, stable has 4 pods")
