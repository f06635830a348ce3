"""Stable judged against itself at rest: alike pods raise no alarm, a sick one does, and bursts are measured."""

from collections.abc import Callable, Mapping

import pytest
from judge.trials import comparing, pod

from modelrollout.api.spec import Health
from modelrollout.core.epochs import terms
from modelrollout.judge.comparing import Comparing
from modelrollout.judge.steady import HALVINGS, LONGEST, SelfTested, Steady

Counts = Callable[[int, int], tuple[int, int]]
"""Requests and errors of a pod in a minute, by both numbers."""
PODS = 6
TERMS = comparing().compare


def watched(counts: Counts, minutes: int = LONGEST + 1, every: float = 60.0, pods: int = PODS) -> Steady:
    assert isinstance(TERMS, Comparing)
    steady, sums = Steady(), {f"churn-{number}": [0, 0] for number in range(pods)}
    for minute in range(minutes):
        for number, known in enumerate(sums.values()):
            known[:] = map(sum, zip(known, counts(number, minute), strict=True))
        seen = [pod(name, requests=requests, errors=errors) for name, (requests, errors) in sums.items()]
        steady = steady.plus(seen, minute * every, TERMS)
    return steady


def alike(number: int, minute: int) -> tuple[int, int]:
    return 100, 2 if (number + minute) % 3 else 1


def test_pods_that_are_alike_raise_no_alarm() -> None:
    assert watched(alike).tested == SelfTested(trials=HALVINGS, alarms=0, requests=LONGEST * PODS * 100)


def test_a_pod_that_fails_more_than_the_others_does() -> None:
    tested = watched(lambda number, minute: (100, 30) if number == 0 else alike(number, minute)).tested

    assert tested.trials == HALVINGS
    assert tested.alarms > 0
    assert tested.errors_dispersion > 2


def test_errors_in_bursts_are_measured() -> None:
    tested = watched(lambda number, minute: (100, 20 if minute % PODS == number else 0)).tested

    assert tested.errors_dispersion > 5


@pytest.mark.parametrize(
    ("settings", "looks"),
    [
        pytest.param({"minutes": 4}, 3, id="once a minute"),
        pytest.param({"minutes": 9, "every": 30.0}, 4, id="rounds that come more often"),
        pytest.param({"minutes": 4, "pods": 1}, 0, id="one pod"),
        pytest.param({"minutes": 1}, 0, id="an origin"),
    ],
)
def test_it_looks_once_a_minute_at_two_pods_or_more(settings: Mapping[str, int], looks: int) -> None:
    assert watched(alike, **settings).looks == looks


def test_after_an_hour_other_halves_begin() -> None:
    first, second = watched(alike, 2), watched(alike, LONGEST + 2)

    assert (second.looks, second.requests) == (1, PODS * 100)
    assert [one.canary for one in first.halvings] != [one.canary for one in second.halvings]


def test_asking_for_it_does_not_judge_anew_what_is_on_its_way() -> None:
    asked, other = ({"compare": {"selfTest": one}} for one in (True, False))

    assert terms(Health.model_validate(asked)) == terms(Health.model_validate(other)) == "6bb2fc"
