"""The rules of kstatus for a custom resource: what Helm, Argo CD and Flux conclude from its conditions.

Written from kstatus' documentation (cli-utils, pkg/kstatus): deletion first, then the observed generation, then the
conditions Reconciling and Stalled in the order in which they stand, then Ready; with none of them it is current.
"""

from enum import StrEnum
from typing import Any


class Status(StrEnum):
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    CURRENT = "Current"
    TERMINATING = "Terminating"


def compute(obj: dict[str, Any]) -> Status:
    """What kstatus says of an object of a kind that it has no rules of its own for."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return Status.TERMINATING
    observed = status.get("observedGeneration")
    if observed is not None and "generation" in metadata and observed != metadata["generation"]:
        return Status.IN_PROGRESS
    conditions = [(one["type"], one["status"]) for one in status.get("conditions") or []]
    for condition in conditions:
        if condition == ("Reconciling", "True"):
            return Status.IN_PROGRESS
        if condition == ("Stalled", "True"):
            return Status.FAILED
    ready = dict(conditions).get("Ready", "True")
    return Status.CURRENT if ready == "True" else Status.IN_PROGRESS
