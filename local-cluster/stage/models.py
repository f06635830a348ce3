"""The example models on the cluster, behind a plain web server, and rows to ask them about."""

import importlib.util
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from localcluster.cli import CHECKOUT
from modelrollout.traffic.rows import Row, row
from stage.kube import Cluster, path_of, until
from stage.operator import image_of
from stage.programs import Programs

MODELS = CHECKOUT / "examples" / "models"
STORE_NAMESPACE = "model-store"
STORE = f"http://models.{STORE_NAMESPACE}:8000"
MODEL_FAILED = 500
COARSE = "fails-under-traffic"
"""The example model that fails on the rows with a coarse texture, 89 of 300, and on no other."""


def uri(model: str) -> str:
    """Address of an example model, inside the cluster."""
    return f"{STORE}/{model}.onnx"


async def install_store(cluster: Cluster, tools: Programs) -> None:
    """Start the web server with the example models, and wait until it answers."""
    text = Path(__file__).with_name("model-store.yaml").read_text()
    for obj in yaml.safe_load_all(text.replace("MODELS_IMAGE", image_of(tools, "models"))):
        await cluster.apply(obj, STORE_NAMESPACE)
    path = path_of("apps/v1", "Deployment", STORE_NAMESPACE, "models")

    async def answers() -> bool:
        status = (await cluster.get(path)).get("status", {})
        return bool(status.get("readyReplicas"))

    await until(answers, f"the model store in namespace {STORE_NAMESPACE} is ready", 180)


def rows(expected: int = MODEL_FAILED) -> list[Row]:
    """All rows; those that the model which fails under traffic fails on expect it."""
    return [row(one, (expected,) if _breaks(one) else ()) for one in _bodies()]


def rows_that(fail: bool) -> list[Row]:  # noqa: FBT001  # names what is selected
    """Rows on which the model that fails under traffic always fails, or never."""
    return [row(one, (MODEL_FAILED,) if fail else ()) for one in _bodies() if _breaks(one) is fail]


def expecting(*statuses: int) -> list[Row]:
    """All rows, each with the statuses that a model which is bad throughout gives."""
    return [row(one, statuses) for one in _bodies()]


def _breaks(features: Any) -> bool:  # noqa: ANN401  # a row as the models take it
    return _fails()(COARSE, features)


@cache
def _bodies() -> Sequence[Any]:
    return [one["features"] for one in json.loads((MODELS / "out" / "rows.json").read_text())]


@cache
def _fails() -> Callable[[str, Any], bool]:
    """Which rows break which model is written down beside the models, for programs that are no package."""
    spec = importlib.util.spec_from_file_location("cancer_faults", MODELS / "cancer" / "faults.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(MODELS / "cancer" / "faults.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    fails: Callable[[str, Any], bool] = module.fails
    return fails
