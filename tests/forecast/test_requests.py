"""The forecast against medians that were published or played: no formula that only agrees with itself."""

import math

import numpy as np
import pytest

from modelrollout.forecast import errors, latency
from modelrollout.forecast.bets import NEVER, Bet, mixed, requests_until

ALPHA = math.log(1 / 0.05)
PROVEN = math.log(1 / 0.05)


@pytest.mark.parametrize(("share", "median"), [(0.05, 18_200), (0.10, 9_800), (0.25, 5_000), (0.50, 3_800)])
def test_a_doubled_error_rate_takes_the_published_requests(share: float, median: int) -> None:
    assert requests_until(errors.worse(0.01, 2.0, share), ALPHA) == pytest.approx(median, rel=0.15)


@pytest.mark.parametrize(("share", "median"), [(0.10, 1_200), (0.50, 600)])
def test_a_fivefold_error_rate_takes_the_published_requests_but_for_the_last_look(share: float, median: int) -> None:
    """Published with a look every 200 requests: the moment of crossing is on average half of that earlier."""
    assert requests_until(errors.worse(0.01, 5.0, share), ALPHA) + 100 == pytest.approx(median, rel=0.25)


@pytest.mark.parametrize(("rate", "median"), [(0.5, 7), (0.2, 52), (0.1, 455)])
def test_a_limit_takes_the_published_requests(rate: float, median: int) -> None:
    assert requests_until(errors.above(rate, 1.0, 0.05), math.log(1 / 0.005)) == pytest.approx(median, rel=0.05)


@pytest.mark.parametrize(("rate", "median"), [(0.0, 820), (0.001, 1_500)])
def test_a_canary_without_errors_passes_after_the_published_requests(rate: float, median: int) -> None:
    share = 0.5
    proof = mixed(errors.no_worse(rate, share, 2.0), errors.below(rate, share, 0.005))

    assert share * requests_until(proof, PROVEN) == pytest.approx(median, rel=0.25)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_slowdown_is_found_within_the_published_requests(share: float) -> None:
    assert 600 <= requests_until(latency.slower(1.2, share), ALPHA) <= 3_200


@pytest.mark.parametrize(("share", "least", "most"), [(0.5, 600, 2_800), (0.1, 1_600, 8_000)])
def test_latency_passes_within_the_published_requests(share: float, least: int, most: int) -> None:
    assert least <= requests_until(latency.no_slower(1.2, share), PROVEN) <= most


def test_the_grid_of_ratios_gives_the_published_evidence() -> None:
    def added(bet: tuple[float, float]) -> float:
        weight, delta = bet
        return weight + 3 * delta - (3 + 5) * math.log1p(0.1 * math.expm1(delta))

    logs = [added(bet) for bet in zip(errors.RATIO_WEIGHTS, errors.RATIOS, strict=True)]
    assert math.log(math.fsum(map(math.exp, logs))) == pytest.approx(1.539153, abs=1e-6)


def test_what_is_no_worse_is_never_found_worse() -> None:
    assert requests_until(errors.worse(0.01, 1.0, 0.25), ALPHA) == NEVER
    assert requests_until(latency.slower(1.0, 0.25), ALPHA) == NEVER


def test_what_is_as_bad_as_the_limit_never_passes() -> None:
    assert requests_until(errors.below(0.05, 1.0, 0.05), PROVEN) == NEVER


def test_nothing_is_found_without_errors_to_compare() -> None:
    assert requests_until(errors.worse(0.0, 2.0, 0.25), ALPHA) == NEVER


def test_more_of_the_traffic_decides_sooner() -> None:
    needed = [requests_until(errors.worse(0.01, 2.0, share), ALPHA) for share in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)]

    assert needed == sorted(needed, reverse=True)


def test_a_level_of_nothing_is_reached_at_once() -> None:
    assert requests_until((Bet(0.0, 1.0, 0.0),), 0.0) == 0.0


def test_a_bet_without_chance_crosses_at_the_exact_request() -> None:
    assert requests_until((Bet(0.0, 0.5, 0.0),), 3.0) == pytest.approx(6.0)


