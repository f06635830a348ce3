"""The demo's acts: a first model, a better one that is promoted, a bad one that is taken back."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import clients
import ending
import yaml
from rich.console import Console
from screens import Screen, screen

from modelrollout.traffic.records import Record
from stage.kube import Cluster, Object, path_of, until
from stage.models import install_store
from stage.operator import KIND_PATH, install_operator
from stage.programs import Programs, programs
from stage.rollout import Rollout, is_true, of

FOLDER = Path(__file__).parent
NAMESPACE = "demo"
TITLES = ("a first model", "a better model, step by step", "a bad model")
CALM_SECONDS = 3.0
STEP_SECONDS = 150.0


class DidNotComeAbout(Exception):  # noqa: N818  # says what did not
    """The cluster did something else than the demo is about."""


@dataclass(frozen=True, slots=True)
class Choices:
    install: bool = True
    """Whether the operator is brought to this checkout's state first."""
    from_a_pod: bool = False
    """Whether requests come from inside the cluster even where they could come from here."""


@dataclass(frozen=True, slots=True)
class Stage:
    rollout: Rollout
    screen: Screen
    records: Sequence[Record]


async def play(choices: Choices, console: Console) -> None:
    """All of it.

    Raises:
        DidNotComeAbout, Late: naming what, and the condition that was seen instead.

    """
    tools = programs()
    cluster = await Cluster.connect(str(tools.kubeconfig))
    try:
        await _prepare(cluster, tools, choices, console)
        rollout = Rollout(cluster, NAMESPACE, "churn")
        rows = await _acts(rollout, tools, choices, console)
        stable = (await rollout.status())["stable"]["revision"]
    finally:
        await cluster.close()
    ending.tell(console, rows, stable)


async def _prepare(cluster: Cluster, tools: Programs, choices: Choices, console: Console) -> None:
    console.print("The models: a web server in namespace model-store")
    await install_store(cluster, tools)
    if choices.install:
        console.print("The operator: helm upgrade --install modelrollout charts/modelrollout")
        await install_operator(tools)
    elif await cluster.find(KIND_PATH) is None:
        raise DidNotComeAbout("no operator is installed here; leave out --as-is and the demo installs it")
    path = path_of("v1", "Namespace", "", NAMESPACE)
    if await cluster.find(path) is not None:
        console.print(f"Namespace {NAMESPACE} of an earlier demo goes away")
        await cluster.delete(path)

    async def gone() -> bool:
        return await cluster.find(path) is None

    await until(gone, f"namespace {NAMESPACE} of an earlier demo is gone", 180)
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})


async def _acts(rollout: Rollout, tools: Programs, choices: Choices, console: Console) -> list[ending.Row]:
    async with screen(console, rollout, TITLES) as shown:
        shown.act(0)
        await _apply(rollout, "01-v1.yaml")
        await _until(rollout, "the first model serves", _serves("1.0.0"))
        async with _client(choices, tools, rollout) as records:
            shown.count(records)
            stage = Stage(rollout, shown, records)
            await asyncio.sleep(CALM_SECONDS)
            return [*await _better(stage), await _bad(stage)]


def _client(choices: Choices, tools: Programs, rollout: Rollout) -> AbstractAsyncContextManager[Sequence[Record]]:
    client = clients.requests_from_a_pod if choices.from_a_pod else clients.requests
    return client(tools, rollout)


async def _better(stage: Stage) -> list[ending.Row]:
    stage.screen.act(1)
    began = time.time()
    await _apply(stage.rollout, "02-v2.yaml")
    await _until(stage.rollout, "2.0.0 has every request", lambda obj: _baking(obj) or _serves("2.0.0")(obj))
    alone = time.time()
    await _until(stage.rollout, "2.0.0 is promoted", _serves("2.0.0"))
    promoted = time.time()
    await asyncio.sleep(CALM_SECONDS)
    return [
        ending.row("rollout of 2.0.0, 10 to 100 %", stage.records, (began, alone)),
        ending.row("its bake and promotion", stage.records, (alone, promoted)),
    ]


async def _bad(stage: Stage) -> ending.Row:
    stage.screen.act(2)
    began = time.time()
    await _apply(stage.rollout, "03-bad.yaml")
    obj = await _until(stage.rollout, "3.0.0 is taken back", lambda found: is_true(found, "Stalled"))
    revision = obj["status"]["current"]["revision"]
    await stage.rollout.until_pods("the bad pods are gone", lambda pods: not of(revision, pods), STEP_SECONDS)
    await asyncio.sleep(CALM_SECONDS)
    return ending.row("rollback of 3.0.0", stage.records, (began, time.time()))


async def _apply(rollout: Rollout, name: str) -> None:
    manifest = yaml.safe_load((FOLDER / name).read_text())
    await rollout.cluster.apply(manifest, rollout.namespace)


async def _until(rollout: Rollout, what: str, is_so: Callable[[Object], bool]) -> Object:
    """Wait for it; a rollout that was taken back instead will never get there.

    Raises:
        DidNotComeAbout: it was taken back instead, and why.

    """
    obj = await rollout.until(what, lambda found: is_so(found) or is_true(found, "Stalled"), STEP_SECONDS)
    if not is_so(obj):
        raise DidNotComeAbout(f"{what}: not so; {obj['status']['phase']}: {obj['status']['message']}")
    return obj


def _serves(version: str) -> Callable[[Object], bool]:
    def is_so(obj: Object) -> bool:
        stable = (obj.get("status") or {}).get("stable") or {}
        return stable.get("version") == version and is_true(obj, "Ready")

    return is_so


def _baking(obj: Object) -> bool:
    return ((obj.get("status") or {}).get("candidate") or {}).get("stage") in {"Baking", "Draining"}
