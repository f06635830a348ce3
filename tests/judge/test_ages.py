"""Young pods: what their latency says against a model, and from when on."""

import math

import pytest
from judge.rounds import rules_of
from judge.trials import EDGES, pod

from modelrollout import judge
from modelrollout.judge.ages import grown_up
from modelrollout.judge.strata import ArmStratum, upto

INTERVAL = 5.0


def arm(*ages: float) -> ArmStratum:
    return ArmStratum(
        tuple("abcd"[: len(ages)]), ((10, 0, 0),) * len(ages), (1.0, 2.0), upto([(3, 4, 3)] * len(ages)), (), ages
    )


@pytest.mark.parametrize(
    ("ages", "pods", "excused"),
    [
        pytest.param((0.0, 59.0), 0, 0.0, id="none is warm"),
        pytest.param((59.0, 60.0), 1, math.log1p(0.8 / 3), id="one has just become warm"),
        pytest.param((150.0, 240.0), 2, math.log1p(0.5 / 3), id="the younger one counts"),
        pytest.param((61.0, 300.0, 900.0), 2, 0.0, id="where some have grown up the young do not count"),
        pytest.param((math.inf,), 1, 0.0, id="nobody knows how old"),
    ],
)
def test_only_pods_that_are_old_enough_count(ages: tuple[float, ...], pods: int, excused: float) -> None:
    found = grown_up(arm(*ages), 60.0, (1.0, 2.0))

    assert found.pods == pods
    assert found.tolerated == pytest.approx(excused)
    assert found.upto.tolist() == [3 * pods, 7 * pods, 10 * pods] if pods else not found.upto.size


def test_without_a_warm_up_all_count() -> None:
    assert grown_up(arm(0.0, 5.0), 0.0, (1.0, 2.0)).pods == 2


def alarm_after(slower_until: float, seconds: float) -> bool:
    """Whether a candidate that is twice as slow at first is taken back."""
    asked = rules_of({"compare": {}, "limits": {"p95LatencyMs": None}})
    evidence, origins = judge.fresh(), judge.Origins()
    slow = 0
    for number in range(int(seconds / INTERVAL)):
        at = number * INTERVAL
        slow += 50 if 0 < at < slower_until else 0
        candidate = pod("churn-c", requests=50 * number, slow=slow)
        stable = pod("churn-s", requests=1000 + 200 * number)
        seen = judge.Round((candidate,), (stable,))
        evidence, origins = judge.observe(evidence, origins, seen, asked, at)
        found = judge.verdict(evidence, asked).candidate
        if found is not None:
            return found.metric == "latencyRatio"
    return False


def test_a_pod_that_is_slow_in_its_first_minute_is_not_taken_back() -> None:
    assert not alarm_after(slower_until=60, seconds=600)


def test_one_that_stays_slow_is() -> None:
    assert alarm_after(slower_until=600, seconds=600)


def test_the_buckets_of_the_tests_are_as_wide_as_the_serving_images() -> None:
    assert EDGES[60] / EDGES[59] == pytest.approx(1.1, rel=1e-4)
