"""The command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from modelrollout.cli import app

HEAVY = ("kopf", "kubernetes", "aiohttp", "numpy", "prometheus_client")


ROOT = Path(__file__).parents[2] / "operator"


def modelrollout(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a process of its own: it sets up logging for good."""
    code = "from modelrollout.cli import app; app()"
    env = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def test_the_definition_is_printed_as_yaml() -> None:
    result = CliRunner().invoke(app, ["crd"])

    assert result.exit_code == 0
    assert yaml.safe_load(result.output)["metadata"]["name"] == "modelrollouts.modelrollout.dev"


def test_the_help_imports_nothing_heavy() -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import modelrollout.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert [module for module in HEAVY if module in loaded] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kubeconfig", "/nowhere/config"], "no API server is known"),
        (["--scrape", "pigeon"], "'direct', 'proxy'"),
        (["--port", "70000"], "less than or equal to 65535"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_no_traceback(options: list[str], said: str) -> None:
    found = modelrollout("run", *options)

    assert found.returncode != 0
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_every_option_has_a_variable() -> None:
    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output

    for option in ("NAMESPACE", "SERVER_IMAGE", "SCRAPE", "HOST", "PORT", "KUBECONFIG", "CONTEXT", "LOG_FORMAT"):
        assert f"MODELROLLOUT_{option}" in shown


def test_a_signal_ends_it_in_good_order_even_while_it_waits_for_the_api_server(tmp_path: Path) -> None:
    nobody = "{name: x, cluster: {server: 'http://127.0.0.1:1'}}"
    context = "{name: x, context: {cluster: x, user: x}}"
    config = tmp_path / "config"
    config.write_text(
        f"{{apiVersion: v1, kind: Config, current-context: x, clusters: [{nobody}], contexts: [{context}], "
        "users: [{name: x, user: {token: t}}]}"
    )
    options = ["--kubeconfig", str(config), "--host", "127.0.0.1", "--port", "0"]
    code = "from modelrollout.cli import app; app()"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code, "run", *options], stderr=subprocess.PIPE, env=env) as process:
        assert process.stderr is not None
        waiting = next(line for line in process.stderr if b"waiting for the API server" in line)
        process.terminate()
        rest = process.stderr.read()

    assert b'"level": "warning"' in waiting
    assert b"Traceback" not in rest
    assert process.returncode == 0
