"""A real MLflow server on loopback, from an environment of its own (`make install`), and people who use its API."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from serving.processes import LOOPBACK, free_port

MLFLOW = Path(__file__).parents[2] / ".venv" / "mlflow" / "bin" / "mlflow"
PATIENCE_S = 200.0
"""Its first start compiles itself."""
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONWARNINGS": "ignore",
}


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
    arguments = ["server", "--host", host, "--allowed-hosts", "*", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    log = folder / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [MLFLOW, *arguments, *stores],
            cwd=folder,
            env=os.environ | QUIET,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        _wait(url, process, log)
        yield Mlflow(url)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its workers too
        process.wait()


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
