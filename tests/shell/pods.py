"""Pods as the kubelet and the control plane write them, in each kind of trouble."""

from datetime import UTC, datetime, timedelta
from typing import Any

from modelrollout import names

Object = dict[str, Any]
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    """A time so many seconds before now."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(kind: str, status: str = "True", since: float = 60, **more: Any) -> Object:
    return {"type": kind, "status": status, "lastTransitionTime": at(since)} | more


def running(since: float = 60, **more: Any) -> Object:
    """Status of a server container that has passed its startup probe."""
    return {"name": "server", "started": True, "restartCount": 0, "state": {"running": {"startedAt": at(since)}}} | more


def ended(code: int = 1, reason: str = "Error", message: str = "", lasted: float = 5) -> Object:
    """How a container ended, 10 s ago."""
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "message": message,
            "startedAt": at(10 + lasted),
            "finishedAt": at(10),
        }
    }


def crashed(restarts: int = 2, **how: Any) -> Object:
    """Status of a server container that waits to be started again."""
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting"}}
    return {"name": "server", "started": False, "restartCount": restarts, "state": waiting, "lastState": ended(**how)}


def waiting(reason: str, message: str = "") -> Object:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": "server", "started": False, "restartCount": 0, "state": state}


def pod(
    *conditions: Object,
    server: Object | None = None,
    mesh: Object | None = None,
    asks: Object | None = None,
    **status: Any,
) -> Object:
    """A pod of revision aaaa of default/churn with a sidecar; ready, where nothing else is said; `asks` of its spec."""
    found = list(conditions) or [condition("Ready")]
    beside = {"name": "mesh", "restartCount": 9, "state": {}} if mesh is None else mesh | {"name": "mesh"}
    statuses = [beside, running() if server is None else server]
    return {
        "metadata": {
            "name": "churn-aaaa-1",
            "namespace": "default",
            "uid": "uid-1",
            "labels": {names.NAME_LABEL: "churn", names.REVISION_LABEL: "aaaa"},
        },
        "spec": {
            "containers": [
                {
                    "name": "server",
                    "resources": {"limits": {"memory": "2Gi"}},
                    "startupProbe": {"periodSeconds": 1, "failureThreshold": 120},
                }
            ]
        }
        | (asks or {}),
        "status": {"phase": "Running", "conditions": found, "containerStatuses": statuses} | status,
    }


UNREADY = condition("Ready", "False", since=100)
