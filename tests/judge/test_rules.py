"""How a health block becomes rules: which limits, and how much evidence each needs."""

import math

import pytest
from judge.rounds import rules_of

from modelrollout import judge
from modelrollout.api.spec import Health


def test_defaults_limit_errors_and_the_95th_percentile() -> None:
    assert rules_of() == judge.Rules(
        error_rate=0.05, latency=(judge.LatencyLimit("p95LatencyMs", 500, 0.05),), min_samples=20, alpha=0.01
    )


def test_every_latency_limit_is_a_share_of_slow_requests() -> None:
    limits = {"p50LatencyMs": 20, "p95LatencyMs": 80, "p99LatencyMs": 300}

    assert rules_of({"limits": limits}).latency == (
        judge.LatencyLimit("p50LatencyMs", 20, 0.5),
        judge.LatencyLimit("p95LatencyMs", 80, 0.05),
        judge.LatencyLimit("p99LatencyMs", 300, 0.01),
    )


@pytest.mark.parametrize(
    ("limits", "e_value"),
    [
        pytest.param({"p95LatencyMs": None}, 500, id="one limit has the whole share"),
        pytest.param({}, 1000, id="two limits halve it"),
        pytest.param({"p50LatencyMs": 9, "p99LatencyMs": 9}, 2000, id="four limits quarter it"),
        pytest.param({"errorRate": None, "p95LatencyMs": None}, 500, id="no limit"),
    ],
)
def test_limits_share_their_part_of_alpha_evenly(limits: dict[str, float | None], e_value: float) -> None:
    assert math.exp(rules_of({"limits": limits}).limit_threshold) == pytest.approx(e_value)


def test_refusals_have_their_own_part_of_alpha() -> None:
    assert math.exp(rules_of({"compare": {"falseRollbackRate": 0.05}}).refusal_threshold) == pytest.approx(200)


def test_alpha_is_divided_among_the_epochs_of_a_rollout() -> None:
    assert judge.rules(Health(), epochs=5).alpha == pytest.approx(0.002)
