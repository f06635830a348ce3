"""Errors against stable's: the designed and published values, and what has to hold for any data."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.judge import mixtures
from modelrollout.judge.dispersion import Dispersion
from modelrollout.judge.eprocesses import Stratum, log_sum_exp, split, split_log_e
from modelrollout.judge.ratios import Ratio, begun, log_pass, short_of
from modelrollout.judge.stakes import AT_ONCE, ROLLOUT, Stakes

Strata = Sequence[tuple[int, int, int, int]]


def ratio(strata: Strata, margins: tuple[float, ...] = (2.0,)) -> Ratio:
    found = begun(margins, AT_ONCE)
    for stratum in strata:
        found = found.plus(Stratum(*stratum))
    return found


@pytest.mark.parametrize(
    ("strata", "log_e"),
    [
        pytest.param([(3, 5, 100, 900)], 1.539153, id="one stratum"),
        pytest.param([(3, 5, 100, 900), (6, 9, 250, 750)], 1.647420, id="two strata"),
        pytest.param([(10, 10, 100, 900)], 8.629903, id="five times the share"),
        pytest.param([(10, 0, 100, 0), (0, 10, 0, 100)], 0.0, id="one arm at a time says nothing"),
        pytest.param([(0, 0, 100, 900)], 0.0, id="no errors say nothing"),
    ],
)
def test_log_e_has_the_designed_value(strata: Strata, log_e: float) -> None:
    assert ratio(strata).log_e == pytest.approx(log_e, abs=1e-6)


def test_proof_of_no_worse_has_the_designed_value() -> None:
    assert ratio([(20, 180, 1000, 9000)]).log_e_noninferior(2.0) == pytest.approx(4.233603, abs=1e-6)


def test_proof_of_negligible_errors_has_the_designed_value() -> None:
    """96.44935152054 by the formula in decimal arithmetic of 60 digits; the design's 96.448952 is a slip of a digit."""
    assert math.exp(float(mixtures.below(0, 1000, 0.005))) == pytest.approx(96.44935152054, abs=1e-9)


def test_820_requests_without_an_error_are_proof() -> None:
    few, enough = (log_pass(ratio([(0, 0, requests, requests)]), 2.0, 0.005) for requests in (800, 820))

    assert few < math.log(20) <= enough


def test_published_canary_example_stops_where_it_was_published_to_stop() -> None:
    """Lindon and Malek's Poisson canary (the savvi package): its Dirichlet mixture over our gains."""
    rates = np.array((0.8, 0.2)) * np.exp((1.5, 2.0))
    draws = np.random.RandomState(1).multinomial(1, rates / rates.sum(), size=1000)  # as published
    shares = (np.arange(4000) + 0.5) / 4000
    prior = math.lgamma(100) - math.lgamma(20) - math.lgamma(80) + 19 * np.log(shares) + 79 * np.log1p(-shares)
    counts = np.cumsum(draws, axis=0, dtype=float)
    ratios = np.log(shares / (1 - shares)) - math.log(0.2 / 0.8)
    gains = mixtures.split_gains(counts[:, 1:], counts.sum(axis=1, keepdims=True), 0.2, ratios)
    log_e = mixtures.log_sum_exp(prior - math.log(4000) + gains)
    stopped = int(np.argmax(log_e >= math.log(20)))

    assert (stopped + 1, *counts[stopped]) == (210, 148, 62)
    assert math.exp(-log_e[stopped]) == pytest.approx(0.045579631759249686, rel=1e-9)


def test_the_interval_holds_the_ratio_and_narrows() -> None:
    wide = ratio([(10, 90, 500, 9000)]).interval(0.05)
    narrow = ratio([(10, 90, 500, 9000)] * 10).interval(0.05)

    assert wide.ratio == pytest.approx(2.0, rel=0.05)
    assert wide.low is not None
    assert narrow.low is not None
    assert narrow.high is not None
    assert wide.low < narrow.low < 2.0 < narrow.high
    assert wide.high is None or narrow.high < wide.high


