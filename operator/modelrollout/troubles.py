"""Why a pod does not serve: read from its status, as a flat chain of guards. Pure.

Kubernetes does not say everything. That a liveness probe killed a container is only an Event; here it is concluded
from how the container ended. What a container says last is taken at its word: the serving image begins its sentence
with the cause.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from modelrollout import names
from modelrollout.core.facts import PodTrouble
from modelrollout.printable import said

Json = Mapping[str, Any]

WORDS_LENGTH = 300
UNREADY_FOR = timedelta(seconds=10)
"""A pod that was ready and then is not for so long fails its probe; shorter is a hiccup."""
STARTUP_DEADLINE = timedelta(minutes=5)
"""Where the pod does not tell its own."""
UNMOUNTED_FOR = timedelta(seconds=30)
"""Volumes and network of a pod are there within seconds; what takes longer is missing."""
INITIALIZING_FOR = timedelta(seconds=30)

_NODE_REASONS = frozenset(
    {"Evicted", "Preempting", "Preempted", "NodeLost", "NodeAffinity", "NodeShutdown", "Shutdown"}
)
_NODE_REASONS_ALSO = frozenset({"Terminated", "OutOfcpu", "OutOfmemory", "OutOfpods", "UnexpectedAdmissionError"})
_PULL_REASONS = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "RegistryUnavailable",
        "ImageInspectError",
        "SignatureValidationFailed",
    }
)
_CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_UNKNOWN_END = frozenset({"ContainerStatusUnknown", "Unknown"})
"""The node was restarted, or lost the container: the kubelet does not know how it ended."""
_SIGKILL, _SIGTERM = 137, 143

_WORDS: tuple[tuple[re.Pattern[str], PodTrouble], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), trouble)
    for pattern, trouble in (
        (r"^model not found\b|no such file or directory|\b404 not found\b", PodTrouble.MODEL_NOT_FOUND),
        (r"^checksum mismatch\b", PodTrouble.CHECKSUM_MISMATCH),
        (r"^feature mismatch\b", PodTrouble.FEATURE_MISMATCH),
        (r"^missing dependency\b|\bModuleNotFoundError\b", PodTrouble.MISSING_DEPENDENCY),
        (r"^port in use\b|address already in use", PodTrouble.PORT_IN_USE),
    )
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a pod, and in whose words."""

    kind: PodTrouble
    words: str = ""


def trouble_of(pod: Json, now: datetime) -> Trouble | None:
    """What is wrong with a pod; None where nothing is known to be."""
    server = server_of(pod)
    found = (
        _lost(pod)
        or _unschedulable(pod)
        or next((trouble for one in containers(pod) if (trouble := _waiting(one))), None)
        or _ended(pod, ended_last(pod))
        or _unready(pod, server, now)
        or _unmounted(pod, now)
        or _initializing(pod, now)
        or _sidecar_unready(pod, server, now)
        or _readiness_gate(pod, now)
    )
    return Trouble(found.kind, _shortened(said(found.words))) if found is not None else None


def server_of(pod: Json) -> Json:
    """Status of the server container; empty before the kubelet has written one."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return next((one for one in statuses if one.get("name") == names.SERVER_CONTAINER), {})


def containers(pod: Json) -> list[Json]:
    """Statuses of all containers, the server's first; of init containers those that have not done their work yet."""
    status = pod.get("status", {})
    beside = [one for one in status.get("containerStatuses") or [] if one.get("name") != names.SERVER_CONTAINER]
    init = [one for one in status.get("initContainerStatuses") or [] if not _is_done(one)]
    return [server_of(pod), *beside, *init]


def ended_last(pod: Json) -> Json:
    """Status of the container whose last end is the newest; the server's where none has ended."""
    return max(containers(pod), key=lambda one: str(_end(one).get("finishedAt") or ""))


def _end(container: Json) -> Json:
    state, last = container.get("state") or {}, container.get("lastState") or {}
    return state.get("terminated") or last.get("terminated") or {}


def _is_done(init: Json) -> bool:
    ended = (init.get("state") or {}).get("terminated") or {}
    return ended.get("exitCode") == 0


def _is_server(container: Json) -> bool:
    return str(container.get("name", names.SERVER_CONTAINER)) == names.SERVER_CONTAINER


def _of(container: Json, words: str) -> str:
    """Words with the container that they are about, where it is not the server."""
    return words if _is_server(container) else f"container {container.get('name')}: {words}"


def last_run(container: Json) -> timedelta | None:
    """How long the run that ended last took; None where none has ended, or nobody knows when it began."""
    begun, over = (time_of(_end(container).get(field)) for field in ("startedAt", "finishedAt"))
    return over - begun if begun is not None and over is not None else None


