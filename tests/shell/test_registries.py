"""The whole operator process with a registry beside it: an alias is asked for, and its moves become Deployments."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from kube.apiserver import ApiServer, serving
from shell.loops import rollout_object
from shell.test_machine import become_ready, made, operating, phase, until

from modelrollout.kube.resources import JOBS, MODEL_ROLLOUTS, PODS

CHAMPION = "models:/churn@champion"


@dataclass
class Registry:
    """One alias, and everybody who asked for it."""

    version: str = "7"
    away: bool = False
    asked: list[str | None] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers.get("Authorization"))
        if self.away:
            raise web.HTTPServiceUnavailable
        return web.json_response({"model_version": {"name": "churn", "version": self.version}})


@asynccontextmanager
async def registry() -> AsyncIterator[Registry]:
    one, app = Registry(), web.Application()
    app.router.add_get("/api/2.0/mlflow/registered-models/alias", one.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield one
    finally:
        await runner.cleanup()


def uris(api: ApiServer) -> dict[str, str]:
    """Address of the model and of the registry, as each Deployment hands them to its pods."""
    found: dict[str, str] = {}
    for deployment in made(api)():
        env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        values: dict[str, Any] = {one["name"]: one.get("value") for one in env}
        found[values["MODEL_URI"]] = values["MODEL_REGISTRY"]
    return found


async def test_an_alias_becomes_a_version_and_its_move_another_deployment(tmp_path: Path) -> None:
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod" / "token").write_text("t0ken")
    spec = {"model": {"uri": CHAMPION}, "replicas": 1}
    async with registry() as one, serving() as api:
        declared = {"registries": (f"prod={one.url}",), "registry_secrets": str(tmp_path), "registry_seconds": 1.0}
        async with operating(api, tmp_path, **declared):
            await until(lambda: api.watchers(MODEL_ROLLOUTS))
            api.put(MODEL_ROLLOUTS, rollout_object(spec=spec))
            (deployment,) = await until(made(api))
            become_ready(api, deployment)
            await until(lambda: phase(api) == "Stable")
            assert uris(api) == {"models:/churn/7": one.url}

            one.version = "8"
            await until(lambda: len(made(api)()) == 2)
            assert uris(api) == {"models:/churn/7": one.url, "models:/churn/8": one.url}
            held = api.get(MODEL_ROLLOUTS, "churn")
    assert held is not None
    assert held["status"]["alias"] == {"uri": CHAMPION, "version": "8", "sha256": "", "registry": ""}
    assert held["spec"] == spec
    assert set(one.asked) == {"Bearer t0ken"}


def resolve(api: ApiServer, line: str) -> None:
    """What the Job's controller and the kubelet would do: one pod, which says this and ends."""
    (job,) = api.all(JOBS)
    labels = job["spec"]["template"]["metadata"]["labels"]
    own = {"batch.kubernetes.io/controller-uid": job["metadata"]["uid"]}
    ended = {"name": "server", "restartCount": 0, "state": {"terminated": {"exitCode": 0, "message": line}}}
    pod = {"metadata": {"name": f"{job['metadata']['name']}-x", "labels": labels | own}}
    api.put(PODS, pod | {"status": {"phase": "Succeeded", "containerStatuses": [ended]}})


async def test_an_alias_of_a_registry_of_ones_own_is_asked_for_by_jobs(tmp_path: Path) -> None:
    url = "https://mlflow.shop.svc"
    spec = {"model": {"uri": CHAMPION, "registry": url}, "replicas": 1}
    async with serving() as api, operating(api, tmp_path, registry_job_seconds=1.0):
        await until(lambda: api.watchers(MODEL_ROLLOUTS))
        api.put(MODEL_ROLLOUTS, rollout_object(spec=spec))
        await until(lambda: api.all(JOBS))
        resolve(api, '{"version":"7","sha256":""}')
        (deployment,) = await until(made(api))
        become_ready(api, deployment)
        await until(lambda: phase(api) == "Stable")
        assert uris(api) == {"models:/churn/7": url}

        await until(lambda: api.all(JOBS) and api.asked.count("delete jobs churn-alias") == 1)
        api.remove(PODS, "churn-alias-x")
        resolve(api, '{"version":"8","sha256":""}')
        await until(lambda: len(made(api)()) == 2)
        held = api.get(MODEL_ROLLOUTS, "churn")
    assert held is not None
    assert held["status"]["alias"] == {"uri": CHAMPION, "version": "8", "sha256": "", "registry": url}
    assert {one for one in api.asked if " jobs" in one} == {"create jobs", "delete jobs churn-alias"}
