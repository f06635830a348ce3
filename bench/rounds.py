"""One round: a model that is good so far, a fault at a definite moment, and everything seen until it is over.

The fault is a change of rows: from then on only rows are sent which the model under test fails on and the other one
answers. Nothing on the cluster is touched, so what is measured is what the operator and Kubernetes do by themselves.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bench.audit import Writes, writes_since
from bench.endings import terminations
from bench.measure import Seen, Spans, measured
from bench.processes import pods_by_process
from bench.scene import BAD, BEFORE, HELD_AT_HALF, SHAPE, STRAIGHT, Scene
from modelrollout.traffic.load import Load
from stage.endpoints import sampled
from stage.kube import Object
from stage.models import rows_that, uri
from stage.operator import operator_pods
from stage.requests import steady
from stage.rollout import is_true, of, revision_of

CHANGE_SECONDS = 180.0
SAFE_SECONDS = 120.0
BLIND_SECONDS = 5.0


class NoFault(Exception):  # noqa: N818  # says what did not come about
    """The fault showed nothing, so there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one fault did."""

    spans: Spans
    writes: Writes
    same_operator: bool
    """Whether the operator's pod was the same one from beginning to end: somebody else's tests may replace it."""


async def in_a_step(scene: Scene, number: int) -> Round:
    """The candidate has half of the requests when its fault begins; ends when its pods are gone."""
    asked = _Asked(f"2.0.{number}", HELD_AT_HALF, "the candidate is paused at weight 50")
    obj = await _roll_out(scene, asked, _paused_at_half)
    return await _fault(scene, obj["status"]["candidate"]["revision"], lambda found: is_true(found, "Stalled"))


async def after_promotion(scene: Scene, number: int) -> Round:
    """The model is stable and has every request when its fault begins; the one before it is still warm."""
    before = (await scene.rollout.status())["stable"]["revision"]
    version = f"3.0.{number}"
    asked = _Asked(version, STRAIGHT, f"{version} is promoted")
    obj = await _roll_out(scene, asked, lambda found: is_true(found, "Ready"))
    left = obj["status"]["stable"]["revision"]
    return await _fault(scene, left, lambda found: found["status"]["stable"]["revision"] == before)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A new model, and how far it should get before its fault begins."""

    version: str
    """Each round has one of its own: what was rejected once is not tried again."""
    strategy: Object
    until: str


async def _roll_out(scene: Scene, asked: _Asked, is_there: Callable[[Object], bool]) -> Object:
    async with steady(scene.target, rows_that(fail=False), BEFORE):
        await scene.rollout.change({"model": {"uri": uri(BAD), "version": asked.version}, "strategy": asked.strategy})
        return await scene.rollout.until(asked.until, is_there, CHANGE_SECONDS)


def _paused_at_half(obj: Object) -> bool:
    candidate = (obj.get("status") or {}).get("candidate") or {}
    return (candidate.get("weight"), candidate.get("stage")) == (50, "Paused")


async def _fault(scene: Scene, revision: str, is_safe: Callable[[Object], bool]) -> Round:
    """New connections, some good seconds, then the fault."""
    before = await _operators(scene)
    async with steady(scene.target, rows_that(fail=False), SHAPE) as load:
        await asyncio.sleep(scene.plan.calm)
        seen = await _faulty(scene, load, revision, is_safe)
    spans = measured(seen, scene.plan.replicas)
    if spans is None:
        raise NoFault(f"{revision} gave no bad answer after its fault began")
    writes = writes_since(scene.audit, scene.rollout.namespace, seen.began)
    return Round(spans, writes, await _operators(scene) == before)


async def _operators(scene: Scene) -> list[str]:
    return [pod["metadata"]["uid"] for pod in await operator_pods(scene.rollout.cluster)]


async def _faulty(scene: Scene, load: Load, revision: str, is_safe: Callable[[Object], bool]) -> Seen:
    rollout = scene.rollout
    pods = await rollout.pods()
    processes = await pods_by_process(pods)
    others = frozenset({revision_of(pod) for pod in pods} - {revision})
    async with sampled(rollout) as samples, terminations(rollout, revision) as ended:
        began = load.now()
        load.rows.use(rows_that(fail=True))
        await rollout.until(f"traffic has left {revision}", is_safe, SAFE_SECONDS)
        await rollout.until_pods(
            f"the pods of {revision} are gone", lambda found: not of(revision, found), SAFE_SECONDS
        )
    if not samples.all or load.now() - samples.all[-1].time > BLIND_SECONDS:
        raise NoFault(f"the endpoints of {rollout.name} were not looked at until the end")
    return Seen(began, tuple(load.records), processes, dict(ended), tuple(samples.all), others)
