"""What a promoted model predicted is kept, and judges the next one that carries no baseline."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from core.values import PASSING, alone, arm, candidate, decided, judged, revision, seen, settled, shared, status, turn

from modelrollout.api.status import Frozen, Routing, Stage
from modelrollout.core.facts import Traffic
from modelrollout.judge import Baseline, Predictions

WHOLE: dict[str, Any] = {"weight": 100, "step": 3, "routing": Routing.CANDIDATE, "stage": Stage.DRAINING}
SEEN = Predictions(400, 200.0, 125.0, (0.3, 0.6), (100, 150, 150))
KEPT = Frozen(revision="v2", count=400, mean=0.5, deviation=0.25)


def promoted(predicted: Predictions, **fields: Any) -> Frozen | None:
    known = status(candidate=candidate(**WHOLE | fields), baseline=KEPT.but(revision="v1"))
    quiet = Traffic(outside_quiet=timedelta(seconds=60))
    world = seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2), traffic=quiet, predicted=predicted)
    decision = decided(judged(turn(known, world), PASSING))
    assert decision.status.stable == revision(2)
    return decision.status.baseline


def test_what_the_candidate_predicted_is_kept_when_it_is_promoted() -> None:
    assert promoted(SEEN) == KEPT


@pytest.mark.parametrize(
    ("predicted", "fields"),
    [
        pytest.param(Predictions(), {}, id="nothing was followed"),
        pytest.param(replace(SEEN, count=150, total=75.0, squares=50.0, counts=(50, 50, 50)), {}, id="few predictions"),
        pytest.param(Predictions(400, 200.0, 100.0), {}, id="one value"),
        pytest.param(SEEN, {"forced": True}, id="promoted without a bake"),
    ],
)
def test_otherwise_there_is_none_and_never_that_of_the_model_before(predicted: Predictions, fields: Any) -> None:
    assert promoted(predicted, **fields) is None


@pytest.mark.parametrize(
    ("of", "known"),
    [("v1", Baseline(400, 0.5, 0.25)), ("v0", None)],
    ids=["stable's", "another model's"],
)
def test_a_candidate_is_watched_with_stables(of: str, known: Baseline | None) -> None:
    going = status(candidate=candidate(), baseline=KEPT.but(revision=of))

    watch = decided(turn(going, seen(arm(1, 4), arm(2, 1, against=1), selector=shared()))).watch

    assert watch is not None
    assert watch.baseline == known


def test_it_is_kept_while_nothing_rolls_out() -> None:
    assert decided(turn(settled(2, baseline=KEPT), seen(arm(2, 4), selector=alone(2)))).status.baseline == KEPT
