"""Every server of the comparison: what is installed for it, how it is started, and what it is asked.

Each runs in its fastest documented mode with request logs off; where a server can put requests together, it is
measured with and without that. This image's server has the packages of the image and no others, since scikit-learn
imports more where it finds pandas or pytest. The bare servers show what is left when nothing is checked, counted or
told: they are no peers, but what this one can come near to.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.serving.material import Material

ROOT = Path(__file__).parents[2]
SERVERS = Path(__file__).parent / "servers"
SAME_SKLEARN = "scikit-learn==1.9.1"
TOGETHER = 16
"""Rows that a server with batching may put together: as many as there are connections."""
WAITS_S = 0.002

LOCK = ROOT / "serving-image" / "requirements.lock"
IMAGE = f"image-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:8]}"
"""Environment with what the image has; another lock file is another environment."""
BARE_VENV, PROFILER = "bare", "py-spy"

REQUIREMENTS: dict[str, tuple[str, ...]] = {
    IMAGE: ("--require-hashes", "-r", str(LOCK)),
    BARE_VENV: (
        "fastapi==0.165.0",
        "uvicorn==0.54.0",
        "httptools==0.9.0",
        "uvloop==0.23.0",
        "msgspec==0.22.0",
        "onnxruntime==1.31.1",
        SAME_SKLEARN,
    ),
    PROFILER: ("py-spy==0.4.3",),
    "mlserver": ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", SAME_SKLEARN),
    "kserve": ("kserve==0.21.0", SAME_SKLEARN),
    "bentoml": ("bentoml==1.4.39", SAME_SKLEARN),
    "litserve": ("litserve==0.2.19", SAME_SKLEARN),
}


@dataclass(frozen=True, slots=True)
class Start:
    """How to run one server with one model."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    path: str
    body: str
    ready: str
    """Answers 200 once the server can be asked."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server finds its things."""

    material: Material
    venvs: Path
    work: Path
    """A folder of its own."""

    def python(self, venv: str) -> str:
        return str(self.venvs / venv / "bin" / "python")


def ours(place: Place, model: str, port: int, suffix: str) -> Start:
    environment = {
        "PYTHONPATH": str(ROOT / "serving-image"),
        "MODEL_URI": str(place.material.file(model, suffix)),
        "MODEL_HOST": "127.0.0.1",
        "MODEL_PORT": str(port),
        "MODEL_HEALTH_PORT": str(port + 1),
        "MODEL_TERMINATION_LOG": os.devnull,
        "MODEL_TRUST": "sklearn.tree._tree.Tree",  # skops holds the nodes of any forest to be doubtful
    }
    return Start((place.python(IMAGE), "-m", "modelserver"), environment, "/v1/predict", "features", "/ready")


def fastapi(place: Place, model: str, port: int) -> Start:
    """What one would write by hand: pydantic, an ordinary route, predict in the loop."""
    environment = {"MODEL": str(place.material.file(model, "joblib")), "PORT": str(port)}
    arguments = (place.python(BARE_VENV), str(SERVERS / "plain_fastapi.py"))
    return Start(arguments, environment, "/predict", "features", "/docs")


def bare(place: Place, model: str, port: int, suffix: str) -> Start:
    """uvicorn, msgspec and the model: no validation, no counters, no documents."""
    environment = {"MODEL": str(place.material.file(model, suffix)), "PORT": str(port)}
    arguments = (place.python(BARE_VENV), str(SERVERS / f"bare_{suffix}.py"))
    return Start(arguments, environment, "/predict", "features", "/")


def mlserver(place: Place, model: str, port: int, *, batching: bool) -> Start:
    settings = {
        "debug": False, "parallel_workers": 0, "host": "127.0.0.1", "http_port": port, "grpc_port": port + 1,
        "metrics_endpoint": None,
    }  # fmt: skip
    described: dict[str, object] = {
        "name": "m",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(place.material.file(model, "joblib"))},
    }
    if batching:
        described |= {"max_batch_size": TOGETHER, "max_batch_time": WAITS_S}
    (place.work / "settings.json").write_text(json.dumps(settings))
    (place.work / "model-settings.json").write_text(json.dumps(described))
    arguments = (str(Path(place.python("mlserver")).parent / "mlserver"), "start", str(place.work))
    return Start(arguments, {}, "/v2/models/m/infer", "v2", "/v2/models/m/ready")


def kserve(place: Place, model: str, port: int) -> Start:
    quiet = {"version": 1, "disable_existing_loggers": False, "root": {"level": "ERROR"}}
    (place.work / "quiet.json").write_text(json.dumps(quiet))
    options = ("--http_port", str(port), "--enable_grpc", "false", "--enable_latency_logging", "false",
               "--log_config_file", str(place.work / "quiet.json"))  # fmt: skip
    arguments = (place.python("kserve"), str(SERVERS / "kserve_server.py"), *options)
    environment = {"MODEL": str(place.material.file(model, "joblib")), "PYTHONWARNINGS": "ignore"}
    return Start(arguments, environment, "/v1/models/m:predict", "instances", "/v1/models/m")


def bentoml(place: Place, model: str, port: int, *, batching: bool) -> Start:
    service = "batched" if batching else "single"
    program = str(Path(place.python("bentoml")).parent / "bentoml")
    arguments = (program, "serve", f"bentoml_{service}:Served", "--port", str(port), "--host", "127.0.0.1",
                 "--working-dir", str(SERVERS))  # fmt: skip
    (place.work / "quiet.yaml").write_text("services: {logging: {access: {enabled: false}}}\n")
    environment = {
        "MODEL": str(place.material.file(model, "joblib")),
        "BENTOML_CONFIG": str(place.work / "quiet.yaml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(place.work),
        "PYTHONWARNINGS": "ignore",
    }
    return Start(arguments, environment, "/predict", "rows", "/readyz")


def litserve(place: Place, model: str, port: int, *, batching: bool) -> Start:
    environment = {
        "MODEL": str(place.material.file(model, "joblib")),
        "PORT": str(port),
        "TOGETHER": str(TOGETHER if batching else 1),
        "WAITS_S": str(WAITS_S if batching else 0),
    }
    arguments = (place.python("litserve"), str(SERVERS / "litserve_server.py"))
    return Start(arguments, environment, "/predict", "features", "/health")


OURS, OURS_ONNX, PLAIN = "this image", "this image, ONNX", "plain FastAPI"
BARE, BARE_ONNX = "bare ASGI, batching per turn", "bare ASGI, ONNX"
STARTS: dict[str, Callable[[Place, str, int], Start]] = {
    OURS: lambda place, model, port: ours(place, model, port, "skops"),
    OURS_ONNX: lambda place, model, port: ours(place, model, port, "onnx"),
    PLAIN: fastapi,
    BARE: lambda place, model, port: bare(place, model, port, "joblib"),
    BARE_ONNX: lambda place, model, port: bare(place, model, port, "onnx"),
    "MLServer": lambda place, model, port: mlserver(place, model, port, batching=False),
    "MLServer, batching": lambda place, model, port: mlserver(place, model, port, batching=True),
    "KServe": kserve,
    "BentoML": lambda place, model, port: bentoml(place, model, port, batching=False),
    "BentoML, batching": lambda place, model, port: bentoml(place, model, port, batching=True),
    "LitServe": lambda place, model, port: litserve(place, model, port, batching=False),
    "LitServe, batching": lambda place, model, port: litserve(place, model, port, batching=True),
}
PEERS = tuple(name for name in STARTS if name not in {OURS, OURS_ONNX, PLAIN, BARE, BARE_ONNX})
