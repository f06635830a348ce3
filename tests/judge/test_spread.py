"""How much stable's pods differ for good, and what that lets a candidate be worse by."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.judge import mixtures
from modelrollout.judge.eprocesses import Stratum
from modelrollout.judge.ratios import begun
from modelrollout.judge.spread import NO_SPREAD, Spread, tolerated

SUMS = st.tuples(st.sampled_from("abcd"), st.tuples(*(st.integers(0, 1000).map(float),) * 3))


def rates(*failed: int, of: int = 10_000) -> float:
    return NO_SPREAD.plus((str(pod), (float(of), float(hits), 0.0)) for pod, hits in enumerate(failed)).of_rates()


def means(deviation: float, pods: int = 400, requests: int = 500) -> float:
    draw = np.random.default_rng(3)
    found = NO_SPREAD
    for pod in range(min(pods, 32)):
        took = draw.normal(deviation * draw.standard_normal(), 0.5, requests)
        found = found.plus([(str(pod), (float(requests), float(took.sum()), float((took**2).sum())))])
    return found.of_means()


def test_pods_that_fail_alike_do_not_differ() -> None:
    assert rates(100, 100, 100, 100) == 0.0


def test_what_chance_does_to_counts_is_no_difference() -> None:
    draw = np.random.default_rng(5)
    found = [rates(*draw.poisson(100, 4)) for _ in range(400)]

    assert np.mean([one > 0.1 for one in found]) < 0.2


def test_a_difference_between_pods_is_known_by_its_size() -> None:
    """50, 100, 100 and 150 errors: the rates' variance over their mean's square is 1/6, and 1/100 is chance's."""
    assert rates(50, 100, 100, 150) == pytest.approx(math.sqrt(1 / 6 - (1 + math.sqrt(2 / 3)) / 100))


@pytest.mark.parametrize(("deviation", "least", "most"), [(0.0, 0.0, 0.01), (0.1, 0.06, 0.14)])
def test_the_speeds_of_pods_are_told_from_the_scatter_of_their_requests(
    deviation: float, least: float, most: float
) -> None:
    assert least <= means(deviation) <= most


def test_one_pod_says_nothing_and_what_was_known_before_a_restart_stays() -> None:
    assert rates(50) == 0.0
    assert Spread(known=0.3).of_rates() == Spread(known=0.3).of_means() == 0.3


@given(st.lists(SUMS, max_size=12), st.randoms())
def test_sums_do_not_depend_on_the_order_of_rounds(
    rounds: list[tuple[str, tuple[float, float, float]]], shuffle: object
) -> None:
    mixed = list(rounds)
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = NO_SPREAD, NO_SPREAD
    for row in rounds:
        one = one.plus([row])
    for row in mixed:
        other = other.plus([row])

    assert dict(one.pods) == dict(other.pods)


def test_few_pods_on_either_side_let_more_be_worse() -> None:
    few, many = tolerated(1.25, 0.1, 1, 4), tolerated(1.25, 0.1, 100, 400)

    assert few == pytest.approx(math.log(1.25) + 0.3 * math.sqrt(1.25))
    assert math.log(1.25) < many < few
    assert tolerated(1.0, 0.5, 1, 4) == 0.0


def test_worse_begins_at_what_is_tolerated() -> None:
    """By hand: bets on 1.25 times 1.1 to 32, each against 1.25, with the weights of the plain test."""
    deltas = np.linspace(math.log(1.1), math.log(32), 24)
    weights = np.exp(-0.5 * (deltas / math.log(4)) ** 2)
    chance = [0.1 * math.exp(one) / (0.9 + 0.1 * math.exp(one)) for one in deltas + math.log(1.25)]
    level = 0.125 / 1.025
    each = [(p / level) ** 10 * ((1 - p) / (1 - level)) ** 10 for p in chance]
    wanted = math.log(np.dot(weights / weights.sum(), each))

    found = begun((2.0,)).plus(Stratum(10, 10, 100, 900), tolerated=math.log(1.25))

    assert found.log_e == pytest.approx(wanted, abs=1e-9)
    assert found.log_e < begun((2.0,)).plus(Stratum(10, 10, 100, 900)).log_e


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.2, 1.25])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_bet_on_worse_gains_nothing_in_the_mean_up_to_what_is_tolerated(ratio: float, share: float) -> None:
    hits = 7
    chance = share * ratio / (1 - share + share * ratio)
    mean = np.zeros(mixtures.POINTS)
    for own in range(hits + 1):
        probability = math.comb(hits, own) * chance**own * (1 - chance) ** (hits - own)
        mean += probability * np.exp(mixtures.worse_gains(own, hits, share, math.log(1.25)))

    assert (mean <= 1 + 1e-9).all()
