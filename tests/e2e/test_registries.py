"""A rollout that follows an alias of a real MLflow server, which runs beside the self-built cluster."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from e2e.acts import LIGHT, rolled_back, serving, stays
from e2e.specs import spec
from registry.mlflow_server import Mlflow, mlflow_server

from localcluster.places import API_ADDRESS
from modelrollout.traffic.summary import losses
from stage.kube import Object
from stage.models import COARSE, MODELS, rows
from stage.operator import install_operator
from stage.programs import Programs
from stage.rollout import Rollout

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.timeout(700)]

CHAMPION = {"uri": "models:/churn@champion"}
GOOD, BAD = "v1", COARSE
ONNX = {"onnx": {"data": "model.onnx"}}


@asynccontextmanager
async def following(tools: Programs, folder: Path) -> AsyncIterator[Mlflow]:
    """A registry with a good model, which is the champion, and a bad one; the operator asks it every second."""
    with mlflow_server(folder, API_ADDRESS) as server:
        await asyncio.to_thread(server.register, "churn")
        for model in (GOOD, BAD):
            body = (MODELS / "out" / f"{model}.onnx").read_bytes()
            await asyncio.to_thread(server.log, "churn", ONNX, {"model.onnx": body})
        await asyncio.to_thread(server.point, "churn", "champion", "1")
        declared = ("registries[0].name=lab", f"registries[0].url={server.url}")
        await install_operator(tools, *declared, "extraArgs={--registry-seconds=1}")
        try:
            yield server
        finally:
            await install_operator(tools)


def stands_for(version: str) -> Callable[[Object], bool]:
    """The alias was seen to name a version."""
    return lambda obj: ((obj.get("status") or {}).get("alias") or {}).get("version") == version


async def test_a_moved_alias_is_one_rollout_and_one_that_was_rolled_back_is_not_tried_again(
    prepared: Programs, churn: Rollout, tmp_path: Path
) -> None:
    async with (
        following(prepared, tmp_path) as registry,
        serving(prepared, churn, spec(CHAMPION), rows(), LIGHT) as now,
    ):
        await asyncio.to_thread(registry.point, "churn", "champion", "2")
        await churn.until("version 2 is taken back", rolled_back)
        tried = set(await churn.deployments())
        await asyncio.to_thread(registry.point, "churn", "champion", "1")
        await churn.until("the alias is version 1 again", stands_for("1"))
        await churn.until_condition("Ready")
        await asyncio.to_thread(registry.point, "churn", "champion", "2")
        await churn.until("the alias is version 2 again", stands_for("2"))
        await stays(churn, lambda obj: rolled_back(obj) and "candidate" not in obj["status"])

        status = await churn.status()
        assert {entry["version"]: entry["outcome"] for entry in status["history"]} == {"1": "Promoted", "2": "Rejected"}
        assert set(await churn.deployments()) <= tried
        assert status["stable"]["revision"] == now.revision
    assert losses(now.load.records) == []
