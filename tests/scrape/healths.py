"""Answers of /health and pods to ask, with defaults."""

from typing import Any

from modelrollout import names
from modelrollout.scrape.target import Target

Object = dict[str, Any]

TARGET = Target("default", "churn-a-1", "uid-1", "aaaa", "127.0.0.1")


def health(**changes: Any) -> Object:
    """What the serving image answers, as far as it is read."""
    counters = {
        "requests": 10,
        "errors": 1,
        "refusals": 2,
        "latency": {"edges_ms": [1.0, 5.0, 500.0], "counts": [3, 4, 2, 1], "sum_ms": 812.5},
        "predictions": {"count": 10},
    }
    answer = {
        "status": "ok",
        "healthy": True,
        "instance": "uid-1:17",
        "pod_uid": "uid-1",
        "oldest_inflight_s": 0.25,
        "memory_bytes": 2**28,
        "counters": counters | changes.pop("counters", {}),
    }
    return answer | changes


def pod(name: str = "churn-a-1", revision: str = "aaaa", **status: Any) -> Object:
    """A pod whose server runs and is ready."""
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name[-1]}",
            "labels": {names.NAME_LABEL: "churn", names.REVISION_LABEL: revision},
        },
        "spec": {},
        "status": {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "containerStatuses": [{"name": "server", "started": True, "state": {"running": {}}}],
        }
        | status,
    }
