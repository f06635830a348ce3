"""The first apply: no steps, each spec replaces the one before, and the first that is all ready is stable."""

import pytest
from core.values import (
    NOW,
    alone,
    arm,
    candidate,
    changing,
    decided,
    deployment,
    entry,
    later,
    pod,
    reasons,
    revision,
    seen,
    source,
    status,
    turn,
)

from modelrollout.api.status import Hold, ModelRolloutStatus, Routing, Stage
from modelrollout.core.decision import Create, EnsureAutoscaler, EnsureService, Note, Remember
from modelrollout.core.facts import PodSeen, PodTrouble

BEGUN = candidate(
    1,
    weight=100,
    stage=Stage.STARTING,
    since=NOW,
    step_since=NOW,
    routing=Routing.CANDIDATE,
    routed=False,
    strategy="first",
)
ON_ITS_WAY = status(stable=None, stable_since=None, current=revision(1), candidate=BEGUN, history=[])
NOTHING = ModelRolloutStatus(current=revision(1))


def test_the_first_spec_makes_one_deployment_and_a_service_that_selects_it() -> None:
    decision = decided(turn(NOTHING, seen(service=None)))
    assert decision.status.candidate == BEGUN
    assert decision.actions == (
        EnsureService(alone(1)),
        Remember(source(1)),
        Create(source(1), 4),
        EnsureAutoscaler(shrinks=False),
    )
    message = "1.0.0 (v1) is the first model: it serves once 4 pods are ready, without steps"
    assert decision.notes == (Note("RolloutStarted", message),)


def test_the_first_model_is_stable_once_all_its_pods_are_ready() -> None:
    early = decided(turn(ON_ITS_WAY, seen((deployment(1, 4), arm(1, 3)[1]))))
    assert (early.status.stable, early.notes) == (None, ())
    decision = decided(turn(ON_ITS_WAY, seen(arm(1, 4))))
    message = "1.0.0 (v1) is stable"
    assert (decision.status.stable, decision.status.previous) == (revision(1), None)
    assert decision.status.history == [entry(1, reason="Promoted", message=message, time=NOW, promoted=NOW)]
    assert decision.notes == (Note("Promoted", message),)


def test_a_broken_first_spec_is_simply_replaced() -> None:
    known = ON_ITS_WAY.but(current=revision(2))
    broken = deployment(1, 4), (pod(1, ready=False, restarts=9, trouble=PodTrouble.CRASHED),)
    decision = decided(turn(known, seen(broken)))
    assert decision.status.candidate is not None
    assert (decision.status.candidate.revision, decision.status.history) == ("v2", [])
    assert changing(decision.actions) == [
        "remember v2",
        "create v2 with 4",
        "route to name=churn,revision=v2",
        "scale v1 to 0",
    ]


@pytest.mark.parametrize(
    ("pods", "since", "hold", "told"),
    [
        pytest.param((), 0, ("Progressing", "0 of 4 pods ready"), [], id="no pod yet"),
        pytest.param(
            (), -600, ("ProgressDeadlineExceeded", "0 of 4 pods ready"), ["ProgressDeadlineExceeded"], id="too late"
        ),
        pytest.param(
            (pod(1, ready=False, restarts=2, trouble=PodTrouble.MODEL_NOT_FOUND, words="404"),),
            0,
            ("ModelNotFound", "0 of 4 pods ready: churn-v1-1: ModelNotFound (404); check model.uri"),
            ["ModelNotFound"],
            id="a container that keeps failing is named at once",
        ),
        pytest.param(
            (pod(1, ready=False, trouble=PodTrouble.UNSCHEDULABLE, words="no memory"),),
            -600,
            (
                "WaitingForCluster",
                "0 of 4 pods ready: churn-v1-1: Unschedulable (no memory); make room or lower the requests",
            ),
            ["WaitingForCluster"],
            id="the cluster is waited for",
        ),
    ],
)
def test_what_keeps_the_first_model_from_serving_is_said_once(
    pods: tuple[PodSeen, ...], since: float, hold: tuple[str, str], told: list[str]
) -> None:
    known = ON_ITS_WAY.but(candidate=BEGUN.but(step_since=later(since)))
    first = decided(turn(known, seen((deployment(1, 4), pods))))
    reason, message = hold
    assert first.status.hold == Hold(reason=reason, message=message, since=NOW)
    assert reasons(first.notes) == told
    again = decided(turn(first.status, seen((deployment(1, 4), pods)), now=later(5)))
    assert (again.status.hold, again.notes) == (first.status.hold, ())


def test_a_first_model_that_is_asleep_is_not_started() -> None:
    decision = decided(turn(NOTHING, seen(service=None), {"replicas": 0}))
    assert (decision.status.candidate, decision.status.stable, decision.actions) == (None, None, ())


def test_a_first_model_that_is_put_to_sleep_loses_its_pods() -> None:
    decision = decided(turn(ON_ITS_WAY, seen(arm(1, 4)), {"replicas": 0}))
    assert (decision.status.candidate, decision.status.stable) == (BEGUN, None)
    assert changing(decision.actions) == ["scale v1 to 0"]


def test_the_first_model_is_judged_by_nobody() -> None:
    assert decided(turn(ON_ITS_WAY, seen((deployment(1, 4), ())))).watch is None
