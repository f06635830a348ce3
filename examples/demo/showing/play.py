"""What the demo does: a first model, steady requests, a better one step by step, a bad one, and the way back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from modelrollout.traffic.load import Load, Shape
from showing.closing import Outcome
from showing.facts import gather
from showing.picture import Scene
from showing.screen import Screen
from stage.kube import Cluster, Object, path_of, until
from stage.models import install_store, rows
from stage.operator import install_operator
from stage.programs import Programs
from stage.requests import steady, target_of
from stage.rollout import Rollout, conditions_of, is_true, of

NAMESPACE = "demo"
MANIFESTS = Path(__file__).parents[1]
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 180.0
SHAPE = Shape(rate=100, kept=20, fresh_share=0.2)
ACTS = ("operator", "first model", "requests", "better model", "bad model", "way back")


class Stuck(Exception):  # noqa: N818  # says what was waited for
    """The demo waited too long for something."""


@dataclass(slots=True)
class Play:
    """The demo on its way; `now` is the present act."""

    tools: Programs
    cluster: Cluster
    screen: Screen
    churn: Rollout
    load: Load | None = None
    now: int = 0
    doing: str = ""

    def begin(self, act: int, doing: str) -> None:
        self.now, self.doing = act, doing
        self.screen.say(f"== {ACTS[act]}: {doing}")
        self.screen.show(Scene(ACTS, act, doing, None))

    async def apply(self, manifest: str) -> None:
        await self.tools.kubectl("apply", f"--namespace={NAMESPACE}", f"--filename={MANIFESTS / manifest}")

    async def watch(self, is_over: Callable[[Object], object]) -> None:
        """Draw until something holds.

        Raises:
            Stuck: it does not come to hold.

        """
        began = time.monotonic()
        while True:
            self.screen.show(Scene(ACTS, self.now, self.doing, await gather(self.churn, self.load)))
            if is_over(await self.churn.get()):
                return
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise Stuck(
                    f"{self.doing}: not done after {PATIENCE_SECONDS:g} s; see kubectl describe mr -n {NAMESPACE}"
                )
            await asyncio.sleep(LOOK_SECONDS)

    async def watch_for(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        await self.watch(lambda _: time.monotonic() >= ends)


async def play(tools: Programs, screen: Screen) -> Outcome:
    """All acts; gives what was seen."""
    cluster = await Cluster.connect(str(tools.kubeconfig))
    try:
        one = Play(tools, cluster, screen, Rollout(cluster, NAMESPACE, "churn"))
        await _prepare(one)
        await _first_model(one)
        async with _requests(one) as load:
            good_seconds = await _better_model(one)
            turn = len(load.records)
            why = await _bad_model(one)
        return Outcome(load.records[:turn], good_seconds, load.records[turn:], why)
    finally:
        await cluster.close()


async def _prepare(one: Play) -> None:
    one.begin(0, "helm install modelrollout charts/modelrollout --wait, and a web server with the example models")
    await asyncio.gather(install_operator(one.tools), install_store(one.cluster))
    path = path_of("v1", "Namespace", "", NAMESPACE)
    await one.cluster.delete(path)

    async def gone() -> bool:
        return await one.cluster.find(path) is None

    await until(gone, f"what an earlier demo left in namespace {NAMESPACE} is gone", 120)
    await one.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})


async def _first_model(one: Play) -> None:
    one.begin(1, "kubectl apply -f examples/demo/01-v1.yaml")
    await one.apply("01-v1.yaml")
    await one.watch(lambda obj: is_true(obj, "Ready"))


@asynccontextmanager
async def _requests(one: Play) -> AsyncIterator[Load]:
    one.begin(2, f"{SHAPE.rate:g} requests a second, over {SHAPE.kept} kept connections and fresh ones")
    async with steady(await target_of(one.tools, one.churn), rows(), SHAPE) as load:
        one.load = load
        await one.watch_for(5)
        yield load


async def _better_model(one: Play) -> float:
    began = time.monotonic()
    one.begin(3, "kubectl apply -f examples/demo/02-v2.yaml: a quarter of the requests, half, all")
    await one.apply("02-v2.yaml")
    await one.watch(lambda obj: is_true(obj, "Ready") and _stable(obj) == "2.0.0")
    seconds = time.monotonic() - began
    one.doing = "2.0.0 is promoted; 1.0.0 stays warm for a while"
    await one.watch_for(4)
    return seconds


async def _bad_model(one: Play) -> str:
    one.begin(4, "kubectl apply -f examples/demo/03-bad.yaml: it fails on three rows in ten")
    await one.apply("03-bad.yaml")
    await one.watch(lambda obj: "candidate" not in obj["status"] and obj["status"]["phase"] != "Stable")
    one.begin(5, "nobody touched it: the Service is back on 2.0.0, which kept all its pods")
    await one.watch(lambda obj: is_true(obj, "Stalled"))
    await one.churn.until_pods("the bad model's pods are gone", lambda pods: not of(_rejected(pods), pods))
    await one.watch_for(4)
    return conditions_of(await one.churn.get())["Stalled"].message


def _stable(obj: Object) -> str:
    return str(obj["status"]["stable"]["version"])


def _rejected(pods: list[Object]) -> str:
    versions = {pod["metadata"]["labels"]["app.kubernetes.io/version"]: pod for pod in pods}
    bad = versions.get("3.0.0")
    return str(bad["metadata"]["labels"]["modelrollout.dev/revision"]) if bad is not None else ""
