"""Rollouts that compare, where there is little or nothing to compare with."""

from typing import Any

import pytest
from simulation.telling import BROKEN, SETTLED, V1, V2, at, moment, rolled_out, spec, turns_bad

from modelrollout.simulation import Behaviour, Moment, Run, Scenario, Until, run
from modelrollout.simulation.happenings import new_model

DIES = Behaviour(oom_after=0)
"""Killed as soon as it has loaded, again and again."""
SOME_FAIL = Behaviour(errors=0.1)
HALF_AN_HOUR = 1800


def compared(*moments: Moment, **scenario: Any) -> Run:
    asked = spec(health={"compare": {}}, decisionDeadline="5m")
    return run(Scenario("compared", asked, moments, rate=scenario.pop("rate", 100), steady=False, **scenario))


def reasons(played: Run) -> list[str]:
    return [entry.text.split(":")[0] for entry in played.world.entries if entry.kind == "note"]


def outcome(played: Run) -> tuple[str, str]:
    """Which version is stable, and what became of the second one."""
    status = played.world.resource.status
    assert played.broken == []
    assert status.stable is not None
    return status.stable.version, next((str(one.outcome) for one in status.history if one.version == V2), "")


def test_nothing_is_promoted_while_nobody_asks_and_that_is_said_before_the_deadline() -> None:
    played = compared(rolled_out(V2), rate=0, longest=HALF_AN_HOUR, quiet=HALF_AN_HOUR)

    assert outcome(played) == (V1, "")
    assert reasons(played)[2:] == ["RolloutStarted", "StepStarted", "TooLittleTraffic", "Inconclusive"]
    assert played.world.now == HALF_AN_HOUR


def test_a_stable_that_dies_in_a_step_keeps_no_good_model_from_being_promoted() -> None:
    played = compared(rolled_out(V2), moment(turns_bad(V1, DIES), at(25), 10))

    assert outcome(played) == (V2, "Promoted")


@pytest.mark.parametrize("behaviour", [BROKEN, SOME_FAIL], ids=["fails always", "fails one in ten"])
def test_a_bad_model_is_not_promoted_beside_a_stable_that_is_down(behaviour: Behaviour) -> None:
    dead = moment(turns_bad(V1, DIES), SETTLED)
    played = compared(dead, moment(new_model(V2), Until(), 20), models={V2: behaviour}, longest=200)

    assert outcome(played) == (V1, "Rejected")


def test_a_bad_model_is_not_promoted_beside_a_stable_that_answers_errors_only() -> None:
    failing = moment(turns_bad(V1, BROKEN), SETTLED)
    played = compared(failing, moment(new_model(V2), Until(), 20), models={V2: SOME_FAIL}, longest=200)

    assert outcome(played) == (V1, "")
    assert "StableUnhealthy" in reasons(played)