def condition_of(pod: Json, kind: str) -> Json:
    conditions = pod.get("status", {}).get("conditions") or []
    return next((one for one in conditions if one.get("type") == kind), {})


def is_ready(pod: Json) -> bool:
    return condition_of(pod, "Ready").get("status") == "True"


def time_of(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None


def last_words(message: str) -> str:
    """The last sentence of a termination message, which may be the tail of a log, of JSON lines or of a traceback."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    return _shortened(_said(lines[-1]))


def _said(line: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    return str(entry.get("message") or entry.get("msg") or line) if isinstance(entry, dict) else line


def _shortened(text: str) -> str:
    return text if len(text) <= WORDS_LENGTH else f"{text[: WORDS_LENGTH - 3]}..."


def _lost(pod: Json) -> Trouble | None:
    """Evicted, pre-empted, drained, or on a node that is gone: nobody's fault here."""
    status = pod.get("status", {})
    reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    if reason in _NODE_REASONS or reason in _NODE_REASONS_ALSO:
        return Trouble(PodTrouble.NODE_LOST, message or reason)
    disruption = condition_of(pod, "DisruptionTarget")
    if disruption.get("status") == "True":
        return Trouble(PodTrouble.NODE_LOST, str(disruption.get("message") or disruption.get("reason", "")))
    if status.get("phase") == "Unknown":
        return Trouble(PodTrouble.NODE_LOST, "its node does not answer")
    ready = condition_of(pod, "Ready")
    if ready.get("reason") == "NodeNotReady":
        return Trouble(PodTrouble.NODE_LOST, "its node is not ready")
    return None


def _unschedulable(pod: Json) -> Trouble | None:
    scheduled = condition_of(pod, "PodScheduled")
    if scheduled.get("status") != "False":
        return None
    if scheduled.get("reason") == "SchedulingGated":
        gates = [str(one.get("name")) for one in pod.get("spec", {}).get("schedulingGates") or []]
        return Trouble(PodTrouble.SCHEDULING_GATED, f"waits for {', '.join(gates)}" if gates else "")
    return Trouble(PodTrouble.UNSCHEDULABLE, str(scheduled.get("message", "")))


def _waiting(container: Json) -> Trouble | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    if reason in _PULL_REASONS:
        return Trouble(PodTrouble.CANNOT_PULL, _of(container, message or reason))
    if reason in _CONFIG_REASONS:
        return Trouble(PodTrouble.MISSING_CONFIG, _of(container, message or reason))
    return None


def _ended(pod: Json, container: Json) -> Trouble | None:
    """How a container ended last. It stays known while the container runs again: crash loops flap."""
    ended = _end(container)
    if not ended:
        return None
    words = last_words(str(ended.get("message", "")))
    if ended.get("reason") in _UNKNOWN_END:
        return Trouble(PodTrouble.NODE_LOST, words or "the node lost the container")
    if not _is_server(container):
        return Trouble(PodTrouble.CRASHED, _of(container, words or _how(ended)))
    if ended.get("reason") == "OOMKilled":
        return Trouble(PodTrouble.OOM_KILLED, _memory(container, pod) or words)
    for pattern, kind in _WORDS:
        if pattern.search(words):
            return Trouble(kind, words)
    if ended.get("exitCode") in {_SIGKILL, _SIGTERM} and container.get("restartCount", 0) > 0:
        return _killed(pod, ended, words)
    return Trouble(PodTrouble.CRASHED, words or f"exit code {ended.get('exitCode')}")


def _how(ended: Json) -> str:
    killed = " (OOMKilled)" if ended.get("reason") == "OOMKilled" else ""
    return f"exit code {ended.get('exitCode')}{killed}"


def _memory(container: Json, pod: Json) -> str:
    """The limit that was too small; what the container had used is known to its last scrape only."""
    asked = container.get("resources") or _server_spec(pod).get("resources") or {}
    limit = (asked.get("limits") or {}).get("memory")
    return f"limit {limit}" if limit else ""


def _killed(pod: Json, ended: Json, words: str) -> Trouble:
    """Killed by the kubelet: by its startup probe when it ran that long without ever being ready, else by liveness."""
    begun, over = time_of(ended.get("startedAt")), time_of(ended.get("finishedAt"))
    turned = time_of(condition_of(pod, "Ready").get("lastTransitionTime"))
    never_ready = not is_ready(pod) and turned is not None and begun is not None and turned <= begun
    deadline = _startup_deadline(pod)
    if never_ready and begun is not None and over is not None and over - begun >= deadline:
        seconds = round(deadline.total_seconds())
        return Trouble(PodTrouble.PROBE_FAILING, f"not ready within its startup deadline of {seconds} s")
    return Trouble(PodTrouble.KILLED_BY_LIVENESS, words)


def _unready(pod: Json, container: Json, now: datetime) -> Trouble | None:
    """Runs, was ready, and has failed its readiness probe for a while."""
    running = time_of(((container.get("state") or {}).get("running") or {}).get("startedAt"))
    if running is None or is_ready(pod) or container.get("ready") or not container.get("started"):
        return None
    turned = time_of(condition_of(pod, "Ready").get("lastTransitionTime"))
    was_ready = turned is not None and turned > running
    since = turned if was_ready and turned is not None else running + _startup_deadline(pod)
    if now - since < UNREADY_FOR:
        return None
    return Trouble(
        PodTrouble.PROBE_FAILING, f"its readiness probe has failed for {round((now - since).total_seconds())} s"
    )


def _unmounted(pod: Json, now: datetime) -> Trouble | None:
    """Placed on a node, and its sandbox does not come up: a volume that cannot be mounted, or the network."""
    here = condition_of(pod, "PodReadyToStartContainers")
    if here.get("status") != "False" or not _longer(here.get("lastTransitionTime"), UNMOUNTED_FOR, now):
        return None
    mounted = [named for one in pod.get("spec", {}).get("volumes") or [] if (named := _volume(one))]
    words = f"volumes {', '.join(mounted)} or the network" if mounted else "its network"
    verb = "are" if mounted else "is"
    return Trouble(PodTrouble.NOT_MOUNTED, f"{words} {verb} not there after {UNMOUNTED_FOR.seconds} s")


_VOLUMES = {
    "secret": "secretName",
    "configMap": "name",
    "persistentVolumeClaim": "claimName",
    "csi": "driver",
    "nfs": "server",
    "hostPath": "path",
}
"""Kinds of volumes that may be missing, and the field that names what is."""


def _volume(volume: Json) -> str:
    return next((f"{kind} {volume[kind].get(field)}" for kind, field in _VOLUMES.items() if volume.get(kind)), "")


def _initializing(pod: Json, now: datetime) -> Trouble | None:
    for one in pod.get("status", {}).get("initContainerStatuses") or []:
        if one.get("started") and _is_sidecar(pod, one):
            continue
        began = ((one.get("state") or {}).get("running") or {}).get("startedAt")
        if _longer(began, INITIALIZING_FOR, now):
            return Trouble(PodTrouble.INITIALIZING, f"init container {one.get('name')} has not finished")
    return None


def _sidecar_unready(pod: Json, server: Json, now: datetime) -> Trouble | None:
    if is_ready(pod) or not server.get("ready"):
        return None
    sidecars = [one for one in containers(pod) if not _is_server(one)]
    for one in sidecars:
        began = ((one.get("state") or {}).get("running") or {}).get("startedAt")
        if one.get("ready") is False and _longer(began, UNREADY_FOR, now):
            return Trouble(PodTrouble.SIDECAR_NOT_READY, _of(one, "runs and is not ready"))
    return None


def _is_sidecar(pod: Json, init: Json) -> bool:
    """An init container that runs beside the others for as long as they do."""
    specs = pod.get("spec", {}).get("initContainers") or []
    return any(one.get("name") == init.get("name") and one.get("restartPolicy") == "Always" for one in specs)


def _readiness_gate(pod: Json, now: datetime) -> Trouble | None:
    """All containers are ready, and somebody else's condition is not true."""
    here = condition_of(pod, "ContainersReady")
    if is_ready(pod) or here.get("status") != "True" or not _longer(here.get("lastTransitionTime"), UNREADY_FOR, now):
        return None
    gates = [str(one.get("conditionType")) for one in pod.get("spec", {}).get("readinessGates") or []]
    shut = [gate for gate in gates if condition_of(pod, gate).get("status") != "True"]
    return Trouble(PodTrouble.READINESS_GATE, f"{', '.join(shut)} is not True") if shut else None


def _longer(since: object, span: timedelta, now: datetime) -> bool:
    began = time_of(since)
    return began is not None and now - began >= span


def _startup_deadline(pod: Json) -> timedelta:
    probe = _server_spec(pod).get("startupProbe") or {}
    seconds = int(probe.get("failureThreshold", 0)) * int(probe.get("periodSeconds", 0))
    return timedelta(seconds=seconds) if seconds else STARTUP_DEADLINE


def _server_spec(pod: Json) -> Json:
    containers = pod.get("spec", {}).get("containers") or []
    return next((one for one in containers if one.get("name") == names.SERVER_CONTAINER), {})
