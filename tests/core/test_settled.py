"""Between rollouts: what a new spec starts, what it does not, and what it takes back at once."""

from datetime import timedelta

import pytest
from core.values import (
    NOW,
    PASSING,
    STABLE_FAILING,
    alone,
    arm,
    candidate,
    changing,
    decided,
    entry,
    judged,
    later,
    reasons,
    revision,
    seen,
    settled,
    shared,
    source,
    status,
    turn,
)

from modelrollout.api.status import Hold, ModelRolloutStatus, Outcome, Phase, Previous, Routing, Stage
from modelrollout.core.decision import Note, Watch
from modelrollout.core.facts import Seen
from modelrollout.judge.verdicts import Verdict

STARTED = candidate(
    weight=10,
    stage=Stage.STARTING,
    since=NOW,
    step_since=NOW,
    routing=Routing.STABLE,
    routed=False,
)


def test_a_new_spec_starts_a_candidate_beside_stable() -> None:
    decision = decided(turn(status(), seen(arm(1, 4))))
    assert decision.status.candidate == STARTED
    message = "2.0.0 (v2) starts as canary with 1 pod beside 1.0.0 (v1), which has 4 pods"
    assert decision.notes == (Note("RolloutStarted", message),)


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.ABORTED, Outcome.UNHEALTHY])
def test_a_revision_that_was_taken_back_is_not_tried_again_by_itself(outcome: Outcome) -> None:
    known = status(history=[entry(1), entry(2, outcome)])
    decision = decided(turn(known, seen(arm(1, 4))))
    assert (decision.status.candidate, decision.status.history, decision.notes) == (None, known.history, ())


@pytest.mark.parametrize("outcome", [Outcome.SUPERSEDED, Outcome.PROMOTED])
def test_a_revision_that_gave_way_or_is_cold_by_now_starts_again_with_steps(outcome: Outcome) -> None:
    known = status(history=[entry(1), entry(2, outcome)])
    assert decided(turn(known, seen(arm(1, 4)))).status.candidate == STARTED


def test_a_spec_that_names_the_warm_previous_model_again_is_switched_to_at_once() -> None:
    previous = Previous(revision="v1", version="1.0.0", until=later(60))
    known = settled(2, current=revision(1), previous=previous)
    decision = decided(turn(known, seen(arm(2, 4, against=1), arm(1, 4), selector=alone(2))))
    message = "the spec names 1.0.0 (v1) again, which is warm: it serves at once; 2.0.0 (v2) stays warm"
    assert (decision.status.stable, decision.status.candidate) == (revision(1), None)
    assert decision.status.previous == Previous(revision="v2", version="2.0.0", until=later(600))
    assert decision.status.watched_until is None
    assert decision.status.history == [
        entry(2),
        entry(1, reason="Switched", message=message, time=NOW, promoted=NOW),
    ]
    assert decision.notes == (Note("Switched", message),)
    assert changing(decision.actions) == ["route to name=churn,revision=v1"]


def test_a_warm_previous_model_that_lost_a_pod_is_waited_for() -> None:
    previous = Previous(revision="v1", version="1.0.0", until=later(60))
    known = settled(2, current=revision(1), previous=previous)
    decision = decided(turn(known, seen(arm(2, 4, against=1), arm(1, 3), selector=alone(2))))
    message = "1.0.0 (v1) is warm and serves again once all its pods are ready: 3 of 4 pods"
    assert decision.status.stable == revision(2)
    assert decision.status.hold == Hold(reason="Progressing", message=message, since=NOW)


def test_a_wait_for_the_warm_model_is_over_when_the_spec_names_stable_again() -> None:
    previous = Previous(revision="v1", version="1.0.0", until=later(60))
    held = Hold(reason="Progressing", message="1.0.0 (v1) is warm and serves again once ready", since=later(-5))
    known = settled(2, previous=previous, hold=held)
    decision = decided(turn(known, seen(arm(2, 4, against=1), arm(1, 3), selector=alone(2))))
    assert (decision.status.hold, decision.status.phase) == (None, Phase.STABLE)


def test_a_warm_previous_model_that_is_marked_bad_is_not_switched_to() -> None:
    previous = Previous(revision="v1", version="1.0.0", until=later(60))
    history = [entry(1, Outcome.UNHEALTHY), entry(2)]
    known = settled(2, current=revision(1), previous=previous, history=history)
    decision = decided(turn(known, seen(arm(2, 4, against=1), arm(1, 4), selector=alone(2))))
    assert (decision.status.stable, decision.status.candidate) == (revision(2), None)


MIDWAY = seen(arm(1, 4), arm(2, 1, against=1), selector=shared(), sources=(source(1), source(2, against=1), source(3)))


def test_a_new_model_in_a_rollout_starts_from_the_recorded_stable() -> None:
    known = status(candidate=candidate(), current=revision(3))
    decision = decided(turn(known, MIDWAY))
    message = "2.0.0 (v2) gives way to 3.0.0 (v3) at weight 10; traffic is on 1.0.0 (v1)"
    assert decision.status.stable == revision(1)
    assert decision.status.candidate == STARTED.but(revision="v3", version="3.0.0")
    assert decision.status.history == [
        entry(1),
        entry(2, Outcome.SUPERSEDED, reason="Superseded", message=message, time=NOW),
    ]
    assert reasons(decision.notes) == ["Superseded", "RolloutStarted"]
    assert changing(decision.actions) == [
        "route to name=churn,revision=v1",
        "create v3 with 1",
        "scale v2 to 0",
    ]


