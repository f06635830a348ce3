"""The two tests against published and computed values, and against what makes them tests: an expectation of one."""

import math
from itertools import accumulate, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.judge.eprocesses import Stratum, log_sum_exp, one_sample, split, split_log_e

LIMITS = st.sampled_from((0.01, 0.05, 0.5))


@pytest.mark.parametrize(
    ("failures", "trials", "log_e"),
    [
        pytest.param(5, 20, 1.959360, id="5 of 20"),
        pytest.param(40, 400, 3.848715, id="40 of 400"),
        pytest.param(0, 0, 0.0, id="nothing"),
    ],
)
def test_one_sample_test_has_the_designed_value(failures: int, trials: int, log_e: float) -> None:
    assert one_sample(failures, trials, 0.05) == pytest.approx(log_e, abs=1e-6)


@pytest.mark.parametrize(
    ("strata", "log_e"),
    [
        pytest.param([(3, 5, 100, 900)], 1.539153, id="one stratum"),
        pytest.param([(3, 5, 100, 900), (6, 9, 250, 750)], 1.647420, id="two strata"),
        pytest.param([(10, 10, 100, 900)], 8.629903, id="five times the share"),
        pytest.param([(10, 0, 100, 0), (0, 10, 0, 100)], 0.0, id="one arm at a time says nothing"),
        pytest.param([(0, 0, 100, 900)], 0.0, id="no hits say nothing"),
    ],
)
def test_split_test_has_the_designed_value(strata: list[tuple[int, int, int, int]], log_e: float) -> None:
    logs = [math.fsum(column) for column in zip(*(split(Stratum(*stratum)) for stratum in strata), strict=True)]

    assert split_log_e(logs) == pytest.approx(log_e, abs=1e-6)


def test_split_test_stops_where_the_published_canary_example_stops() -> None:
    """Lindon and Malek's Poisson canary (the savvi package): its Dirichlet mixture is one over our bets."""
    rates = np.array((0.8, 0.2)) * np.exp((1.5, 2.0))
    draws = np.random.RandomState(1).multinomial(1, rates / rates.sum(), size=1000)  # as published
    shares = (np.arange(4000) + 0.5) / 4000
    prior = math.lgamma(100) - math.lgamma(20) - math.lgamma(80) + 19 * np.log(shares) + 79 * np.log1p(-shares)
    ratios = tuple(np.log(shares / (1 - shares)) - math.log(0.2 / 0.8))
    candidate, stable = (np.array(split(hit, ratios)) for hit in (Stratum(1, 0, 20, 80), Stratum(0, 1, 20, 80)))

    def log_e(counts: tuple[int, int]) -> float:
        return log_sum_exp(prior - math.log(4000) + counts[1] * candidate + counts[0] * stable)

    sums = accumulate(((int(a), int(b)) for a, b in draws), lambda one, other: (one[0] + other[0], one[1] + other[1]))
    stopped = next(counts for counts in sums if log_e(counts) >= math.log(20))

    assert stopped == (148, 62)
    assert math.exp(-log_e(stopped)) == pytest.approx(0.045579631759249686, rel=1e-9)


@pytest.mark.parametrize(("trials", "limit"), list(product((1, 7, 60), (0.01, 0.05, 0.5))))
def test_one_sample_test_expects_one_at_the_limit(trials: int, limit: float) -> None:
    def chance(failures: int) -> float:
        return math.comb(trials, failures) * limit**failures * (1 - limit) ** (trials - failures)

    expected = math.fsum(chance(k) * math.exp(one_sample(k, trials, limit)) for k in range(trials + 1))

    assert expected == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("candidate", "stable", "hits"),
    [
        pytest.param(10, 90, 5, id="a tenth of the requests"),
        pytest.param(50, 50, 20, id="half of them, often refused"),
        pytest.param(3, 2, 4, id="nearly all refused"),
    ],
)
def test_split_test_expects_at_most_one_between_equal_arms(candidate: int, stable: int, hits: int) -> None:
    def chance(of_candidate: int) -> float:
        ways = math.comb(candidate, of_candidate) * math.comb(stable, hits - of_candidate)
        return ways / math.comb(candidate + stable, hits)

    def e_value(of_candidate: int) -> float:
        return math.exp(split_log_e(split(Stratum(of_candidate, hits - of_candidate, candidate, stable))))

    possible = range(max(0, hits - stable), min(hits, candidate) + 1)
    assert math.fsum(chance(c) * e_value(c) for c in possible) <= 1.0 + 1e-12


@given(failures=st.integers(0, 300), successes=st.integers(0, 3000), limit=LIMITS)
def test_one_more_failure_is_more_evidence_and_one_more_success_is_less(
    failures: int, successes: int, limit: float
) -> None:
    log_e = one_sample(failures, failures + successes, limit)

    assert one_sample(failures + 1, failures + successes + 1, limit) > log_e
    assert one_sample(failures, failures + successes + 1, limit) < log_e


@given(trials=st.integers(0, 100_000), share=st.floats(0, 1), limit=LIMITS)
def test_share_up_to_the_limit_is_never_evidence(trials: int, share: float, limit: float) -> None:
    assert one_sample(math.floor(trials * limit * share), trials, limit) <= 1e-9


@pytest.mark.parametrize("limit", [0.001, 0.01, 0.05])
def test_twice_the_limit_is_found_in_the_end(limit: float) -> None:
    assert one_sample(200, round(100 / limit), limit) > math.log(1000)


def test_enormous_counts_have_a_value() -> None:
    assert math.isfinite(one_sample(2**62, 2**63, 0.05))
    assert math.isfinite(split_log_e(split(Stratum(2**62, 1, 2**62, 2**62))))
