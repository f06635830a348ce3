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

Json = Mapping[str, Any]

WORDS_LENGTH = 300
UNREADY_FOR = timedelta(seconds=10)
"""A pod that was ready and then is not for so long fails its probe; shorter is a hiccup."""
STARTUP_DEADLINE = timedelta(minutes=5)
"""Where the pod does not tell its own."""

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
    container = server_of(pod)
    return (
        _lost(pod)
        or _unschedulable(pod)
        or _waiting(container)
        or _ended(pod, container)
        or _unready(pod, container, now)
    )


def server_of(pod: Json) -> Json:
    """Status of the server container; empty before the kubelet has written one."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return next((one for one in statuses if one.get("name") == names.SERVER_CONTAINER), {})


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
        return Trouble(PodTrouble.NODE_LOST, _shortened(message or reason))
    disruption = condition_of(pod, "DisruptionTarget")
    if disruption.get("status") == "True":
        return Trouble(PodTrouble.NODE_LOST, _shortened(str(disruption.get("message") or disruption.get("reason", ""))))
    if status.get("phase") == "Unknown":
        return Trouble(PodTrouble.NODE_LOST, "its node does not answer")
    ready = condition_of(pod, "Ready")
    if ready.get("reason") == "NodeNotReady":
        return Trouble(PodTrouble.NODE_LOST, "its node is not ready")
    return None


def _unschedulable(pod: Json) -> Trouble | None:
    scheduled = condition_of(pod, "PodScheduled")
    if scheduled.get("status") != "False" or scheduled.get("reason") == "SchedulingGated":
        return None
    return Trouble(PodTrouble.UNSCHEDULABLE, _shortened(str(scheduled.get("message", ""))))


def _waiting(container: Json) -> Trouble | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), _shortened(str(waiting.get("message", "")))
    if reason in _PULL_REASONS:
        return Trouble(PodTrouble.CANNOT_PULL, message or reason)
    if reason in _CONFIG_REASONS:
        return Trouble(PodTrouble.MISSING_CONFIG, message or reason)
    return None


def _ended(pod: Json, container: Json) -> Trouble | None:
    """How the server container ended last. It stays known while the container runs again: crash loops flap."""
    state = container.get("state") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    if not ended:
        return None
    words = last_words(str(ended.get("message", "")))
    if ended.get("reason") in _UNKNOWN_END:
        return Trouble(PodTrouble.NODE_LOST, words or "the node lost the container")
    if ended.get("reason") == "OOMKilled":
        return Trouble(PodTrouble.OOM_KILLED, _memory(container, pod) or words)
    for pattern, kind in _WORDS:
        if pattern.search(words):
            return Trouble(kind, words)
    if ended.get("exitCode") in {_SIGKILL, _SIGTERM} and container.get("restartCount", 0) > 0:
        return _killed(pod, ended, words)
    return Trouble(PodTrouble.CRASHED, words or f"exit code {ended.get('exitCode')}")


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
    if running is None or is_ready(pod) or not container.get("started"):
        return None
    turned = time_of(condition_of(pod, "Ready").get("lastTransitionTime"))
    was_ready = turned is not None and turned > running
    since = turned if was_ready and turned is not None else running + _startup_deadline(pod)
    if now - since < UNREADY_FOR:
        return None
    return Trouble(
        PodTrouble.PROBE_FAILING, f"its readiness probe has failed for {round((now - since).total_seconds())} s"
    )


def _startup_deadline(pod: Json) -> timedelta:
    probe = _server_spec(pod).get("startupProbe") or {}
    seconds = int(probe.get("failureThreshold", 0)) * int(probe.get("periodSeconds", 0))
    return timedelta(seconds=seconds) if seconds else STARTUP_DEADLINE


def _server_spec(pod: Json) -> Json:
    containers = pod.get("spec", {}).get("containers") or []
    return next((one for one in containers if one.get("name") == names.SERVER_CONTAINER), {})
