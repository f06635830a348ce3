"""Whom the Service selects and whom it should; whether every second counts."""

import pytest
from core.values import alone, arm, candidate, decided, entry, seen, settled, shared, status, turn

from modelrollout import names
from modelrollout.api.status import ModelRolloutStatus, Outcome, Routing, Stage
from modelrollout.core.facts import Seen
from modelrollout.core.routing import ready_behind, selected, serves_badly, wanted_selector

ARMS = arm(1, 4), arm(2, 1, against=1), arm(3, 2)
REJECTED = status(history=[entry(1), entry(2, Outcome.REJECTED)])
ALONE = status(candidate=candidate(routing=Routing.CANDIDATE, weight=100))


@pytest.mark.parametrize(
    ("selector", "expected", "ready"),
    [
        (alone(1), frozenset({"v1"}), 4),
        (shared(1), frozenset({"v1", "v2"}), 5),
        (shared(2), frozenset({"v2"}), 1),
        ({"modelrollout.dev/name": "other", "modelrollout.dev/revision": "v1"}, frozenset(), 0),
        ({}, frozenset(), 0),
    ],
    ids=["alone", "a group", "the group of a candidate", "another rollout's", "nothing"],
)
def test_a_selector_matches_these_revisions(selector: names.Labels, expected: frozenset[str], ready: int) -> None:
    look = turn(status(), seen(*ARMS))
    assert (selected(look, selector), ready_behind(look, selector)) == (expected, ready)


@pytest.mark.parametrize(
    ("known", "world", "expected"),
    [
        pytest.param(settled(1), seen(arm(1, 4)), alone(1), id="stable"),
        pytest.param(
            status(candidate=candidate(stage=Stage.STARTING, routing=Routing.STABLE)),
            seen(*ARMS),
            alone(1),
            id="stable alone before the traffic of a step",
        ),
        pytest.param(status(candidate=candidate()), seen(*ARMS), shared(), id="both in a step"),
        pytest.param(ALONE, seen(*ARMS, selector=shared()), alone(2), id="the candidate alone in the end"),
        pytest.param(
            ALONE,
            seen(arm(1, 4), arm(2, 1, against=1, ready=False), selector=shared()),
            shared(),
            id="what serves stays while the wanted set has no ready pod",
        ),
        pytest.param(
            ALONE,
            seen(arm(1, 0), arm(2, 0, against=1), selector=shared()),
            alone(2),
            id="nothing serves, so nothing is lost",
        ),
    ],
)
def test_the_service_should_select(known: ModelRolloutStatus, world: Seen, expected: names.Labels) -> None:
    assert wanted_selector(turn(known, world), known) == expected


@pytest.mark.parametrize(
    ("known", "world", "expected"),
    [
        pytest.param(settled(1), seen(arm(1, 4)), False, id="settled"),
        pytest.param(status(candidate=candidate()), seen(*ARMS, selector=shared()), False, id="in a step"),
        pytest.param(REJECTED, seen(*ARMS, selector=shared()), True, id="a rejected revision still serves"),
        pytest.param(REJECTED, seen(*ARMS), False, id="traffic is back"),
        pytest.param(
            status(),
            seen(arm(1, 4), arm(2, 1, against=1, ready=False), selector=alone(2)),
            True,
            id="what is selected has no ready pod and stable has",
        ),
        pytest.param(
            ALONE,
            seen(arm(1, 4), arm(2, 1, against=1, ready=False), selector=alone(2)),
            False,
            id="a candidate on its way has no ready pod for a moment",
        ),
    ],
)
def test_every_second_counts_while_something_bad_serves(
    *, known: ModelRolloutStatus, world: Seen, expected: bool
) -> None:
    assert serves_badly(turn(known, world), known) is expected


def test_a_decision_on_a_rejected_revision_that_still_serves_is_urgent() -> None:
    assert decided(turn(REJECTED, seen(*ARMS, selector=shared()))).urgent
    assert not decided(turn(REJECTED, seen(*ARMS))).urgent
