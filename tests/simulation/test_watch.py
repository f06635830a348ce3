"""The watch over stable never ends: a model that turns bad hours after its promotion is taken back, and it is said."""

import pytest
from simulation.telling import V1, V2, V3, moment, rolled_out, served_by, spec

from modelrollout.api.status import Outcome
from modelrollout.core.facts import PodTrouble
from modelrollout.simulation import Run, Scenario, Until
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.happenings import Become
from modelrollout.simulation.run import begin
from modelrollout.simulation.scores import TOO_SMALL, TWO_HUMPS, baseline

THREE_HOURS, A_DAY = 3 * 3600, 24 * 3600
HEALTH = {"interval": "5s", "minSamples": 20, "limits": {"errorRate": 0.05, "p95LatencyMs": 200}}
LIKE_ITS_BASELINE = Behaviour(scores=TWO_HUMPS, baseline=baseline(TWO_HUMPS))
SEEN_WITHIN = {
    "fails every request": (Behaviour(errors=1.0), 32, "ErrorRate"),
    "fails one in five": (Behaviour(errors=0.2), 65, "ErrorRate"),
    "fails a little more than it may": (Behaviour(errors=0.08), 600, "ErrorRate"),
    "is slow": (Behaviour(latency_ms=800.0), 65, "P95LatencyMs"),
    "is stuck": (Behaviour(stuck_after=10), 75, "Unresponsive"),
    "crashes": (Behaviour(crashes_after=4, fails_to_load=PodTrouble.CRASHED), 30, "Crashed"),
    "predicts otherwise": (Behaviour(scores=TOO_SMALL, baseline=baseline(TWO_HUMPS)), 600, "PredictionDrift"),
}
"""By what the model does: the seconds within which it has to be found, and as what."""


def turned(what: str, hours_later: int, version: str = V2) -> Scenario:
    behaviour = SEEN_WITHIN[what][0]
    good = {version: LIKE_ITS_BASELINE} if behaviour.scores else {}
    bad = Become({version: behaviour}, f"{version} {what}")
    rollout = (rolled_out(V2),) if version == V2 else ()
    return Scenario(
        what,
        spec(health=HEALTH, rollback={"keepPrevious": "10m", "cooldown": "20s"}),
        (*rollout, moment(bad, served_by(version), hours_later)),
        models=good,
        steady=False,
        longest=hours_later + 2000,
        quiet=1200,
    )


def until(played: Run, text: str) -> int:
    """The second at which an Event or a happening that begins so came."""
    while not (found := [one.at for one in played.world.entries if one.text.startswith(text)]):
        assert not played.is_over(), f"{text} never came: {played.world.resource.status.message}"
        played.tick()
    return found[0]


@pytest.mark.parametrize("what", SEEN_WITHIN)
def test_a_model_that_turns_bad_three_hours_after_its_promotion_is_taken_back(what: str) -> None:
    _, within, reason = SEEN_WITHIN[what]
    played = begin(turned(what, THREE_HOURS))

    bad_from = until(played, f"{V2} {what}")
    found = until(played, "Unhealthy:")
    back = until(played, "WentBack:")

    status = played.world.resource.status
    assert (found - bad_from <= within, back - found <= 30) == (True, True), f"{found - bad_from} s, {back - found} s"
    assert status.stable is not None
    assert status.stable.version == V1
    assert [(one.version, one.outcome, one.reason) for one in status.history][-1] == (V2, Outcome.UNHEALTHY, reason)
    assert (played.broken, played.waiting) == ([], [])


def test_a_day_of_good_answers_does_not_bury_what_comes_then() -> None:
    played = begin(turned("fails every request", A_DAY))

    assert until(played, "Unhealthy:") - until(played, f"{V2} fails every request") <= 32


def test_three_good_hours_are_no_reason_to_move_or_to_write() -> None:
    played = begin(Scenario("good", spec(health=HEALTH), (rolled_out(V2),), longest=THREE_HOURS, quiet=THREE_HOURS))
    while not played.is_over():
        played.tick()

    late = [one.text for one in played.world.entries if one.at > 3600 + 600]
    assert late == []


def test_what_breaks_without_a_way_back_is_a_condition_an_event_and_goes_when_it_is_over() -> None:
    scenario = turned("fails one in five", THREE_HOURS, V1)
    over = moment(Become({V1: Behaviour()}, "it answers well again"), Until(reason="NoWayBack"), 100)
    played = begin(
        Scenario(
            **{field: getattr(scenario, field) for field in scenario.__slots__} | {"moments": (*scenario.moments, over)}
        )
    )

    until(played, "NoWayBack:")
    flags = {one.type: (one.status, one.reason) for one in played.world.resource.status.conditions}
    assert flags["StableUnhealthy"] == ("True", "ErrorRate")
    until(played, "HealthyAgain:")
    assert "StableUnhealthy" not in {one.type for one in played.world.resource.status.conditions}


def test_when_the_world_changes_hours_later_it_goes_back_once_and_says_that_the_model_is_not_to_blame() -> None:
    scenario = turned("fails one in five", THREE_HOURS)
    world = Become(dict.fromkeys((V1, V2, V3), Behaviour(errors=0.5)), "the feature store is down")
    played = begin(
        Scenario(
            "world",
            scenario.spec,
            (rolled_out(V2), moment(world, served_by(V2), THREE_HOURS)),
            steady=False,
            longest=THREE_HOURS + 2000,
            quiet=600,
        )
    )

    until(played, "FaultNotInModel:")
    while not played.is_over():
        played.tick()

    assert [one.text.split(":")[0] for one in played.world.entries if one.kind == "note" and one.warning] == [
        "Unhealthy",
        "GoingBack",
        "WentBack",
        "FaultNotInModel",
    ]


def test_after_a_bounded_watch_nobody_looks() -> None:
    scenario = turned("fails every request", THREE_HOURS)
    bounded = spec(health=HEALTH, rollback={"keepPrevious": "10m", "cooldown": "20s", "watch": "1h"})
    played = begin(
        Scenario("bounded", bounded, scenario.moments, steady=False, longest=THREE_HOURS + 600, quiet=THREE_HOURS)
    )
    while not played.is_over():
        played.tick()

    status = played.world.resource.status
    assert status.stable is not None
    assert (status.stable.version, played.waiting) == (V2, [])
