"""What a rollout has come to, as one value that is equal for a run with a kill and one without.

Masked are times, counters and names that Kubernetes makes up. Revisions are hashes of what was asked for, the same in
every run, so they are compared as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from e2e.story import mask

from stage.kube import Object
from stage.rollout import conditions_of

NOT_TRIED_AGAIN = frozenset({"Rejected", "Aborted", "Unhealthy"})


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a rollout without times and counters."""

    selector: Mapping[str, str]
    """Of the Service."""
    replicas: Mapping[str, int]
    """Asked for by each revision's Deployment."""
    revisions: Mapping[str, str]
    """Those that the status names, by what they are to it."""
    conditions: tuple[tuple[str, str, str, str], ...]
    """Type, status, reason and masked message."""
    history: tuple[tuple[str, str, str, str, bool], ...]
    """Revision, version, outcome, reason, and whether it was ever promoted; oldest first."""
    rejected: frozenset[str]
    """Revisions that are not tried again by themselves."""

    @property
    def is_at_rest(self) -> bool:
        """Whether every Deployment that nobody needs is gone."""
        return 0 not in self.replicas.values()


def ending(rollout: Object, service: Object | None, deployments: Mapping[str, Object]) -> Ending:
    """The end that three kinds of objects show."""
    status = rollout.get("status") or {}
    history = status.get("history") or []
    return Ending(
        selector=dict(service["spec"]["selector"]) if service is not None else {},
        replicas={revision: one["spec"]["replicas"] for revision, one in deployments.items()},
        revisions=dict(_revisions(status)),
        conditions=tuple(
            (one.type, one.status, one.reason, mask(one.message)) for one in conditions_of(rollout).values()
        ),
        history=tuple(_tried(entry) for entry in history),
        rejected=frozenset(one["revision"] for one in history if one["outcome"] in NOT_TRIED_AGAIN),
    )


def _revisions(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    roles = ("current", "stable", "candidate", "previous", "retreat")
    return [(role, status[role]["revision"]) for role in roles if status.get(role)]


def _tried(entry: Mapping[str, Any]) -> tuple[str, str, str, str, bool]:
    return entry["revision"], entry["version"], entry["outcome"], entry.get("reason", ""), "promoted" in entry
