"""What can still be read of a spec that cannot be followed."""

from typing import Any

import pytest

from modelrollout.api.spec import Canary, ModelRolloutSpec, Strategy
from modelrollout.salvage import NO_MODEL, read_spec

GOOD: dict[str, Any] = {
    "model": {"uri": "file:///m"},
    "replicas": 4,
    "bake": "8s",
    "health": {"interval": "1s", "limits": {"errorRate": 0.01}},
    "strategy": {"canary": {"steps": [{"weight": 50}]}},
}


def spec(**changes: Any) -> ModelRolloutSpec:
    return ModelRolloutSpec.model_validate({**GOOD, **changes})


@pytest.mark.parametrize(
    ("changes", "read", "said"),
    [
        pytest.param({}, spec(), "", id="a good one"),
        pytest.param({"bake": "soon"}, spec(bake="5m"), "spec.bake: ", id="one value"),
        pytest.param(
            {"health": {"interval": "1s", "limits": {"errorRate": 7, "restarts": 3}}},
            spec(health={"interval": "1s", "limits": {"restarts": 3}}),
            "spec.health.limits.errorRate: ",
            id="the values beside it stay",
        ),
        pytest.param(
            {"strategy": {"canary": {"steps": [{"weight": 10}, {"weight": 999}]}}},
            spec(strategy=Strategy(canary=Canary())),
            "spec.strategy.canary.steps.1.weight: ",
            id="a list goes as a whole",
        ),
        pytest.param({"model": {"uri": ""}}, spec(model=NO_MODEL), "spec.model.uri: ", id="the model"),
        pytest.param({"replicas": -1, "bake": "", "health": 3}, spec(replicas=1, bake="5m", health={}), "", id="much"),
    ],
)
def test_what_is_refused_is_left_out_and_the_rest_is_read(
    changes: dict[str, Any], read: ModelRolloutSpec, said: str
) -> None:
    found, sentence = read_spec({**GOOD, **changes})
    assert found == read
    assert sentence.startswith(said)
    assert bool(sentence) == bool(changes)


def test_of_something_else_than_a_spec_nothing_but_defaults_is_left() -> None:
    found, sentence = read_spec(["replicas"])
    assert found == ModelRolloutSpec.model_validate({"model": NO_MODEL})
    assert sentence.startswith("spec")


def test_a_field_of_a_newer_release_is_left_out_and_the_spec_is_followed() -> None:
    written = {"model": {"uri": "file:///m", "version": "1"}, "health": {"limits": {"moonPhase": 2, "errorRate": 0.1}}}
    spec, invalid = read_spec(written)

    assert spec is not None
    assert (spec.health.limits.error_rate, invalid) == (0.1, "")
