"""Which revision a spec is, and what is known again after the status was erased."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from core.values import (
    IMAGE,
    NOW,
    alone,
    arm,
    candidate,
    changing,
    decided,
    deployment,
    entry,
    hash_of,
    later,
    model,
    pod,
    reasons,
    revision,
    seen,
    settled,
    shared,
    source,
    status,
    turn,
)

from modelrollout import revisions
from modelrollout.api.status import HistoryEntry, ModelRolloutStatus, Outcome, Previous, Revision, Routing, Stage
from modelrollout.core.decision import Create, Note, Scale
from modelrollout.core.facts import DeploymentSeen, Seen, ServiceSeen
from modelrollout.core.identity import resolve

ERASED = ModelRolloutStatus()


def resolved(known: ModelRolloutStatus, world: Seen, **wishes: Any) -> Revision | None:
    """The revision that a spec with these wishes asks for."""
    return resolve(turn(known, world, wishes), known).status.current


def test_a_new_default_image_makes_no_revision() -> None:
    known = settled(1)
    upgraded = seen(arm(1, 4), default_image="modelserver:2")
    assert resolved(known, upgraded) == revision(1)
    assert changing(decided(turn(known, upgraded)).actions) == []


def test_the_revision_in_a_step_survives_a_new_default_image() -> None:
    known = status(candidate=candidate())
    world = seen(arm(1, 4), arm(2, 1, against=1), selector=shared(), default_image="modelserver:2")
    decision = decided(turn(known, world))
    assert (decision.status.candidate, decision.status.current) == (candidate(), revision(2))


def test_a_new_spec_is_named_by_its_words_and_the_default_image_of_the_day() -> None:
    made = resolved(settled(1), seen(arm(1, 4), default_image="modelserver:2"), model=model(9))
    assert made == Revision(
        revision=revisions.revision_hash(hash_of(9), "modelserver:2"),
        version="9.0.0",
        spec_hash=hash_of(9),
        image="modelserver:2",
    )


def test_an_image_of_the_users_own_is_part_of_the_spec() -> None:
    made = resolved(settled(1), seen(arm(1, 4)), model=model(1), server={"image": "mine:7"})
    assert made is not None
    assert made != revision(1)
    assert (made.image, made.spec_hash) == ("mine:7", revisions.spec_hash(model(1), {"image": "mine:7"}))


def test_a_model_without_a_version_is_called_by_its_revision() -> None:
    made = resolved(settled(1), seen(arm(1, 4)), model={"uri": "https://models.example/churn.skops"})
    assert made is not None
    assert made.version == made.revision


@pytest.mark.parametrize(
    ("known", "world"),
    [
        pytest.param(status(stable=revision(1)), seen(arm(1, 4)), id="it is stable"),
        pytest.param(status(stable=revision(3)), seen(arm(3, 4), arm(1, 4)), id="it has a Deployment"),
        pytest.param(
            status(stable=revision(3)), seen(arm(3, 4), sources=(source(1), source(3))), id="only history knows it"
        ),
    ],
)
def test_the_same_spec_again_is_the_same_revision_with_the_same_image(known: ModelRolloutStatus, world: Seen) -> None:
    # A -> B -> A, with an operator upgrade between.
    later_world = replace(world, default_image="modelserver:2")
    assert resolved(known.but(current=revision(2)), later_world, model=model(1)) == revision(1)


@pytest.mark.parametrize(
    "written",
    [
        dict(reversed(model(1).items())),
        model(1) | {"sha256": None},
    ],
    ids=["another order", "a null"],
)
def test_words_that_say_the_same_are_the_same_revision(written: Mapping[str, Any]) -> None:
    assert resolved(settled(1), seen(arm(1, 4), default_image="modelserver:2"), model=written) == revision(1)


def recovered(world: Seen, asks: int, **fields: Any) -> tuple[ModelRolloutStatus, list[str], list[str]]:
    """What is known, told and done at the first look after the status was erased."""
    decision = decided(turn(ERASED, world, {"model": model(asks)}, **fields))
    started = [one for one in decision.actions if isinstance(one, Create | Scale)]
    return decision.status, reasons(decision.notes), [str(one) for one in started]


def test_stable_is_what_the_service_selects_and_no_pod_is_started() -> None:
    known, told, started = recovered(seen(arm(1, 4)), asks=1)
    assert (known.stable, known.stable_since, known.size) == (revision(1), NOW, 4)
    assert (known.current, known.candidate, known.previous) == (revision(1), None, None)
    assert known.history == [found(1, "was stable when the status was found empty")]
    assert (told, started) == (["Recovered"], [])


def found(number: int, message: str, promoted: float = 0) -> HistoryEntry:
    return entry(number, reason="Recovered", message=message, time=NOW, promoted=later(promoted))


def test_recovery_says_what_it_found() -> None:
    decision = decided(turn(ERASED, seen(arm(1, 4)), {"model": model(1)}))
    message = "the status was empty; 1.0.0 (v1) is what the Service selects, so it is stable"
    assert decision.notes == (Note("Recovered", message),)


def test_a_rollout_that_shared_traffic_goes_on_at_the_stop_that_its_pods_make() -> None:
    world = seen(arm(1, 4), arm(2, 1, against=1), selector=shared())
    known, told, started = recovered(world, asks=2)
    assert known.stable == revision(1)
    assert known.candidate is not None
    assert (known.candidate.revision, known.candidate.weight, known.candidate.routing) == ("v2", 25, Routing.SHARED)
    assert (told, started) == (["Recovered", "StepStarted"], [])


def test_a_candidate_whose_pods_were_not_serving_starts_its_step_behind_stable() -> None:
    starting = deployment(2, 1, against=1), (pod(2, ready=False),)
    known, told, started = recovered(seen(arm(1, 4), starting), asks=2)
    assert known.candidate is not None
    assert (known.candidate.stage, known.candidate.routing) == (Stage.STARTING, Routing.STABLE)
    assert (told, started) == (["Recovered"], [])


def test_shared_traffic_stays_shared_while_the_candidates_pods_are_not_ready() -> None:
    loading = deployment(2, 1, against=1), (pod(2, ready=False),)
    known, _, started = recovered(seen(arm(1, 4), loading, selector=shared()), asks=2)
    assert known.candidate is not None
    assert (known.candidate.stage, known.candidate.routing, started) == (Stage.STARTING, Routing.SHARED, [])


def test_the_model_before_the_one_that_serves_stays_warm() -> None:
    known, told, started = recovered(seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2)), asks=2)
    assert (known.stable, known.candidate) == (revision(2), None)
    assert known.previous == Previous(revision="v1", version="1.0.0", until=later(600))
    assert known.history == [
        found(1, "was warm when the status was found empty", promoted=-1),
        found(2, "was stable when the status was found empty"),
    ]
    assert (told, started) == (["Recovered"], [])


@pytest.mark.parametrize(
    "world",
    [
        seen(arm(1, 4), arm(2, 0, against=1)),
        seen(arm(1, 4), sources=(source(1), source(2, against=1))),
    ],
    ids=["a Deployment without pods", "a ControllerRevision alone"],
)
def test_a_revision_that_was_taken_back_before_is_not_started_again(world: Seen) -> None:
    known, told, started = recovered(world, asks=2)
    assert (known.stable, known.candidate) == (revision(1), None)
    assert known.history[-1].but(message="") == entry(2, Outcome.REJECTED, reason="Recovered", time=NOW)
    assert (told, started) == (["Recovered"], [])


def test_a_spec_that_was_never_seen_starts_from_the_recovered_stable() -> None:
    decision = decided(turn(ERASED, seen(arm(1, 4)), {"model": model(5)}))
    assert decision.status.stable == revision(1)
    assert decision.status.candidate is not None
    assert decision.status.candidate.version == "5.0.0"


@pytest.mark.parametrize(
    "first",
    [
        (deployment(1, 4), (pod(1, ready=False),)),
        (deployment(1, 4), ()),
    ],
    ids=["its pods load", "no pod yet"],
)
def test_a_first_model_that_never_became_ready_is_no_stable(first: tuple[DeploymentSeen, Any]) -> None:
    known, told, started = recovered(seen(first), asks=1)
    assert (known.stable, told, started) == (None, ["RolloutStarted"], [])


@pytest.mark.parametrize(
    "world",
    [
        seen(arm(1, 4), service=None),
        seen(arm(1, 4), service=ServiceSeen(alone(1), owned=False)),
        seen(arm(1, 4), selector=alone(7)),
        seen(arm(1, 4), selector={"app": "churn"}),
    ],
    ids=["no Service", "somebody else's", "an unknown revision", "another selector"],
)
def test_without_a_service_of_ours_nothing_is_taken_for_stable(world: Seen) -> None:
    known, told, _ = recovered(world, asks=2)
    assert (known.stable, told) == (None, ["RolloutStarted"])


def test_a_status_that_is_not_empty_is_never_recovered() -> None:
    known = status(stable=None, history=[], current=revision(1))
    assert decided(turn(known, seen(arm(1, 4), default_image=IMAGE))).status.stable is None


def proven(number: int, replicas: int, against: int | None = None) -> tuple[DeploymentSeen, Any]:
    """Model `number`, with the record that it became stable `number` minutes after the first."""
    made, pods = arm(number, replicas, against)
    return replace(made, stable_since=later(60 * number)), pods


UNPROVEN = {
    "behind the shared selector": seen(proven(1, 4), arm(2, 4, against=1), selector=shared()),
    "alone behind the Service": seen(proven(1, 4), arm(2, 4, against=1), selector=alone(2)),
    "without a Service": seen(proven(1, 4), arm(2, 4, against=1), service=None),
    "beside a Service that is somebody else's": seen(
        proven(1, 4), arm(2, 4, against=1), service=ServiceSeen(alone(2), owned=False)
    ),
    "without a Service, by an operator that marked nobody": seen(arm(1, 4), arm(2, 4, against=1), service=None),
    "stable's Deployment is gone": replace(
        seen(arm(2, 4, against=1), selector=alone(2)),
        sources=(source(1), source(2, 1)),
        proven={"v1": later(60)},
    ),
}


@pytest.mark.parametrize("world", UNPROVEN.values(), ids=UNPROVEN)
def test_a_candidate_that_never_was_promoted_is_never_taken_for_stable(world: Seen) -> None:
    known, told, _ = recovered(world, asks=2)

    assert known.stable == revision(1)
    assert known.candidate is not None
    assert (known.candidate.revision, known.candidate.routing is Routing.CANDIDATE) == ("v2", False)
    assert told[0] == "Recovered"


PROVEN = {
    "it is what the Service selects": seen(proven(1, 4), proven(2, 4, against=1), selector=alone(2)),
    "without a Service it was stable last": seen(proven(1, 4), proven(2, 4, against=1), service=None),
    "nobody was ever marked": seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2)),
    "only memories are left": Seen(
        default_image=IMAGE,
        sources=(source(1), source(2, 1)),
        proven={"v1": later(60), "v2": later(120)},
    ),
}


@pytest.mark.parametrize("world", PROVEN.values(), ids=PROVEN)
def test_who_was_stable_last_is_stable_again(world: Seen) -> None:
    known, _, _ = recovered(world, asks=2)

    assert known.stable == revision(2)
    assert known.candidate is None