# Played tests: what the formulas say of the two proofs is compared with 400 seeded runs of the tests themselves.

RUNS = 400
LOOK = 100


def test_the_proof_of_no_more_errors_takes_what_played_proofs_take() -> None:
    rate, share = 0.01, 0.25
    proof = mixed(errors.no_worse(rate, share, 2.0), errors.below(rate, share, 0.005))

    assert requests_until(proof, PROVEN) == pytest.approx(_played_proof(rate, share), rel=0.15)


def _played_proof(rate: float, share: float) -> float:
    """Median requests of both arms, looked at every 100."""
    draw = np.random.default_rng(5)
    candidates = round(LOOK * share)
    ratios = np.linspace(math.log(2) - 2.5, math.log(2) - 0.02, 24)
    weights = np.exp(-0.5 * ((ratios - math.log(2)) / 0.8) ** 2)
    rates = 0.005 * np.exp(-np.linspace(0.1, 6.0, 24))
    relative, absolute = np.zeros((RUNS, 24)), np.zeros((RUNS, 24))
    ended = np.full(RUNS, np.inf)
    for look in range(1, 600):
        c = draw.binomial(candidates, rate, RUNS)[:, None]
        s = draw.binomial(LOOK - candidates, rate, RUNS)[:, None]
        bound = c * math.log(2) - (c + s) * math.log1p(share)
        relative += c * ratios - (c + s) * np.log1p(share * np.expm1(ratios)) - bound
        absolute += c * np.log(rates / 0.005) + (candidates - c) * np.log((1 - rates) / 0.995)
        e = (np.exp(relative) @ (weights / weights.sum()) + np.exp(absolute).mean(axis=1)) / 2
        ended = np.where(np.isinf(ended) & (e >= 20), look * LOOK, ended)
        if np.isfinite(ended).mean() > 0.5:
            break
    return float(np.median(ended))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_slowdown_takes_what_played_slowdowns_take(share: float) -> None:
    assert requests_until(latency.slower(1.2, share), ALPHA) == pytest.approx(_played_slowdown(share), rel=0.3)


def _played_slowdown(share: float) -> float:
    """Median requests of both arms, looked at every 100; log-normal latencies, the canary's 1.2 times as long."""
    draw = np.random.default_rng(7)
    candidates = round(LOOK * share)
    edges = np.exp(latency.SPREAD * np.array([0.0, 0.67449, 1.28155, 1.64485, 2.32635]))
    weights, ratios = np.exp(np.array(errors.RATIO_WEIGHTS)), np.exp(np.array(errors.RATIOS))
    logs = np.zeros((RUNS, len(edges), 24))
    pooled, seen = 5 * np.tile(np.array(latency.EXCEEDANCES), (RUNS, 1)), np.full((RUNS, 1), 5.0)
    ended = np.full(RUNS, np.inf)
    for look in range(1, 120):
        times = np.exp(latency.SPREAD * draw.standard_normal((RUNS, LOOK)))
        times[:, :candidates] *= 1.2
        slow = times[:, :, None] > edges
        c, s = slow[:, :candidates].sum(axis=1)[:, :, None], slow[:, candidates:].sum(axis=1)[:, :, None]
        rate = np.clip(pooled / seen, 1e-4, 0.95)[:, :, None]
        ts = rate / (share * ratios + 1 - share)
        tc = np.minimum(ts * ratios, 1 - 1e-6)
        null = share * tc + (1 - share) * ts
        logs += c * np.log(tc / null) + (candidates - c) * np.log((1 - tc) / (1 - null))
        logs += s * np.log(ts / null) + (LOOK - candidates - s) * np.log((1 - ts) / (1 - null))
        pooled, seen = pooled + (c + s)[:, :, 0], seen + LOOK
        e = (np.exp(logs) @ weights).mean(axis=1)
        ended = np.where(np.isinf(ended) & (e >= 20), look * LOOK, ended)
        if np.isfinite(ended).mean() > 0.5:
            break
    return float(np.median(ended))
