"""The PodDisruptionBudget over the pods behind the Service: a drain of nodes takes one of them at a time."""

from collections.abc import Mapping

from modelrollout import names
from modelrollout.builders.manifests import Manifest, metadata, sealed
from modelrollout.core.facts import Rollout


def disruption_budget(rollout: Rollout, selector: Mapping[str, str]) -> Manifest:
    """The budget for the pods that `selector` matches."""
    return sealed(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(rollout, names.disruption_budget(rollout.name)),
            "spec": {
                "maxUnavailable": 1,
                "selector": {"matchLabels": dict(selector)},
                # Pods that do not serve anyway must not block the drain of their node.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        }
    )
