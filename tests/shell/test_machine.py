"""The whole operator process, kopf included, against a small API server over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from kube.apiserver import ApiServer, Asked, connected, refuse, serving
from shell.loops import rollout_object

from modelrollout import names
from modelrollout.kube.lease import Alone
from modelrollout.kube.resources import DEPLOYMENTS, MODEL_ROLLOUTS, PODS, SERVICES
from modelrollout.metrics import Metrics
from modelrollout.settings import Settings
from modelrollout.shell import operator as shell
from modelrollout.shell.machine import Machine, Outside

Object = dict[str, Any]


@asynccontextmanager
async def operating(server: ApiServer, folder: Path, **more: Any) -> AsyncIterator[None]:
    """An operator with that API server, until the block ends."""
    cluster = f"{{name: x, cluster: {{server: '{server.url}'}}}}"
    context = "{name: x, context: {cluster: x, user: x}}"
    users = "{name: x, user: {token: t}}"
    (folder / "config").write_text(
        f"{{apiVersion: v1, kind: Config, current-context: x, clusters: [{cluster}], "
        f"contexts: [{context}], users: [{users}]}}"
    )
    settings = Settings(kubeconfig=str(folder / "config"), host="127.0.0.1", port=0, **more)
    task = asyncio.create_task(shell.operate(settings))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(check: Callable[[], Any], seconds: float = 20.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := check()):  # noqa: ASYNC110  # polls another program
            await asyncio.sleep(0.01)
    return found


def made(api: ApiServer, name: str = "churn") -> Callable[[], Any]:
    return lambda: [one for one in api.all(DEPLOYMENTS) if one["metadata"]["labels"][names.NAME_LABEL] == name]


def become_ready(api: ApiServer, deployment: Object) -> None:
    """What the kubelet and the controllers would do: one ready pod."""
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "containerStatuses": [{"name": "server", "started": True, "restartCount": 0, "state": {"running": {}}}],
    }
    api.put(PODS, {"metadata": {"name": f"{deployment['metadata']['name']}-x", "labels": labels}, "status": status})


def phase(api: ApiServer) -> str:
    return str((api.get(MODEL_ROLLOUTS, "churn") or {}).get("status", {}).get("phase"))


async def test_a_first_model_goes_out_and_a_settled_operator_writes_nothing(tmp_path: Path) -> None:
    async with serving() as api, operating(api, tmp_path):
        await until(lambda: api.watchers(MODEL_ROLLOUTS))
        api.put(MODEL_ROLLOUTS, rollout_object(spec={"model": {"uri": "file:///m", "version": "1"}, "replicas": 1}))
        (deployment,) = await until(made(api))
        become_ready(api, deployment)
        await until(lambda: phase(api) == "Stable")
        await asyncio.sleep(0.3)
        before = len(api.written())
        api.put(PODS, api.all(PODS)[0])
        await asyncio.sleep(0.5)

        assert api.written()[before:] == []
        assert api.get(SERVICES, "churn")["spec"]["selector"] == names.revision_selector(  # type: ignore[index]
            "churn", deployment["metadata"]["labels"][names.REVISION_LABEL]
        )

    writes = api.written()
    assert writes[0] == "update modelrollouts churn status"
    assert "patch modelrollouts churn" not in writes


async def test_it_lists_only_what_is_ours(tmp_path: Path) -> None:
    selectors: dict[str, set[str]] = {}

    async def script(asked: Asked) -> web.StreamResponse | None:
        if asked.verb in {"list", "watch"}:
            selectors.setdefault(asked.plural, set()).add(asked.query.get("labelSelector", ""))
        return None

    async with serving(ApiServer(script=script)) as api, operating(api, tmp_path):
        await until(lambda: api.watchers(MODEL_ROLLOUTS) and api.watchers(PODS))

    ours = {names.owned_selector()}
    assert selectors.pop("modelrollouts") == {""}
    assert selectors == dict.fromkeys(
        ["deployments", "services", "pods", "controllerrevisions", "poddisruptionbudgets", "horizontalpodautoscalers"],
        ours,
    )


@pytest.mark.parametrize("code", [403, 404, 410, 500])
async def test_watches_that_are_refused_for_a_while_do_not_end_it(tmp_path: Path, code: int) -> None:
    refused = True

    async def script(asked: Asked) -> web.StreamResponse | None:
        if refused and asked.verb in {"list", "watch"} and asked.plural != names.PLURAL:
            return refuse(code, "Refused")
        return None

    async with serving(ApiServer(script=script)) as api, operating(api, tmp_path):
        api.put(MODEL_ROLLOUTS, rollout_object())
        await until(lambda: api.watchers(MODEL_ROLLOUTS))
        await asyncio.sleep(0.2)
        assert api.written() == []

        refused = False
        await until(made(api))


async def test_a_rollout_that_is_deleted_is_forgotten_and_writes_no_more(tmp_path: Path) -> None:
    async with serving() as api, operating(api, tmp_path):
        api.put(MODEL_ROLLOUTS, rollout_object())
        await until(lambda: made(api)() and api.watchers(MODEL_ROLLOUTS))
        await asyncio.sleep(0.2)
        api.remove(MODEL_ROLLOUTS, "churn")
        await asyncio.sleep(0.2)
        before = len(api.written())
        api.remove(DEPLOYMENTS, made(api)()[0]["metadata"]["name"])
        await asyncio.sleep(0.3)

        assert api.written()[before:] == []


@asynccontextmanager
async def machine(server: ApiServer) -> AsyncIterator[tuple[Machine, list[str]]]:
    """The parts beside kopf, not started, and what they say has died."""
    died: list[str] = []
    async with connected(server) as kube:
        made = Machine(Settings(host="127.0.0.1", port=0), Outside(kube, Metrics(), died.append))
        yield made, died
        await made.stop()


async def test_the_regular_list_finds_what_events_missed_and_only_that() -> None:
    async with serving() as api, machine(api) as (parts, _):
        parts.seen(api.put(MODEL_ROLLOUTS, rollout_object()))
        missed = rollout_object()
        missed["metadata"] = {"name": "fraud", "uid": "uid-fraud"}
        api.put(MODEL_ROLLOUTS, missed)
        assert await parts.relist() == ["default/fraud"]
        assert await parts.relist() == []

        api.remove(MODEL_ROLLOUTS, "churn")
        assert await parts.relist() == ["default/churn"]
        assert parts.queue.depth == 2


async def test_what_is_heard_of_within_the_grace_time_was_not_missed() -> None:
    async with serving() as api, machine(api) as (parts, _):
        raw = api.put(MODEL_ROLLOUTS, rollout_object())
        asyncio.get_running_loop().call_later(0.02, parts.seen, raw)

        assert await parts.relist(0.2) == []


async def test_a_task_that_ends_ends_the_operator() -> None:
    async def breaks() -> None:
        raise ZeroDivisionError("bug")

    async with serving() as api, machine(api) as (parts, died):
        parts._spawn("reflector of pods", breaks())
        await asyncio.sleep(0.01)

        assert died == ["reflector of pods"]
        assert parts.health.complaint() == "ended: reflector of pods"


async def test_a_reflector_that_sleeps_is_our_fault_and_an_api_server_that_is_away_is_not() -> None:
    async with serving() as api, connected(api) as kube:
        now = [1000.0]
        outside = Outside(kube, Metrics(), lambda _: None, clock=lambda: now[0])
        parts = Machine(Settings(host="127.0.0.1", port=0), outside)
        assert parts.health.stalled() == ""
        now[0] += 181
        assert parts.health.stalled() == (
            "deployments in all namespaces: neither a word nor a try for 181 s, though the Lease is renewed"
        )
        parts.turns = Away()
        assert parts.health.stalled() == ""
        await parts.stop()


class Away(Alone):
    """An elector that cannot reach the API server."""

    renewed = 60.0


async def test_it_tells_who_leads_how_many_tasks_it_has_and_how_old_each_watch_is_and_how_often_was_listed() -> None:
    async with serving() as api, connected(api) as kube:
        metrics = Metrics()
        parts = Machine(Settings(host="127.0.0.1", port=0), Outside(kube, metrics, lambda _: None))
        text = metrics.text().decode()
        tasks = len(asyncio.all_tasks())
        await parts.stop()

    kinds = ["deployments", "modelrollouts", "pods"]
    assert "modelrollout_leader 1.0" in text
    assert f"modelrollout_tasks {tasks:.1f}" in text
    assert [kind for kind in kinds if f'modelrollout_watch_age_seconds{{kind="{kind}"}}' in text] == kinds
    assert [kind for kind in kinds if f'modelrollout_lists{{kind="{kind}"}} 0.0' in text] == kinds


async def test_an_operator_for_one_namespace_asks_for_nothing_outside_of_it(tmp_path: Path) -> None:
    """A Role is enough for it: it would wait for ever for a list of namespaces."""
    outside: set[str] = set()

    async def script(asked: Asked) -> web.StreamResponse | None:
        if asked.namespace != "default":
            outside.add(str(asked))
            return refuse(403, "Forbidden")
        return None

    async with serving(ApiServer(script=script)) as api, operating(api, tmp_path, namespaces=("default",)):
        api.put(MODEL_ROLLOUTS, rollout_object())
        await until(made(api))

    assert outside == set()
