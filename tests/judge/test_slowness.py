"""Latency against stable's, at edges fixed before the data."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.judge import mixtures
from modelrollout.judge.quantiles import quantiles
from modelrollout.judge.slowness import P95, Proof, Slow, Slowness, Yardstick, slow_at, yardstick
from modelrollout.judge.strata import Buckets, upto

EDGES = tuple(float(f"{0.05 * 1.1**i:.6g}") for i in range(153))


def lognormal(rng: np.random.Generator, requests: int, times: float = 1.0) -> list[int]:
    """Counts per bucket of requests around 20 ms."""
    drawn = times * 20 * np.exp(0.5 * rng.standard_normal(requests))
    return list(map(int, np.bincount(np.searchsorted(EDGES, drawn), minlength=len(EDGES) + 1)))


def below(rng: np.random.Generator, requests: int, times: float = 1.0) -> Buckets:
    """The same as requests up to each edge."""
    found: Buckets = upto([lognormal(rng, requests, times)])[0]
    return found


def measure() -> Yardstick:
    found = yardstick(EDGES, below(np.random.default_rng(0), 20_000).tolist(), 1.2)
    assert found is not None
    return found


def at(known: Yardstick, candidate: Buckets, stable: Buckets, tolerated: float = 0.0) -> Slow:
    return slow_at(known, (candidate, stable), known.proof(candidate, stable), tolerated)


def after(rounds: int, times: float, seed: int = 1, requests: int = 100) -> Slowness:
    rng = np.random.default_rng(seed)
    found = Slowness(measure())
    for _ in range(rounds):
        found = found.plus(at(found.measure, below(rng, requests, times), below(rng, requests)))
    return found


def test_the_yardstick_stands_at_stables_quantiles() -> None:
    found = measure()

    values = [EDGES[index] for index in found.at]
    assert values == pytest.approx([20 * math.exp(0.5 * z) for z in (0, 0.674, 1.282, 1.645, 2.326)], rel=0.11)
    assert found.before == pytest.approx([0.5, 0.25, 0.1, 0.05, 0.01], rel=0.25)


def test_a_tolerance_of_1_2_is_two_buckets() -> None:
    found = measure()

    assert found.tolerated - found.at[P95] == 2


def test_few_requests_give_no_yardstick() -> None:
    assert yardstick(EDGES, below(np.random.default_rng(0), 199).tolist(), 1.2) is None
    assert yardstick((), (500,), 1.2) is None


def test_the_last_edge_is_as_far_as_a_yardstick_goes() -> None:
    found = yardstick((1.0, 2.0), (0, 0, 500), 1.2)

    assert found is not None
    assert (found.at, found.tolerated) == ((1,) * 5, 1)


def fast(requests: int, slow: int) -> Buckets:
    """A third of a millisecond, but for so many slow ones."""
    times = [0.3] * (requests - slow) + [2.0] * slow
    counts = np.bincount(np.searchsorted(EDGES, times), minlength=len(EDGES) + 1)
    found: Buckets = upto([counts.tolist()])[0]
    return found


@pytest.mark.parametrize(("slow", "passes"), [(2, True), (8, False)])
def test_a_canary_whose_p95_is_below_a_millisecond_is_fast_enough(slow: int, *, passes: bool) -> None:
    measure = yardstick(EDGES, fast(20_000, 400).tolist(), 1.2)
    assert measure is not None
    found = Slowness(measure)
    for _ in range(10):
        found = found.plus(at(measure, fast(100, slow), fast(400, 8)))

    assert (found.short_of(math.log(20), 0.005) is None) == passes


def test_a_slow_canary_is_found_and_never_passes() -> None:
    found = after(30, times=1.5)

    assert found.alarm > math.log(400)
    assert found.log_pass(0.005) < 0
    assert found.p < 0.01


def test_a_canary_as_fast_as_stable_passes_and_is_never_found() -> None:
    found = after(30, times=1.0)

    assert found.log_pass(0.005) > math.log(20)
    assert found.alarm < 0
    assert found.p == 1.0


def test_a_canary_beyond_the_tolerance_does_not_pass() -> None:
    found = after(30, times=1.22)

    assert found.log_pass(0.005) < math.log(20)


def test_the_worst_edge_is_named() -> None:
    one = Slow(candidate=(500, 250, 100, 90, 10), stable=(500, 250, 100, 50, 10), candidate_requests=1000)
    found = Slowness(measure()).plus(Slow(one.candidate, one.stable, 1000, 1000, Proof(50, 1000, 50, 1000)))

    assert found.worst == P95


def test_an_arm_without_requests_adds_nothing() -> None:
    found = after(3, times=1.0)

    assert found.plus(Slow((9,) * 5, (0,) * 5, 9, 0, Proof(9, 9, 0, 0))).gains is found.gains


@pytest.mark.parametrize(
    ("trials", "other", "rate", "pooled"), list(product((3, 12), (4, 20), (0.02, 0.3), (0.05, 0.4)))
)
def test_one_table_expects_at_most_one_whatever_the_common_rate(
    trials: int, other: int, rate: float, pooled: float
) -> None:
    """The bet is exact where the common rate is the pooled one, and loses where it is another."""

    def chance(hits: int, of: int) -> float:
        return math.comb(of, hits) * rate**hits * (1 - rate) ** (of - hits)

    def e_value(hits: int, other_hits: int) -> float:
        gains = mixtures.table_gains((hits, trials), (other_hits, other), pooled)
        return math.exp(float(mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + gains)))

    expected = math.fsum(
        chance(hits, trials) * chance(others, other) * e_value(hits, others)
        for hits in range(trials + 1)
        for others in range(other + 1)
    )
    assert expected <= 1 + 1e-9


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_restart_keeps_what_was_bet_before(first: int, second: int) -> None:
    def one(slow: int) -> Slow:
        return Slow((slow,) * 5, (3,) * 5, 100, 100, Proof(slow, 100, 3, 100))

    begun = Slowness(measure()).plus(one(first))
    plain, restarted = begun.plus(one(second)), begun.restarted().plus(one(second))

    assert restarted.log_e == pytest.approx(plain.log_e)
    assert restarted.alarm >= plain.alarm - 1e-9


def test_quantiles_are_within_a_bucket_of_the_truth() -> None:
    found = quantiles(EDGES, below(np.random.default_rng(3), 50_000).tolist())

    truth = [20.0, 20 * math.exp(0.5 * 1.645), 20 * math.exp(0.5 * 2.326)]
    assert [one.name for one in found] == ["p50", "p95", "p99"]
    assert [one.value for one in found] == pytest.approx(truth, rel=0.06)
    assert all(one.low < value < one.high for one, value in zip(found, truth, strict=True))


def test_quantiles_of_few_requests_have_a_wide_interval_and_of_none_none() -> None:
    few = quantiles(EDGES, below(np.random.default_rng(3), 40).tolist())

    assert few[0].high / few[0].low > 1.3
    assert quantiles(EDGES, [0] * 154) == ()
    assert quantiles((), [5]) == ()
    assert quantiles((10.0,), [0, 5])[0].value == 10.0
    assert quantiles((10.0,), [5, 5])[0].low == 0.0