def test_nothing_bounds_a_ratio_without_errors() -> None:
    found = ratio([(0, 0, 500, 500)]).interval(0.05)

    assert (found.ratio, found.low, found.high) == (None, None, None)


def test_each_margin_has_its_own_proof() -> None:
    both = ratio([(20, 180, 1000, 9000)], margins=(2.0, 4.0))

    assert both.log_e_noninferior(4.0) > both.log_e_noninferior(2.0) == pytest.approx(4.233603, abs=1e-6)


counts = st.integers(0, 30)
stratum = st.tuples(counts, counts, st.integers(30, 500), st.integers(30, 5000))
strata = st.lists(stratum, min_size=1, max_size=12)


@given(strata)
def test_sums_are_those_of_the_plain_test(found: list[tuple[int, int, int, int]]) -> None:
    logs = [math.fsum(column) for column in zip(*(split(Stratum(*one)) for one in found), strict=True)]

    assert ratio(found).log_e == pytest.approx(split_log_e(logs), abs=1e-9)


@given(strata, st.data())
def test_order_of_strata_does_not_matter(found: list[tuple[int, int, int, int]], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(found))

    one, other = ratio(found), ratio(shuffled)

    assert one.gains == pytest.approx(other.gains, abs=1e-9)
    assert one.hits == other.hits


@given(stratum, st.integers(2, 9))
def test_a_stratum_cut_into_equal_parts_is_the_same_evidence(one: tuple[int, int, int, int], parts: int) -> None:
    whole: tuple[int, int, int, int] = (one[0] * parts, one[1] * parts, one[2] * parts, one[3] * parts)

    assert ratio([whole]).gains == pytest.approx(ratio([one] * parts).gains, abs=1e-7)


@given(stratum)
def test_the_same_counts_are_more_evidence_at_a_smaller_share(one: tuple[int, int, int, int]) -> None:
    candidate, stable, of_candidate, of_stable = one
    assert ratio([(candidate, stable, of_candidate, 2 * of_stable)]).log_e >= ratio([one]).log_e


@given(strata, strata)
def test_a_later_step_has_its_part_of_what_follows(
    before: list[tuple[int, int, int, int]], after: list[tuple[int, int, int, int]]
) -> None:
    found = begun((2.0,), Stakes(beginning=0.5, steps=0.5, rounds=0.0))
    for one in before:
        found = found.plus(Stratum(*one))
    found = found.restarted()
    for one in after:
        found = found.plus(Stratum(*one))

    parts = (math.log(0.5) + ratio([*before, *after]).log_e, math.log(0.25) + ratio(after).log_e)
    assert found.alarm == pytest.approx(float(np.logaddexp(*parts)), abs=1e-7)


@given(strata)
def test_all_moments_have_their_part_of_what_follows(found: list[tuple[int, int, int, int]]) -> None:
    known = begun((2.0,), Stakes(beginning=0.6, steps=0.0, rounds=0.4))
    for one in found:
        known = known.plus(Stratum(*one))

    hits = [0, *accumulate(one[0] + one[1] for one in found)]
    parts = [math.log(0.6) + ratio(found).log_e]
    for at, (before, now) in enumerate(pairwise(hits), start=1):
        part = 0.4 * (now / (now + 50) - before / (before + 50))
        parts += [math.log(part) + ratio(found[at:]).log_e] if part > 0 else []
    assert known.alarm == pytest.approx(log_sum_exp(parts), abs=1e-7)


@given(st.lists(st.integers(0, 40), max_size=50))
def test_no_more_than_the_whole_capital_is_ever_bet(hits: list[int]) -> None:
    sums = [0, *accumulate(hits)]
    later = math.fsum(math.exp(ROLLOUT.at_step(number)) for number in range(1, 60))
    rounds = math.fsum(float(ROLLOUT.after_round(before, now)) for before, now in pairwise(sums))

    assert ROLLOUT.beginning + later + rounds <= 1 + 1e-9


