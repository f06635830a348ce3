"""The faults: what is done to the operator, its API server and the pods, at random moments by a seeded plan.

One after the other: each waits until what it took away is there again, so that what two of them would do together
(both pods of a model deleted) is not taken for a fault of the operator. The operator's own processes are the exception.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from e2e.breaking import LEASE, evict, inside, kill, leaders, taken_away
from e2e.network import cut_off
from soak.deck import Deck
from soak.notes import Notes
from soak.operators import Operators
from soak.seen import Seen

from localcluster import cgroups, pieces
from localcluster.saying import ClusterError
from modelrollout import names
from modelrollout.kube.errors import KubeError
from stage.kube import NOT_FOUND, ApiError, Cluster, Late, Object, path_of, until
from stage.operator import NAMESPACE, operator_pods
from stage.programs import Programs
from stage.rollout import of, ready

MOMENTS_SECONDS = (4.0, 20.0)
"""From the end of one fault to the next."""
WHOLE_SECONDS = 120.0
PAUSED_SECONDS = 20.0
"""Longer than a Lease lasts, shorter than what a liveness probe bears."""
CUT_OFF_SECONDS = 25.0
BLIND_SECONDS = 40.0
ETCD_SECONDS = 15.0
SCALING_SECONDS = 2.0
"""Until a Deployment's new size has come through to its pods."""
NOBODY = "somebody-else"


@dataclass(frozen=True, slots=True)
class Scene:
    """What can be broken."""

    tools: Programs
    cluster: Cluster
    rollouts: Sequence[Seen]
    operators: Operators
    dice: random.Random


Fault = Callable[[Scene], Awaitable[str]]
"""Does it, and waits until it is over; gives what it was done to, nothing where there was nothing to do it to."""


async def leader_killed(scene: Scene) -> str:
    return await _killed(scene, await leaders(scene.cluster))


async def standby_killed(scene: Scene) -> str:
    return await _killed(scene, await _standbys(scene))


async def process_killed(scene: Scene) -> str:
    """Only the process: its container starts again in the same pod."""
    for pod in await leaders(scene.cluster):
        uid = pod["metadata"]["uid"]
        scene.operators.excused[uid] += 1
        await asyncio.to_thread(cgroups.kill_pod, uid)
        return _name(pod)
    return ""


async def leader_told_to_end(scene: Scene) -> str:
    for pod in await leaders(scene.cluster):
        await scene.cluster.delete(path_of("v1", "Pod", NAMESPACE, _name(pod)))
        return _name(pod)
    return ""


async def leader_paused(scene: Scene) -> str:
    for pod in await leaders(scene.cluster):
        async with inside(cgroups.stopped_pod(pod["metadata"]["uid"])):
            await asyncio.sleep(PAUSED_SECONDS)
        return _name(pod)
    return ""


async def lease_deleted(scene: Scene) -> str:
    await scene.cluster.delete(LEASE)
    return "the Lease"


async def lease_stolen(scene: Scene) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    await scene.cluster.merge(LEASE, {"spec": {"holderIdentity": NOBODY, "renewTime": now, "acquireTime": now}})
    return "the Lease"


async def operator_cut_off(scene: Scene) -> str:
    """Its watches, and whatever else it asks the API server, get no answer and no end."""
    pods = await leaders(scene.cluster)
    addresses = [pod["status"]["podIP"] for pod in pods if pod.get("status", {}).get("podIP")]
    if addresses:
        async with cut_off(addresses):
            await asyncio.sleep(CUT_OFF_SECONDS)
    return ", ".join(_name(pod) for pod in pods)


async def right_taken_away(scene: Scene) -> str:
    async with taken_away(scene.cluster, "pods", "list", "watch"):
        await asyncio.sleep(BLIND_SECONDS)
    return "list,watch pods"


async def api_server_restarted(scene: Scene) -> str:
    await asyncio.to_thread(pieces.restart, scene.tools.places, "kube-apiserver")
    return "kube-apiserver"


async def etcd_stopped(scene: Scene) -> str:
    async with inside(pieces.without(scene.tools.places, "etcd")):
        await asyncio.sleep(ETCD_SECONDS)
    return "etcd"


async def pod_deleted(scene: Scene) -> str:
    return await _on_a_pod_of_stable(scene, lambda pod, where: scene.cluster.delete(_path(pod, where)))


async def pod_evicted(scene: Scene) -> str:
    return await _on_a_pod_of_stable(scene, lambda pod, where: evict(scene.cluster, where, _name(pod)))


async def candidate_pod_deleted(scene: Scene) -> str:
    seen = _with_candidate(scene)
    pods = await seen.rollout.pods(seen.candidate["revision"]) if seen is not None else []
    if seen is None or not pods:
        return ""
    pod = scene.dice.choice(pods)
    await scene.cluster.delete(_path(pod, seen.rollout.namespace))
    return _name(pod)


async def candidate_scaled(scene: Scene) -> str:
    return await _on_candidates_deployment(scene, {"spec": {"replicas": scene.dice.choice((0, 1, 4))}})


async def candidate_deployment_deleted(scene: Scene) -> str:
    return await _on_candidates_deployment(scene, None)


async def stable_scaled(scene: Scene) -> str:
    """Scaled to one pod or to four by hand, in the Deployment."""
    seen = scene.dice.choice(scene.rollouts)
    if not await _is_whole(seen):
        return ""
    name = names.deployment(seen.rollout.name, seen.stable)
    path = path_of("apps/v1", "Deployment", seen.rollout.namespace, name)
    await scene.cluster.merge(path, {"spec": {"replicas": scene.dice.choice((1, 4))}})
    await asyncio.sleep(SCALING_SECONDS)
    await _whole_again(seen)
    return name


