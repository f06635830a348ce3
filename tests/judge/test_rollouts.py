"""Whole rollouts that compare, in the simulated world: the verdicts drive the steps."""

from collections.abc import Mapping
from typing import Any

import pytest
from simulation.telling import GOES_OUT, V1, V2, V3, at, moment, served_by, spec, strategy, turns_bad

from modelrollout.simulation import Run, run, scores
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.happenings import Kill, new_model
from modelrollout.simulation.run import begin
from modelrollout.simulation.scenario import Moment, Scenario, Until

COMPARES: Mapping[str, Any] = spec(
    health={"interval": "1s", "minSamples": 20, "compare": {}, "limits": {"errorRate": 0.2}}, decisionDeadline="4m"
)
TWO_PERCENT = Behaviour(errors=0.02)


def played(
    moments: tuple[Moment, ...] = GOES_OUT,
    wishes: Mapping[str, Any] = COMPARES,
    rate: int = 200,
    longest: int = 900,
    **models: Behaviour,
) -> Run:
    known = {f"{name[1:]}.0.0": behaviour for name, behaviour in models.items()}
    return run(Scenario("compares", wishes, moments, models=known, rate=rate, quiet=300, longest=longest))


def told(found: Run, reason: str) -> list[str]:
    return [entry.text for entry in found.world.entries if reason in entry.text]


def stable(found: Run) -> str:
    status = found.world.resource.status
    assert found.broken == []
    assert status.stable is not None
    return status.stable.version


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param({}, id="canary"),
        pytest.param({"strategy": strategy(blueGreen={})}, id="blue-green"),
        pytest.param({"strategy": strategy(rolling={})}, id="rolling"),
        pytest.param({"replicas": 1}, id="one pod"),
    ],
)
def test_a_canary_is_promoted_on_proof_when_neither_arm_has_an_error(plan: Mapping[str, Any]) -> None:
    assert stable(played(wishes={**COMPARES, **plan})) == V2


def test_a_canary_with_as_many_errors_as_stable_is_promoted() -> None:
    assert stable(played(v1=TWO_PERCENT, v2=TWO_PERCENT)) == V2


def test_a_canary_with_thrice_stables_errors_is_rolled_back_below_the_absolute_limit() -> None:
    found = played(v1=TWO_PERCENT, v2=Behaviour(errors=0.06))

    assert stable(found) == V1
    assert any("requests failed, stable failed" in text for text in told(found, "RolledBack"))


def test_a_slower_canary_is_rolled_back_below_the_absolute_limit() -> None:
    found = played(v2=Behaviour(latency_ms=100.0))

    assert stable(found) == V1
    assert any("took longer than" in text for text in told(found, "RolledBack"))


def test_a_canary_without_traffic_is_never_promoted() -> None:
    found = played(rate=0)

    assert stable(found) == V1
    assert told(found, "Inconclusive") != []


def test_a_slow_trickle_holds_and_says_how_much_is_missing() -> None:
    found = played(rate=6, longest=400)

    assert stable(found) == V1
    assert any("is not shown yet; about" in text for text in told(found, "Inconclusive"))


@pytest.mark.parametrize(("fix", "serves"), [(Behaviour(), V2), (Behaviour(errors=0.5), V1)], ids=["good", "bad"])
def test_a_fix_is_promoted_when_it_is_good_although_stable_answers_only_errors(fix: Behaviour, serves: str) -> None:
    moments = (
        moment(turns_bad(V1, Behaviour(errors=1.0))),
        moment(new_model(V2), Until(reason="NoWayBack"), 3),
    )

    assert stable(played(moments, v2=fix)) == serves


