"""The end of a rollout as a value: what is volatile is masked, and nothing else."""

from typing import Any

import pytest
from e2e.ending import Ending, ending

REJECTED: dict[str, Any] = {
    "revision": "0badc0de",
    "version": "9.0.0",
    "outcome": "Rejected",
    "reason": "ErrorRate",
    "message": "31 of 40 requests failed",
    "time": "2026-03-01T12:00:00Z",
}
PROMOTED: dict[str, Any] = {
    "revision": "7f3a9c21",
    "version": "1.0.0",
    "outcome": "Promoted",
    "reason": "Promoted",
    "time": "2026-03-01T11:00:00Z",
    "promoted": "2026-03-01T11:00:00Z",
}


def rollout(message: str = "31 of 40 requests failed (limit 5 %)", **status: Any) -> dict[str, Any]:
    condition = {
        "type": "Stalled",
        "status": "True",
        "reason": "ErrorRate",
        "message": message,
        "observedGeneration": 2,
        "lastTransitionTime": "2026-03-01T12:00:00Z",
    }
    known = {
        "current": {"revision": "0badc0de"},
        "stable": {"revision": "7f3a9c21"},
        "history": [PROMOTED, REJECTED],
        "conditions": [condition],
    }
    return {"status": known | status}


SERVICE = {"spec": {"selector": {"modelrollout.dev/revision": "7f3a9c21"}}}
DEPLOYMENTS = {"7f3a9c21": {"spec": {"replicas": 2}}}


def test_an_ending_has_selector_replicas_revisions_conditions_history_and_reject_list() -> None:
    assert ending(rollout(), SERVICE, DEPLOYMENTS) == Ending(
        selector={"modelrollout.dev/revision": "7f3a9c21"},
        replicas={"7f3a9c21": 2},
        revisions={"current": "0badc0de", "stable": "7f3a9c21"},
        conditions=(("Stalled", "True", "ErrorRate", "# of # requests failed (limit # %)"),),
        history=(
            ("7f3a9c21", "1.0.0", "Promoted", "Promoted", True),
            ("0badc0de", "9.0.0", "Rejected", "ErrorRate", False),
        ),
        rejected=frozenset({"0badc0de"}),
    )


def test_times_and_counters_make_no_difference() -> None:
    later = rollout(
        "7 of 9 requests failed (limit 5 %)", history=[PROMOTED, REJECTED | {"time": "2027-01-01T00:00:00Z"}]
    )
    assert ending(later, SERVICE, DEPLOYMENTS) == ending(rollout(), SERVICE, DEPLOYMENTS)


@pytest.mark.parametrize(
    ("obj", "service", "deployments"),
    [
        (rollout(), {"spec": {"selector": {"modelrollout.dev/revision": "0badc0de"}}}, DEPLOYMENTS),
        (rollout(), None, DEPLOYMENTS),
        (rollout(), SERVICE, {"7f3a9c21": {"spec": {"replicas": 3}}}),
        (rollout(), SERVICE, DEPLOYMENTS | {"0badc0de": {"spec": {"replicas": 0}}}),
        (rollout(stable={"revision": "0badc0de"}), SERVICE, DEPLOYMENTS),
        (rollout(previous={"revision": "0badc0de"}), SERVICE, DEPLOYMENTS),
        (rollout("no pod is ready"), SERVICE, DEPLOYMENTS),
        (rollout(conditions=[]), SERVICE, DEPLOYMENTS),
        (rollout(history=[REJECTED, PROMOTED]), SERVICE, DEPLOYMENTS),
        (rollout(history=[PROMOTED, REJECTED | {"outcome": "Superseded"}]), SERVICE, DEPLOYMENTS),
    ],
    ids=[
        "the selector",
        "no Service",
        "replicas",
        "a Deployment that is left",
        "stable",
        "a warm revision",
        "words",
        "a condition",
        "the order of the history",
        "an outcome",
    ],
)
def test_everything_else_makes_one(
    obj: dict[str, Any], service: dict[str, Any] | None, deployments: dict[str, Any]
) -> None:
    assert ending(obj, service, deployments) != ending(rollout(), SERVICE, DEPLOYMENTS)


def test_a_deployment_without_pods_is_no_rest() -> None:
    left = DEPLOYMENTS | {"0badc0de": {"spec": {"replicas": 0}}}
    rests = [ending(rollout(), SERVICE, found).is_at_rest for found in (DEPLOYMENTS, left)]
    assert rests == [True, False]