async def budget_deleted(scene: Scene) -> str:
    seen = scene.dice.choice(scene.rollouts)
    name = names.disruption_budget(seen.rollout.name)
    await scene.cluster.delete(path_of("policy/v1", "PodDisruptionBudget", seen.rollout.namespace, name))
    return name


FAULTS: Mapping[str, tuple[Fault, int]] = {
    "leader killed": (leader_killed, 2),
    "leader's process killed": (process_killed, 1),
    "leader told to end": (leader_told_to_end, 1),
    "leader paused for 20 s": (leader_paused, 1),
    "standby killed": (standby_killed, 1),
    "Lease deleted": (lease_deleted, 1),
    "Lease stolen": (lease_stolen, 1),
    "leader cut off from the API server for 25 s": (operator_cut_off, 1),
    "right to see pods taken away for 40 s": (right_taken_away, 1),
    "API server restarted": (api_server_restarted, 1),
    "etcd stopped for 15 s": (etcd_stopped, 1),
    "serving pod deleted": (pod_deleted, 6),
    "serving pod evicted": (pod_evicted, 5),
    "candidate's pod deleted": (candidate_pod_deleted, 6),
    "candidate scaled by hand": (candidate_scaled, 5),
    "candidate's Deployment deleted": (candidate_deployment_deleted, 4),
    "stable scaled by hand": (stable_scaled, 4),
    "disruption budget deleted": (budget_deleted, 2),
}
"""Each with how often it comes in a round of all."""
ENDS_A_PROCESS = frozenset({"leader killed", "leader's process killed", "leader told to end", "standby killed"})


class Damage:
    """The plan: which fault comes when, and to whom, by a seed."""

    def __init__(self, scene: Scene, notes: Notes, kills_until: float) -> None:
        """`kills_until` is a moment of time.monotonic: processes that live on after it show whether they grow."""
        self._kills_until = kills_until
        self._scene = scene
        self._notes = notes
        self._deck = Deck({name: share for name, (_, share) in FAULTS.items()}, scene.dice)
        self._enough = asyncio.Event()

    def stop(self) -> None:
        """Begin no other fault."""
        self._enough.set()

    async def run(self) -> None:
        """Break one thing after the other until it is stopped."""
        while not await self._stopped_within(self._scene.dice.uniform(*MOMENTS_SECONDS)):
            kind = self._deck.deal()
            if kind in ENDS_A_PROCESS and time.monotonic() > self._kills_until:
                continue
            began = self._notes.minutes
            if where := await self._done(FAULTS[kind][0]):
                self._notes.fault(kind, f"{where} (began at {began:.2f} min)")

    async def _done(self, fault: Fault) -> str:
        try:
            return await fault(self._scene)
        except ApiError as error:
            if error.status != NOT_FOUND:  # what is gone by itself in this very moment cannot be broken
                self._notes.blame(str(error))
        except (Late, KubeError, ClusterError, OSError) as error:
            self._notes.blame(str(error))
        return ""

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._enough.wait()
        except TimeoutError:
            return False


async def _killed(scene: Scene, pods: Sequence[Object]) -> str:
    await kill(scene.cluster, pods)
    return ", ".join(_name(pod) for pod in pods)


async def _standbys(scene: Scene) -> list[Object]:
    leading = {_name(pod) for pod in await leaders(scene.cluster)}
    return [pod for pod in await operator_pods(scene.cluster) if _name(pod) not in leading]


async def _on_a_pod_of_stable(scene: Scene, do: Callable[[Object, str], Awaitable[object]]) -> str:
    seen = scene.dice.choice(scene.rollouts)
    if not await _is_whole(seen):
        return ""
    pod = scene.dice.choice(of(seen.stable, await seen.rollout.pods()))
    if await do(pod, seen.rollout.namespace) is False:
        return ""
    await _whole_again(seen)
    return _name(pod)


async def _on_candidates_deployment(scene: Scene, patch: Object | None) -> str:
    seen = _with_candidate(scene)
    if seen is None:
        return ""
    name = names.deployment(seen.rollout.name, seen.candidate["revision"])
    path = path_of("apps/v1", "Deployment", seen.rollout.namespace, name)
    if await scene.cluster.find(path) is None:
        return ""
    if patch is None:
        await scene.cluster.delete(path)
    else:
        await scene.cluster.merge(path, patch)
    return name


def _with_candidate(scene: Scene) -> Seen | None:
    """A rollout whose candidate does not have all requests: who takes that one's pods takes the Service's last ones."""
    found = [one for one in scene.rollouts if one.candidate and one.candidate.get("routing") != "Candidate"]
    return scene.dice.choice(found) if found else None


async def _is_whole(seen: Seen) -> bool:
    """Whether all of stable's pods are there and ready, so that one of them can be missed."""
    pods = of(seen.stable, await seen.rollout.pods())
    return len(pods) >= seen.obj["spec"]["replicas"] and all(ready(pod) for pod in pods)


async def _whole_again(seen: Seen) -> None:
    async def look() -> bool:
        return await _is_whole(seen)

    try:
        await until(look, f"all pods of {seen.rollout.name} are ready again", WHOLE_SECONDS)
    except Late as late:
        raise Late(f"{late}; {seen.status.get('message')}") from None


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])


def _path(pod: Object, namespace: str) -> str:
    return path_of("v1", "Pod", namespace, _name(pod))
