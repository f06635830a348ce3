"""`modelrollout bundle` and `check`: handed over to the serving image's package, word for word."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cli.commands import run

from modelrollout.cli import models

ROOT = Path(__file__).parents[2]


def called(*words: str) -> "subprocess.CompletedProcess[str]":
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'serving-image'}"}
    program = [sys.executable, "-c", "from modelrollout.cli import app; app()", *words]
    return subprocess.run(program, env=variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("command", "option"), [("bundle", "--sample FILE"), ("check", "--max-p95-ratio RATIO")])
def test_help_is_that_of_the_tool(command: str, option: str) -> None:
    done = called(command, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: modelrollout {command} ")
    assert option in done.stdout


def test_sentence_and_exit_code_are_those_of_the_tool(tmp_path: Path) -> None:
    done = called("bundle", "--from", str(tmp_path / "m.skops"), "--sample", "s.csv", "--name", "churn")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: there is no file {tmp_path / 'm.skops'}\n"


def test_where_models_cannot_be_loaded_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_NEEDED", ("modelserver", "not_installed_anywhere"))

    found = run("check", "new.tar", "--against", "old.tar")

    assert found.exit_code == 2
    assert found.stderr == (
        "error: check loads models, and not_installed_anywhere is not installed here; "
        "run pip install 'modelrollout[models]', or run the serving image with this command's words\n"
    )


def test_the_extra_is_what_the_serving_image_is_built_from() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["models"]
    lines = (ROOT / "serving-image" / "requirements.in").read_text().splitlines()

    assert extra == [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
