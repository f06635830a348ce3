"""Children as the API server has them, with defaults."""

from typing import Any

from modelrollout import names

Object = dict[str, Any]


def labels(**more: str) -> dict[str, str]:
    return {names.APP_MANAGED_BY_LABEL: names.MANAGER, names.NAME_LABEL: "churn"} | more


def child(name: str = "one", version: int = 1, uid: str = "", **more: Any) -> Object:
    """Any child of the rollout default/churn."""
    meta = {
        "name": name,
        "namespace": "default",
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
        "labels": labels(),
    }
    return {"metadata": meta | more.pop("metadata", {}), **more}
