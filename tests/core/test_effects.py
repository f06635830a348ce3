"""From a status to the writes that are missing, in the order in which they have to happen."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from core.values import (
    FAILING,
    FOREIGN,
    NOW,
    PASSING,
    alone,
    arm,
    candidate,
    changing,
    decided,
    deployment,
    entry,
    foreign,
    judged,
    later,
    pod,
    revision,
    seen,
    settled,
    shared,
    source,
    status,
    turn,
)

from modelrollout import names
from modelrollout.api.status import ModelRolloutStatus, Outcome, Previous, Retreat, Routing, Stage
from modelrollout.core.decision import (
    Action,
    Create,
    EnsureAutoscaler,
    EnsureService,
    Forget,
    Preview,
    Protect,
    Prove,
    Regroup,
    Remember,
    Route,
    Scale,
)
from modelrollout.core.effects import effects as every_effect
from modelrollout.core.facts import Orphan, Seen, ServiceSeen, Traffic
from modelrollout.core.turn import Turn
from modelrollout.judge.verdicts import Verdict

STARTING: dict[str, Any] = {"stage": Stage.STARTING, "routing": Routing.STABLE, "routed": False, "since": NOW}
WHOLE: dict[str, Any] = {"weight": 100, "step": 3, "routing": Routing.CANDIDATE}
WARM = Previous(revision="v1", version="1.0.0", until=later(600))
REJECTED = [entry(1), entry(2, Outcome.REJECTED)]


def effects(look: Turn, known: ModelRolloutStatus) -> tuple[Action, ...]:
    """The effects without the record of who is stable, which has tests of its own."""
    return unproven(every_effect(look, known))


def unproven(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    return tuple(action for action in actions if not isinstance(action, Prove))


def missing(known: ModelRolloutStatus, world: Seen, wishes: Mapping[str, Any] | None = None) -> list[str]:
    """The writes that are missing to make a status true."""
    return changing(effects(turn(known, world, wishes), known))


@pytest.mark.parametrize(
    ("known", "world"),
    [
        pytest.param(settled(1), seen(arm(1, 4)), id="stable alone"),
        pytest.param(
            settled(2, previous=WARM), seen(arm(2, 4, against=1), arm(1, 4), selector=alone(2)), id="previous is warm"
        ),
        pytest.param(status(history=REJECTED), seen(arm(1, 4)), id="a candidate was rejected"),
        pytest.param(
            status(candidate=candidate()), seen(arm(1, 4), arm(2, 1, against=1), selector=shared()), id="in a step"
        ),
    ],
)
def test_in_a_settled_world_only_what_may_be_done_again_is_done(known: ModelRolloutStatus, world: Seen) -> None:
    assert known.stable is not None
    service = world.service
    assert service is not None
    assert effects(turn(known, world), known) == (
        EnsureService(dict(service.selector)),
        Protect(dict(service.selector)),
        EnsureAutoscaler(shrinks=known.candidate is None),
    )


@pytest.mark.parametrize("selector", [shared(), alone(2)], ids=["shared", "the candidate alone"])
def test_a_rollback_routes_to_stable_without_a_condition_before_it_scales_the_candidate_down(
    selector: names.Labels,
) -> None:
    known = status(candidate=candidate(routing=Routing.SHARED if selector == shared() else Routing.CANDIDATE))
    world = seen(arm(1, 4), arm(2, 1, against=1), selector=selector)
    decision = decided(judged(turn(known, world), Verdict(candidate=FAILING)))
    assert decision.status.candidate is None
    assert decision.urgent
    assert unproven(decision.actions) == (
        Route(alone(1)),
        EnsureService(alone(1)),
        Protect(alone(1)),
        Scale("v2", 0, expected=1),
        EnsureAutoscaler(shrinks=False),
    )


def test_the_tail_of_a_rollback_that_was_lost_is_derived_again() -> None:
    routed = status(history=REJECTED)
    assert missing(routed, seen(arm(1, 4), arm(2, 1, against=1))) == ["scale v2 to 0"]


def test_traffic_is_opened_by_compare_and_swap_after_the_pods_were_made() -> None:
    known = status(candidate=candidate(weight=50, stage=Stage.STARTING))
    world = seen(arm(1, 4), arm(2, 1, against=1))
    assert effects(turn(known, world), known) == (
        EnsureService(shared()),
        Scale("v2", 4),
        Route(shared(), expected=alone(1)),
        Protect(shared()),
        EnsureAutoscaler(shrinks=False),
    )


def test_the_first_traffic_of_a_step_waits_for_its_ready_pods() -> None:
    known = status(candidate=candidate(**STARTING))
    pods = tuple(pod(2, ready=False) for _ in range(1))
    unready = decided(turn(known, seen(arm(1, 4), (deployment(2, 1, against=1), pods))))
    assert changing(unready.actions) == []
    ready = decided(turn(known, seen(arm(1, 4), arm(2, 1, against=1))))
    assert changing(ready.actions) == ["route to v1=true,name=churn"]


def test_a_new_candidate_is_remembered_before_it_is_created() -> None:
    decision = decided(turn(status(), seen(arm(1, 4))))
    assert unproven(decision.actions) == (
        EnsureService(alone(1)),
        Remember(source(2, against=1)),
        Create(source(2, against=1), 1),
        Protect(alone(1)),
        EnsureAutoscaler(shrinks=False),
    )


def test_a_promotion_keeps_the_previous_model_warm() -> None:
    known = status(candidate=candidate(**WHOLE, stage=Stage.DRAINING))
    world = seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2), traffic=Traffic(outside_quiet=NOW - later(-60)))
    decision = decided(judged(turn(known, world), PASSING))
    assert decision.status.stable == revision(2)
    assert unproven(decision.actions) == (
        EnsureService(alone(2)),
        Protect(alone(2)),
        EnsureAutoscaler(shrinks=False),
    )


def test_the_previous_model_goes_to_0_when_its_time_is_over() -> None:
    known = settled(2, previous=WARM.but(until=NOW))
    decision = decided(turn(known, seen(arm(2, 4, against=1), arm(1, 4), selector=alone(2))))
    assert decision.status.previous is None
    assert changing(decision.actions) == ["scale v1 to 0"]


def test_what_the_service_selects_alone_is_never_scaled_to_0() -> None:
    # Stable has no ready pod, so the rejected candidate goes on serving.
    world = seen(arm(1, 4, ready=False), arm(2, 4, against=1), selector=alone(2))
    assert missing(status(history=REJECTED), world) == []
    assert missing(status(history=REJECTED), seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2))) == [
        "route to name=churn,revision=v1",
        "scale v2 to 0",
    ]


def test_a_service_without_any_ready_pod_goes_where_it_should() -> None:
    world = seen(arm(1, 4, ready=False), arm(2, 4, against=1, ready=False), selector=alone(2))
    assert missing(status(history=REJECTED), world) == ["route to name=churn,revision=v1", "scale v2 to 0"]


def test_a_sleeping_revision_is_regrouped_before_it_starts_again() -> None:
    known = status(stable=revision(3), candidate=candidate(**STARTING), history=[entry(3)])
    world = seen(arm(3, 4), arm(2, 0, against=1), selector=alone(3))
    assert effects(turn(known, world), known) == (
        EnsureService(alone(3)),
        Regroup(source(2, against=3)),
        Scale("v2", 1),
        Protect(alone(3)),
        EnsureAutoscaler(shrinks=False),
    )


@pytest.mark.parametrize(
    ("sleeping", "expected"),
    [
        pytest.param(arm(2, 1, against=1), ["scale v2 to 0"], id="its pods go first"),
        pytest.param((deployment(2, 0, against=1), (pod(2),)), [], id="its last pod is awaited"),
    ],
)
def test_a_revision_is_not_regrouped_while_it_has_pods(sleeping: Any, expected: list[str]) -> None:
    known = status(stable=revision(3), candidate=candidate(**STARTING), history=[entry(3)])
    assert missing(known, seen(arm(3, 4), sleeping, selector=alone(3))) == expected


def test_a_warm_previous_that_carries_stables_group_goes_before_traffic_is_shared() -> None:
    # After a switch back 1.0.0 is stable again, and 2.0.0, which was started against it, would match its group.
    known = status(
        current=revision(3),
        candidate=candidate(3, **STARTING),
        previous=Previous(revision="v2", version="2.0.0", until=later(600)),
    )
    world = seen(arm(1, 4), arm(2, 4, against=1), sources=(source(1), source(2), source(3)))
    assert missing(known, world) == ["create v3 with 1", "scale v2 to 0"]


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(seen(arm(1, 4), arm(2, 0, against=1)), ["forget v2"], id="no pods and remembered"),
        pytest.param(seen(arm(1, 4), (deployment(2, 0, against=1), (pod(2),))), [], id="a pod is still being stopped"),
        pytest.param(
            seen(arm(1, 4), arm(2, 0, against=1), sources=(source(1),)), [], id="no ControllerRevision remembers it"
        ),
        pytest.param(
            seen(arm(1, 4), sources=(source(1), source(2))), [], id="in the history, its ControllerRevision stays"
        ),
        pytest.param(
            seen(arm(1, 4), sources=(source(1), source(3))), ["forget v3"], id="out of the history, it goes entirely"
        ),
    ],
)
def test_a_revision_is_forgotten_once_it_has_no_pods_and_is_remembered(world: Seen, expected: list[str]) -> None:
    assert missing(status(history=REJECTED), world) == expected


def test_only_what_fell_out_of_the_history_is_forgotten_entirely() -> None:
    known = status(history=REJECTED)
    world = seen(arm(1, 4), arm(2, 0, against=1), sources=(source(1), source(2), source(3)))
    assert effects(turn(known, world), known)[-3:-1] == (Forget("v2"), Forget("v3", entirely=True))


@pytest.mark.parametrize(
    ("known", "preview", "expected"),
    [
        (status(candidate=candidate(weight=0)), None, [Preview(alone(2))]),
        (status(candidate=candidate(weight=0)), ServiceSeen(alone(3)), [Preview(alone(2))]),
        (status(candidate=candidate(weight=0)), ServiceSeen(alone(2)), []),
        (status(candidate=candidate(weight=0)), ServiceSeen({}, owned=False), []),
        (settled(1), ServiceSeen(alone(2)), [Preview(None)]),
        (settled(1), ServiceSeen(alone(2), owned=False), []),
        (settled(1), None, []),
    ],
    ids=["missing", "elsewhere", "there", "somebody else's", "over", "over, somebody else's", "none"],
)
def test_a_preview_selects_the_blue_green_candidate_and_goes_with_it(
    known: ModelRolloutStatus, preview: ServiceSeen | None, expected: list[Preview]
) -> None:
    look = turn(known, seen(arm(1, 4), arm(2, 4, against=1), preview=preview), {"strategy": {"blueGreen": {}}})
    assert [one for one in effects(look, known) if isinstance(one, Preview)] == expected


@pytest.mark.parametrize(("replicas", "selector"), [(0, None), (1, None), (2, alone(1))])
def test_a_disruption_budget_is_kept_from_two_replicas_on(replicas: int, selector: names.Labels | None) -> None:
    known = settled(1, size=replicas)
    look = turn(known, seen(arm(1, replicas)), {"replicas": replicas})
    assert Protect(selector) in effects(look, known)


def test_a_rollout_that_is_asleep_has_no_pods() -> None:
    known = status(candidate=candidate(), size=0)
    world = seen(arm(1, 4), arm(2, 1, against=1), selector=shared())
    assert missing(known, world, {"replicas": 0}) == ["scale v1 to 0", "scale v2 to 0"]


def test_a_name_that_is_somebody_elses_is_never_touched() -> None:
    taken = seen(arm(1, 4), taken=tuple(foreign(*one) for one in FOREIGN))
    assert effects(turn(settled(1), taken), settled(1)) == ()


def test_a_service_that_was_deleted_is_made_again_where_it_should_be() -> None:
    known = settled(1)
    world = replace(seen(arm(1, 4)), service=None)
    assert effects(turn(known, world), known)[0] == EnsureService(alone(1))
    assert missing(known, world) == []


def test_a_retreat_starts_its_target_beside_stable() -> None:
    retreat = Retreat(revision="v1", version="1.0.0", since=NOW, reason="ErrorRate", message="bad")
    known = settled(2, retreat=retreat)
    gone = seen(arm(2, 4, against=1), selector=alone(2), sources=(source(1), source(2, against=1)))
    assert missing(known, gone) == ["create v1 with 4"]
    assert missing(known, seen(arm(2, 4, against=1), arm(1, 0), selector=alone(2))) == ["scale v1 to 4"]


CONSTANT = {"strategy": {"canary": {"steps": [{"weight": 50}], "constantTotal": {"surge": 1}}}}
TIGHT = {"strategy": {"canary": {"steps": [{"weight": 50}], "constantTotal": {"surge": 0}}}}
HALF: dict[str, Any] = {"weight": 50, "stage": Stage.STARTING}


@pytest.mark.parametrize(
    ("wishes", "before", "stable", "canary", "expected"),
    [
        pytest.param(CONSTANT, HALF | STARTING, 4, 0, ["scale v2 to 1"], id="one beyond the size before sharing"),
        pytest.param(CONSTANT, HALF, 4, 1, ["scale v1 to 3"], id="stable gives up one for a ready one"),
        pytest.param(CONSTANT, HALF, 3, 1, ["scale v2 to 2"], id="the room is filled"),
        pytest.param(CONSTANT, HALF, 2, 2, [], id="the stop is reached"),
        pytest.param(TIGHT, HALF | STARTING, 4, 0, ["scale v2 to 1", "scale v1 to 3"], id="without surge, one for one"),
        pytest.param(
            CONSTANT, HALF | WHOLE | {"stage": Stage.JUDGING}, 1, 4, ["scale v1 to 0"], id="alone, stable may go"
        ),
        pytest.param(CONSTANT, HALF | WHOLE, 2, 3, ["scale v1 to 1"], id="stable keeps one until traffic has moved"),
    ],
)
def test_a_constant_total_moves_pod_by_pod(
    *, wishes: Mapping[str, Any], before: dict[str, Any], stable: int, canary: int, expected: list[str]
) -> None:
    known = status(candidate=candidate(**before, strategy="constantTotal"))
    routing = {Routing.STABLE: alone(1), Routing.SHARED: shared(), Routing.CANDIDATE: alone(2)}
    assert known.candidate is not None
    world = seen(arm(1, stable), arm(2, canary, against=1), selector=routing[known.candidate.routing])
    assert missing(known, world, wishes) == expected


ONE: dict[str, Any] = {"weight": 50, "strategy": "constantTotal"}
JUDGED_ALONE: dict[str, Any] = {**ONE, **WHOLE, "stage": Stage.JUDGING}


@pytest.mark.parametrize("wishes", [CONSTANT, TIGHT], ids=["surge 1", "surge 0"])
@pytest.mark.parametrize(
    ("before", "stable", "canary", "expected"),
    [
        pytest.param(ONE | STARTING, 1, 0, ["scale v2 to 1"], id="the new one starts beside the old one"),
        pytest.param(ONE, 1, 1, [], id="both serve"),
        pytest.param(ONE | WHOLE | {"routed": False}, 1, 1, [], id="both are there until traffic has moved"),
        pytest.param(JUDGED_ALONE, 1, 1, ["scale v1 to 0"], id="then the old one goes"),
    ],
)
def test_a_constant_total_of_one_pod_is_never_without_a_pod(
    *, wishes: Mapping[str, Any], before: dict[str, Any], stable: int, canary: int, expected: list[str]
) -> None:
    known = status(candidate=candidate(**before), size=1)
    routing = {Routing.STABLE: alone(1), Routing.SHARED: shared(), Routing.CANDIDATE: alone(2)}
    assert known.candidate is not None
    world = seen(arm(1, stable), arm(2, canary, against=1), selector=routing[known.candidate.routing])
    assert missing(known, world, {"replicas": 1, **wishes}) == expected


def half_back(stable: int, left: int, selector: names.Labels) -> Seen:
    """Stable's Deployment asks for 3 pods, and so many are ready; so many of the rejected model's are left."""
    return seen((deployment(1, 3), arm(1, stable)[1]), arm(2, left, against=1), selector=selector)


def test_a_rollback_onto_a_stable_without_pods_moves_traffic_when_half_of_them_are_ready() -> None:
    known = status(history=[entry(1), entry(2, Outcome.REJECTED, time=NOW)])
    gone = seen(arm(1, 0), arm(2, 4, against=1), selector=alone(2))
    assert missing(known, gone, CONSTANT) == ["scale v1 to 3", "scale v2 to 2"]
    assert missing(known, half_back(1, 2, alone(2)), CONSTANT) == []
    rest = ["scale v1 to 4", "scale v2 to 0"]
    assert missing(known, half_back(2, 2, alone(2)), CONSTANT) == ["route to name=churn,revision=v1", *rest]
    assert missing(known, half_back(2, 2, alone(1)), CONSTANT) == rest


def test_a_rollback_onto_a_stable_without_pods_waits_for_half_of_them_no_longer_than_the_progress_deadline() -> None:
    known = status(history=[entry(1), entry(2, Outcome.REJECTED, time=later(-600))])
    assert missing(known, half_back(1, 2, alone(2)), CONSTANT)[0] == "route to name=churn,revision=v1"


def test_a_way_back_to_a_stable_that_has_its_pods_deletes_none_of_them() -> None:
    known = status(history=[entry(1), entry(2, Outcome.UNHEALTHY, time=NOW)])
    world = seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2))
    assert missing(known, world, CONSTANT) == ["route to name=churn,revision=v1", "scale v2 to 0"]
    loads = seen((deployment(1, 4), arm(1, 1)[1]), arm(2, 4, against=1), selector=alone(2))
    assert missing(known, loads, CONSTANT) == ["scale v2 to 2"]


def test_a_rollback_of_shared_traffic_is_one_write_although_stable_has_fewer_pods() -> None:
    known = status(history=[entry(1), entry(2, Outcome.REJECTED, time=NOW)])
    first = missing(known, half_back(1, 3, shared()), CONSTANT)
    assert first == ["route to name=churn,revision=v1", "scale v1 to 4", "scale v2 to 0"]


def test_what_was_edited_by_hand_is_mended_where_it_has_pods() -> None:
    edited = "has image other:2 in place of modelserver:1"
    one, pods = arm(1, 4)
    asleep, _ = arm(2, 0, against=1)
    world = seen((replace(one, drifted=edited), pods), (replace(asleep, drifted=edited), ()))
    assert missing(settled(1), world)[0] == "mend v1"
    assert "mend v2" not in missing(settled(1), world)


def test_who_is_stable_is_written_on_its_deployment_once() -> None:
    known = settled(1)
    assert known.stable_since is not None
    assert Prove("v1", known.stable_since) in every_effect(turn(known, seen(arm(1, 4))), known)

    made, pods = arm(1, 4)
    written = seen((replace(made, stable_since=known.stable_since), pods))
    assert not [one for one in every_effect(turn(known, written), known) if isinstance(one, Prove)]


def test_a_candidate_is_never_written_down_as_stable() -> None:
    known = status(candidate=candidate(weight=100, routing=Routing.CANDIDATE, stage=Stage.BAKING))
    world = seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2))
    assert [one.revision for one in every_effect(turn(known, world), known) if isinstance(one, Prove)] == ["v1"]


def test_orphans_are_adopted_before_anything_but_a_way_back() -> None:
    known = status(history=[entry(1), entry(2, Outcome.REJECTED)])
    orphans = (Orphan("Deployment", "churn-v1"), Orphan("Service", "churn"))
    world = seen(arm(1, 4), arm(2, 1, against=1), selector=shared(), orphans=orphans)
    assert [str(one) for one in every_effect(turn(known, world), known)][:3] == [
        "route to name=churn,revision=v1",
        "adopt Deployment churn-v1",
        "adopt Service churn",
    ]
