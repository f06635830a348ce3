"""Rollouts that follow an alias of a real MLflow server, which runs beside the self-built cluster."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from e2e.acts import LIGHT, rolled_back, serving, stays
from e2e.rights import asked
from e2e.specs import SERVER, spec
from e2e.test_rights import ACCOUNT, OWN_REGISTRIES, Log
from registry.mlflow_server import Mlflow, mlflow_server

from localcluster.places import API_ADDRESS
from modelrollout.traffic.summary import losses
from stage.kube import Cluster, Object, path_of
from stage.models import COARSE, MODELS, rows
from stage.operator import operator_with
from stage.programs import Programs
from stage.rollout import Rollout, conditions_of

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.timeout(700)]

CHAMPION = {"uri": "models:/churn@champion"}
GOOD, BAD = "v1", COARSE
ONNX = {"onnx": {"data": "model.onnx"}}


@asynccontextmanager
async def registry_of_two(folder: Path) -> AsyncIterator[Mlflow]:
    """A registry with a good model, which is the champion, and a bad one."""
    with mlflow_server(folder, API_ADDRESS) as server:
        await asyncio.to_thread(server.register, "churn")
        for model in (GOOD, BAD):
            body = (MODELS / "out" / f"{model}.onnx").read_bytes()
            await asyncio.to_thread(server.log, "churn", ONNX, {"model.onnx": body})
        await asyncio.to_thread(server.point, "churn", "champion", "1")
        yield server


def declaring(registry: Mlflow) -> tuple[str, ...]:
    """Values that declare a registry, which is then asked every second."""
    return "registries[0].name=lab", f"registries[0].url={registry.url}", "extraArgs={--registry-seconds=1}"


def stands_for(version: str) -> Callable[[Object], bool]:
    """The alias was seen to name a version."""
    return lambda obj: ((obj.get("status") or {}).get("alias") or {}).get("version") == version


async def test_a_moved_alias_is_one_rollout_and_one_that_was_rolled_back_is_not_tried_again(
    prepared: Programs, churn: Rollout, tmp_path: Path
) -> None:
    async with (
        registry_of_two(tmp_path) as registry,
        operator_with(prepared, *declaring(registry)),
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


RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "mlflow"},
    "stringData": {"MLFLOW_TRACKING_TOKEN": "t"},
}


def waits_for_its_secret(obj: Object) -> bool:
    """The condition says that the Job's pod lacks the Secret which the spec names."""
    found = conditions_of(obj).get("AliasUnresolved")
    return found is not None and found.reason == "ResolverBlocked" and 'secret "mlflow" not found' in found.message


async def test_a_registry_of_the_namespaces_own_is_asked_by_jobs_with_a_secret_that_the_operator_never_reads(
    prepared: Programs, cluster: Cluster, churn: Rollout, tmp_path: Path
) -> None:
    log = Log(prepared.places.node.audit_log)
    await cluster.merge(path_of("v1", "Namespace", "", churn.namespace), {"metadata": {"labels": RESTRICTED}})
    async with registry_of_two(tmp_path) as registry, operator_with(prepared, "extraArgs={--registry-job-seconds=2}"):
        own = CHAMPION | {"registry": registry.url}
        wanted = spec(own, server=SERVER | {"envFrom": [{"secretRef": {"name": "mlflow"}}]})
        await churn.apply(wanted)
        await churn.until("the missing Secret is named", waits_for_its_secret)
        await cluster.create(SECRET, churn.namespace)
        async with serving(prepared, churn, wanted, rows(), LIGHT) as now:
            await asyncio.to_thread(registry.point, "churn", "champion", "2")
            await churn.until("version 2 is taken back", rolled_back)
            assert (await churn.status())["alias"] == own | {"version": "2", "sha256": ""}
        assert losses(now.load.records) == []
        await churn.delete()

    done = asked(log.lines(), ACCOUNT)
    assert done.allowed >= OWN_REGISTRIES - {("jobs.batch", "get")}
    assert done.refused == frozenset()
    assert not {kind for kind, _ in done.allowed if kind.startswith("secrets")}
