"""Commands run in this process, and manifests written to a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner, Result

from modelrollout.cli import app

MODEL = {"uri": "https://models.example/churn.skops", "version": "2.1.0"}
QUICK: Mapping[str, Any] = {
    "replicas": 4,
    "model": MODEL,
    "strategy": {"canary": {"steps": [{"weight": 25}, {"weight": 50}]}},
    "health": {"interval": "1s"},
    "bake": "5s",
    "decisionDeadline": "1m",
    "progressDeadline": "1m",
    "server": {"startupDeadline": "30s"},
}
"""A spec that comes to its end soon, so that a rehearsal has few seconds to play."""


def run(*words: str, stdin: str = "", columns: int = 120) -> Result:
    return CliRunner().invoke(app, list(words), input=stdin, env={"COLUMNS": str(columns), "TERM": "dumb"})


def manifest(folder: Path, spec: Mapping[str, Any] = QUICK, name: str = "churn") -> str:
    """A file with one ModelRollout; gives its path."""
    path = folder / "rollout.yaml"
    path.write_text(yaml.safe_dump(rollout(spec, name)))
    return str(path)


def rollout(spec: Mapping[str, Any], name: str = "churn") -> dict[str, Any]:
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelRollout",
        "metadata": {"name": name},
        "spec": dict(spec),
    }
