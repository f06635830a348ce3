"""The HorizontalPodAutoscaler: it scales the rollout through its scale subresource, never a revision's Deployment."""

from typing import Any

from modelrollout import names
from modelrollout.api.spec import Autoscaling
from modelrollout.builders.manifests import Manifest, metadata, sealed
from modelrollout.core.facts import Rollout


def autoscaler(rollout: Rollout, *, shrinks: bool = True) -> Manifest | None:
    """The autoscaler that the spec asks for; None where it asks for none. While traffic moves it only grows."""
    if rollout.spec is None or rollout.spec.autoscaling is None:
        return None
    return sealed(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata(rollout, names.autoscaler(rollout.name)),
            "spec": _spec(rollout.name, rollout.spec.autoscaling)
            | _behavior(rollout.spec.autoscaling, shrinks=shrinks),
        }
    )


def _spec(name: str, asked: Autoscaling) -> dict[str, Any]:
    targets = {"cpu": asked.target_cpu_utilization, "memory": asked.target_memory_utilization}
    return {
        "scaleTargetRef": {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": name},
        "minReplicas": asked.min_replicas,
        "maxReplicas": asked.max_replicas,
        "metrics": [_metric(resource, percent) for resource, percent in targets.items() if percent is not None],
    }


def _behavior(asked: Autoscaling, *, shrinks: bool) -> dict[str, Any]:
    behavior = dict(asked.behavior or {})
    if not shrinks:
        behavior["scaleDown"] = {**behavior.get("scaleDown", {}), "selectPolicy": "Disabled"}
    return {"behavior": behavior} if behavior else {}


def _metric(resource: str, percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}
