"""Strategies as lists of stops: what each stop asks for, and where a weight stands among them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from core.values import model

from modelrollout.api.spec import ModelRolloutSpec, Pause
from modelrollout.api.status import Routing
from modelrollout.core import plan
from modelrollout.core.plan import Stop
from modelrollout.core.ratio import Split

WAITS = Pause(duration=timedelta(minutes=5))
SHARED, ALONE = Routing.SHARED, Routing.CANDIDATE


def spec(strategy: Mapping[str, Any] | None = None) -> ModelRolloutSpec:
    """A spec whose evidence is 20 requests; the default strategy where none is given."""
    wishes = {} if strategy is None else {"strategy": strategy}
    return ModelRolloutSpec.model_validate({"model": model(2), "health": {"minSamples": 20}} | wishes)


def canary(*steps: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"canary": {"steps": list(steps)} | more}


@pytest.mark.parametrize(
    ("strategy", "size", "expected"),
    [
        pytest.param(
            None,
            4,
            (
                Stop(10, Split(1, 4), SHARED, 20),
                Stop(25, Split(1, 4), SHARED, 20),
                Stop(50, Split(4, 4), SHARED, 20),
                Stop(100, Split(4, 4), ALONE, 20),
            ),
            id="the default is a canary of four steps beside a full stable",
        ),
        pytest.param(
            canary({"weight": 20, "pause": {"duration": "5m"}}),
            4,
            (Stop(20, Split(1, 4), SHARED, 20, pause=WAITS), Stop(100, Split(4, 4), ALONE, 20)),
            id="weight 100 is added as the last step",
        ),
        pytest.param(
            canary({"weight": 100, "pause": {}}),
            1,
            (Stop(100, Split(1, 1), ALONE, 20, pause=Pause()),),
            id="a pause at weight 100 is kept",
        ),
        pytest.param(
            canary({"weight": 50}, constantTotal={"surge": 0}),
            4,
            (Stop(50, Split(2, 2), SHARED, 20, surge=0), Stop(100, Split(4, 0), ALONE, 20, surge=0)),
            id="a constant total leaves stable without pods in the end",
        ),
        pytest.param(
            canary({"weight": 50}, constantTotal={}),
            1,
            (Stop(50, Split(1, 1), SHARED, 20, surge=1), Stop(100, Split(1, 0), ALONE, 20, surge=1)),
            id="a constant total of one pod is shared by one pod each",
        ),
        pytest.param(
            {"blueGreen": {}},
            3,
            (Stop(0, Split(3, 3), Routing.STABLE, 20, preview=True), Stop(100, Split(3, 3), ALONE, 20)),
            id="blue-green looks at full size behind a preview first",
        ),
        pytest.param(
            {"blueGreen": {"previewSamples": 0, "pause": {"duration": "5m"}}},
            3,
            (Stop(0, Split(3, 3), Routing.STABLE, 0, pause=WAITS, preview=True), Stop(100, Split(3, 3), ALONE, 20)),
            id="blue-green without preview requests",
        ),
        pytest.param(
            {"rolling": {}},
            3,
            (
                Stop(33, Split(1, 2), SHARED, 0, surge=1),
                Stop(67, Split(2, 1), SHARED, 0, surge=1),
                Stop(100, Split(3, 0), ALONE, 20, surge=1),
            ),
            id="rolling stops after each pod and asks for evidence at the end",
        ),
        pytest.param(
            {"rolling": {}}, 1, (Stop(100, Split(1, 0), ALONE, 20, surge=1),), id="rolling of one pod is one stop"
        ),
    ],
)
def test_a_strategy_makes_these_stops(
    strategy: Mapping[str, Any] | None, size: int, expected: tuple[Stop, ...]
) -> None:
    assert plan.stops(spec(strategy), size) == expected


@pytest.mark.parametrize("size", [1, 2, 7, 99, 100, 101, 250, 1000])
@pytest.mark.parametrize("strategy", [canary({"weight": 1}, {"weight": 99}), {"rolling": {}}, {"blueGreen": {}}])
def test_weights_rise_from_stop_to_stop_up_to_100(strategy: Mapping[str, Any], size: int) -> None:
    weights = [stop.weight for stop in plan.stops(spec(strategy), size)]
    assert weights == sorted(set(weights))
    assert weights[-1] == 100


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (canary({"weight": 5}), "canary"),
        (canary({"weight": 5}, constantTotal={}), "constantTotal"),
        ({"blueGreen": {}}, "blueGreen"),
        ({"rolling": {}}, "rolling"),
    ],
)
def test_a_strategy_has_one_name(strategy: Mapping[str, Any], expected: str) -> None:
    assert plan.name(spec(strategy).strategy) == expected


def test_a_weight_that_an_edit_took_out_still_has_its_stop() -> None:
    edited = spec(canary({"weight": 10}, {"weight": 60}))
    assert plan.stop_at(edited, 4, 25) == Stop(25, Split(1, 4), SHARED, 20)


@pytest.mark.parametrize(("weight", "expected"), [(5, 0), (10, 0), (25, 1), (49, 1), (50, 2), (100, 3)])
def test_a_weight_stands_at_the_last_stop_that_is_not_above_it(weight: int, expected: int) -> None:
    assert plan.position(plan.stops(spec(), 4), weight) == expected


def test_the_way_ahead_is_what_is_above_the_weight() -> None:
    assert [stop.weight for stop in plan.above(plan.stops(spec(), 4), 25)] == [50, 100]