@pytest.mark.parametrize("compared", [True, False], ids=["compared", "limits alone"])
@pytest.mark.parametrize(
    "predicted",
    [
        pytest.param(scores.ALL_ALIKE, id="scores collapse to a half, the mean stays"),
        pytest.param(scores.TOO_SMALL, id="outputs ten times too small, the mean within 2 sd"),
    ],
)
def test_a_model_that_left_its_own_baseline_is_rolled_back(
    predicted: tuple[float, ...],
    compared: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    health = {"interval": "1s", "minSamples": 300} | ({"compare": {}} if compared else {})
    left = Behaviour(scores=predicted, baseline=scores.baseline(scores.TWO_HUMPS))
    found = played(wishes=spec(health=health), v2=left)

    assert stable(found) == V1
    assert any("the shape of the predictions moved by" in text for text in told(found, "RolledBack"))


def test_a_retrained_model_that_moved_with_its_baseline_is_promoted() -> None:
    old, new = (Behaviour(scores=one, baseline=scores.baseline(one)) for one in (scores.TWO_HUMPS, scores.SOFTER))

    assert stable(played(v1=old, v2=new)) == V2


def test_a_baseline_without_spread_is_a_condition_and_no_verdict() -> None:
    one_value = Behaviour(scores=scores.TWO_HUMPS, baseline=scores.without_spread())
    found = begin(Scenario("compares", COMPARES, GOES_OUT, models={V2: one_value}, rate=200))
    said = set[str]()
    for _ in range(400):
        found.tick()
        said |= {one.message for one in found.world.resource.status.conditions if one.type == "BaselineUnusable"}

    assert len(said) == 1
    assert "baseline" in said.pop()
    assert stable(found) == V2


def test_a_step_with_too_little_traffic_is_warned_of_before_its_deadline() -> None:
    wishes = spec(health={"interval": "1s", "compare": {}}, decisionDeadline="10m")
    found = begin(Scenario("compares", wishes, GOES_OUT, rate=1))
    conditions = set[str]()
    for _ in range(240):
        found.tick()
        conditions |= {one.type for one in found.world.resource.status.conditions}

    assert "TooLittleTraffic" in conditions
    assert any("decisionDeadline is 10m" in text for text in told(found, "TooLittleTraffic"))


def test_what_was_shown_survives_a_kill_of_the_operator() -> None:
    found = played((*GOES_OUT, moment(Kill(), at(50), 3)))

    assert stable(found) == V2


def test_the_numbers_are_in_the_status_while_it_lasts() -> None:
    found = begin(Scenario("compares", COMPARES, GOES_OUT, models={V1: TWO_PERCENT, V2: TWO_PERCENT}, rate=200))
    shown = []
    for _ in range(200):
        found.tick()
        judge = found.world.resource.status.judge
        shown += [judge] if judge is not None and judge.metrics else []

    assert shown[-1].requests > shown[0].requests
    assert [one.metric for one in shown[-1].metrics] == ["errors", "refusals", "latency"]
    errors = shown[-1].metrics[0]
    assert errors.low is not None
    assert errors.high is not None
    assert errors.low < 1 < errors.high
    assert {one.name for one in shown[-1].candidate_latency} == {"p50", "p95", "p99"}
    assert found.world.resource.status.judge is None


def test_what_is_still_expected_is_in_the_status() -> None:
    found = begin(Scenario("compares", COMPARES, GOES_OUT, rate=60))
    left = []
    for _ in range(90):
        found.tick()
        judge = found.world.resource.status.judge
        left += [(judge.expected_requests, judge.expected_seconds)] if judge and judge.expected_seconds else []

    requests, seconds = left[-1]
    assert requests is not None
    assert seconds is not None
    assert left[0] > left[-1]
    assert seconds == pytest.approx(requests / 12, rel=0.25)


def test_stable_is_judged_against_itself_while_nothing_rolls_out() -> None:
    wishes = spec(health={"interval": "15s", "compare": {"selfTest": True}}, rollback={"watch": "10m"})
    found = run(Scenario("at rest", wishes, (), rate=40, quiet=4200, longest=4200))

    tested = found.world.resource.status.self_test
    assert stable(found) == V1
    assert tested is not None
    assert (tested.trials, tested.alarms, tested.errors_dispersion) == (4, 0, 1.0)
    assert tested.requests == pytest.approx(40 * 3600, rel=0.05)


def test_a_retrained_model_is_rolled_back_where_its_shape_has_to_be_stables() -> None:
    old, new = (Behaviour(scores=one, baseline=scores.baseline(one)) for one in (scores.TWO_HUMPS, scores.SOFTER))
    health = {"interval": "1s", "compare": {"predictionShape": 0.1}}
    found = played(wishes=spec(health=health, decisionDeadline="4m"), v1=old, v2=new)

    assert stable(found) == V1
    assert any("from stable's (limit 0.10" in text for text in told(found, "RolledBack"))


def test_a_model_without_a_baseline_is_held_to_what_the_one_before_predicted() -> None:
    good = Behaviour(scores=scores.TWO_HUMPS)
    moments = (*GOES_OUT, moment(new_model(V3), served_by(V2), 5))
    found = played(moments, v1=good, v2=good, v3=Behaviour(scores=tuple(one + 3 for one in scores.TWO_HUMPS)))

    assert stable(found) == V2
    assert any("from what stable predicted until it was promoted" in text for text in told(found, "RolledBack"))
    kept = found.world.resource.status.baseline
    assert kept is not None
    assert kept.mean == pytest.approx(0.5, abs=0.01)