def test_a_fault_in_the_middle_of_a_step_is_seen_by_what_was_bet_since() -> None:
    healthy = begun((2.0,))
    for _ in range(50):
        healthy = healthy.plus(Stratum(2, 2, 200, 200))
    found = healthy
    for _ in range(4):
        found = found.plus(Stratum(10, 2, 200, 200))

    assert found.alarm > math.log(20)
    assert found.log_e < math.log(20)


def test_a_fault_after_a_long_healthy_time_is_seen_by_the_last_restart() -> None:
    healthy = begun((2.0,)).plus(Stratum(100, 100, 10_000, 10_000)).restarted()
    found = healthy.plus(Stratum(32, 3, 500, 500))

    assert found.alarm > math.log(300)
    assert found.log_e < math.log(300)


def test_bursts_between_stable_pods_weaken_the_evidence() -> None:
    calm, stormy = Dispersion(), Dispersion()
    for _ in range(20):
        calm = calm.plus([(5, 100), (4, 100), (6, 100)])
        stormy = stormy.plus([(15, 100), (0, 100), (0, 100)])
    one = Stratum(10, 10, 100, 900)

    assert calm.factor == 1.0
    assert stormy.factor > 5
    assert begun((2.0,)).plus(one, stormy).log_e < begun((2.0,)).plus(one, calm).log_e / 3


def test_one_pod_and_a_total_failure_say_nothing_about_bursts() -> None:
    assert Dispersion().plus([(5, 100)]) == Dispersion()
    assert Dispersion().plus([(100, 100), (100, 100)]) == Dispersion()
    assert Dispersion().plus([(0, 0), (3, 9)]) == Dispersion()


def test_dispersion_is_at_most_20() -> None:
    assert Dispersion(spread=1e6, freedom=10).factor == 20.0


def test_p_remembers_the_strongest_look() -> None:
    found = ratio([(10, 10, 100, 900)])

    later = found.plus(Stratum(0, 200, 1000, 9000))

    assert later.log_e < found.log_e
    assert later.p == pytest.approx(math.exp(-found.log_e))
    assert replace(later, peak=0.0).p == 1.0


@pytest.mark.parametrize(("candidate", "stable", "hits"), [(10, 90, 5), (50, 50, 20), (3, 2, 4)])
def test_proof_of_no_worse_expects_at_most_one_at_the_margin(candidate: int, stable: int, hits: int) -> None:
    """With hits drawn as if the canary's requests weighed `margin` times stable's."""
    margin = 2.0
    share = candidate * margin / (candidate * margin + stable)

    def chance(of_candidate: int) -> float:
        return math.comb(hits, of_candidate) * share**of_candidate * (1 - share) ** (hits - of_candidate)

    def e_value(of_candidate: int) -> float:
        gains = mixtures.split_gains(of_candidate, hits, candidate / (candidate + stable), mixtures.noninferior_bets(2))
        return math.exp(float(mixtures.noninferior(gains)))

    assert math.fsum(chance(c) * e_value(c) for c in range(hits + 1)) == pytest.approx(1.0)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 500), st.integers(1, 5000))
def test_no_bet_gains_more_than_the_best_one_there_could_be(ours: int, theirs: int, own: int, other: int) -> None:
    share = own / (own + other)

    gained = mixtures.split_gains(ours, ours + theirs, share, mixtures.WORSE)

    assert gained.max() <= mixtures.most_gained(ours, ours + theirs, share) + 1e-9


def test_hits_without_requests_could_gain_anything() -> None:
    """A scrape can fall between two counters of one request."""
    assert mixtures.most_gained(1, 1, 0.0) == math.inf
    assert mixtures.most_gained(0, 1, 0.0) == 0.0


@given(st.integers(0, 60), st.integers(0, 60), st.floats(-2.0, 6.0))
def test_a_proof_is_short_of_the_bar_by_what_it_is_or_not_at_all(ours: int, theirs: int, bar: float) -> None:
    found = ratio([(ours, theirs, 400, 1600)])

    passed = log_pass(found, 2.0, 0.005)

    assert short_of(bar, found, 2.0, 0.005) == (pytest.approx(passed) if passed < bar else None)