def test_stables_own_spec_in_a_rollout_ends_it() -> None:
    known = status(candidate=candidate(), current=revision(1))
    decision = decided(turn(known, MIDWAY))
    assert (decision.status.candidate, reasons(decision.notes)) == (None, ["Superseded"])
    assert changing(decision.actions) == [
        "route to name=churn,revision=v1",
        "scale v2 to 0",
        "forget v3",
    ]


def test_a_superseded_model_that_was_stable_once_keeps_that_in_the_history() -> None:
    known = status(candidate=candidate(), current=revision(3), history=[entry(2), entry(1)])
    assert decided(turn(known, MIDWAY)).status.history == [entry(2), entry(1)]


def test_a_changed_strategy_starts_the_candidate_again_on_stable() -> None:
    known = status(candidate=candidate(round=3))
    decision = decided(judged(turn(known, MIDWAY, {"strategy": {"rolling": {}}}), PASSING))
    assert decision.status.candidate == STARTED.but(weight=25, strategy="rolling", round=4)
    assert reasons(decision.notes) == ["StrategyChanged", "RolloutStarted"]
    assert str(decision.actions[0]) == "route to name=churn,revision=v1"


def test_a_rollout_that_is_put_to_sleep_holds_where_it_is() -> None:
    known = status(candidate=candidate())
    decision = decided(judged(turn(known, MIDWAY, {"replicas": 0}), PASSING))
    assert decision.status.candidate == candidate()
    assert decision.status.hold is not None
    assert (decision.status.hold.reason, decision.watch) == ("Asleep", None)


@pytest.mark.parametrize(
    ("known", "world", "expected"),
    [
        pytest.param(
            settled(1),
            seen(arm(1, 4)),
            Watch(timedelta(seconds=15), "", "v1", (), f"v1.watch.{int(later(-60).timestamp())}"),
            id="a settled stable is looked at every 15 s",
        ),
        pytest.param(
            settled(2, previous=Previous(revision="v1", version="1.0.0", until=later(600))),
            seen(arm(2, 4), arm(1, 4), selector=alone(2)),
            Watch(timedelta(seconds=5), "", "v2", (), f"v2.watch.{int(later(-60).timestamp())}"),
            id="while the previous model is warm at every interval",
        ),
        pytest.param(
            settled(1, stable_since=later(-3600)),
            seen(arm(1, 4)),
            Watch(timedelta(seconds=30), "", "v1", (), f"v1.watch.{int(later(-3600).timestamp())}"),
            id="from an hour after its promotion on every 30 s",
        ),
    ],
)
def test_stable_is_watched_for_as_long_as_it_serves(
    known: ModelRolloutStatus, world: Seen, expected: Watch | None
) -> None:
    assert decided(turn(known, world)).watch == expected


@pytest.mark.parametrize(("length", "is_watched"), [("61s", True), ("60s", False)], ids=["it lasts", "it is over"])
def test_a_watch_can_be_bounded(*, length: str, is_watched: bool) -> None:
    decision = decided(turn(settled(1), seen(arm(1, 4)), {"rollback": {"watch": length}}))
    assert ((decision.watch is not None), decision.status.watched_until) == (is_watched, later(int(length[:-1]) - 60))


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(settled(1), None, id="nothing is ahead"),
        pytest.param(settled(1, stable_since=later(-1200)), 2400, id="the end of the watch, where it has one"),
        pytest.param(settled(1, cooldown_until=later(30)), 30, id="the end of the cooldown"),
        pytest.param(
            settled(2, previous=Previous(revision="v1", version="1.0.0", until=later(600))), 600, id="the warm time"
        ),
    ],
)
def test_a_settled_rollout_is_looked_at_again_when_something_ends(
    known: ModelRolloutStatus, expected: float | None
) -> None:
    number = 1 if known.stable == revision(1) else 2
    wishes = {"rollback": {"watch": "1h"}} if known.stable_since == later(-1200) else {}
    decision = decided(turn(known, seen(arm(number, 4), arm(1, 4), selector=alone(number)), wishes))
    assert decision.again == (None if expected is None else timedelta(seconds=expected))


def test_the_old_pods_are_watched_while_they_drain() -> None:
    known = status(candidate=candidate(weight=100, stage=Stage.DRAINING, routing=Routing.CANDIDATE))
    decision = decided(turn(known, seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2))))
    assert decision.watch is not None
    assert (decision.watch.candidate, decision.watch.stable, decision.watch.outside) == ("v2", "v1", ("v1",))


def test_stable_is_still_watched_while_a_warm_model_gets_its_pods() -> None:
    previous = Previous(revision="v1", version="1.0.0", until=later(500))
    known = settled(3, current=revision(1), previous=previous)
    world = seen(arm(3, 4, against=2), arm(2, 4, against=1), arm(1, 3), selector=alone(3))
    decision = decided(judged(turn(known, world), Verdict(stable=STABLE_FAILING)))
    assert reasons(decision.notes) == ["Unhealthy", "WentBack"]
    assert decision.status.stable == revision(2)
