"""A real MLflow server on loopback, from an environment of its own (`make install`), and people who use its API."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from serving.processes import LOOPBACK, free_port

PYTHON = Path(__file__).parents[2] / ".venv" / "mlflow" / "bin" / "python"
PATIENCE_S = 400.0
"""Its first start compiles itself; MLflow alone takes seconds to be imported."""


@dataclass(frozen=True)
class Mlflow:
    """The registry as those see it who train and release models."""

    url: str

    def log(self, name: str, flavor: dict[str, Any], files: dict[str, bytes]) -> str:
        """Log a model as a run's artefact and register it; gives its version."""
        run = self._ask("POST", "runs/create", {"experiment_id": "0"})["run"]["info"]
        described = f"artifact_path: model\nflavors: {flavor!r}\n".encode()
        for file, body in ({"MLmodel": described} | files).items():
            path = f"{run['artifact_uri'].removeprefix('mlflow-artifacts:/')}/model/{file}"
            put = httpx.put(f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{path}", content=body, timeout=120)
            put.raise_for_status()
        source = f"{run['artifact_uri']}/model"
        made = self._ask("POST", "model-versions/create", {"name": name, "source": source, "run_id": run["run_id"]})
        return str(made["model_version"]["version"])

    def register(self, name: str) -> None:
        self._ask("POST", "registered-models/create", {"name": name})

    def tag(self, name: str, version: str, key: str, value: str) -> None:
        self._ask("POST", "model-versions/set-tag", {"name": name, "version": version, "key": key, "value": value})

    def point(self, name: str, alias: str, version: str) -> None:
        """Move an alias."""
        self._ask("POST", "registered-models/alias", {"name": name, "alias": alias, "version": version})

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        answer = httpx.request(method, f"{self.url}/api/2.0/mlflow/{path}", json=body, timeout=120)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def mlflow_server(folder: Path, host: str = LOOPBACK) -> Iterator[Mlflow]:
    """A server with an empty registry that hands out artefacts itself; whoever reaches it may ask."""
    url = f"http://{host}:{(port := free_port())}"
    arguments = ["-m", "flask", "--app", "mlflow.server:app", "run", "--no-reload", "--host", host, "--port", str(port)]
    log = folder / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [PYTHON, *arguments], cwd=folder, env=os.environ | _environment(folder), stdout=said, stderr=said
        )
    try:
        _wait(url, process, log)
        yield Mlflow(url)
    finally:
        process.kill()
        process.wait()


def _environment(folder: Path) -> dict[str, str]:
    """What `mlflow server` hands to its workers; without it in between there is half as much to import."""
    return {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "files"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "*",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
    }


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not _is_up(url):
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.2)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
