"""The judge's promises over simulated rollouts: a small cut of `make bench-judge`, at the same bars."""

import math

import numpy as np
import pytest

from bench.judge import latencies, ours, worlds
from bench.judge.limits import healthy
from bench.judge.others import FLAGGER
from bench.judge.pictures import PICTURES
from bench.judge.tables import ALPHA, BAR, SHARES, Size, Table, passes

ROLLOUTS = 400


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def rolled_back(looks: ours.Looks) -> float:
    return float((looks.alarm >= BAR).any(axis=0).mean())


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(worlds.alike(100), id="half of the requests"),
        pytest.param(worlds.growing(100, 0.005, 0.03), id="share 5 to 50 percent, base rate .5 to 3 percent"),
        pytest.param(worlds.growing(100, 0.01, 0.01).with_outage(0.2), id="a shared outage of 1 s"),
    ],
)
def test_healthy_rollouts_are_rarely_rolled_back_for_errors(world: worlds.World) -> None:
    assert rolled_back(ours.errors(worlds.errors_of(world, ROLLOUTS, draw(1)), world.new_steps)) <= ALPHA


def test_a_pooled_test_would_roll_back_many_of_them_at_one_look() -> None:
    """The world above is hard: summed over its steps the healthy canary looks much worse (Simpson's paradox)."""
    counts = worlds.errors_of(worlds.growing(100, 0.005, 0.03), ROLLOUTS, draw(1))
    sums = (counts.candidate_hits, counts.stable_hits, counts.candidate, counts.stable)
    pooled = worlds.Counts(*(one.sum(axis=0, keepdims=True) for one in sums))

    assert rolled_back(ours.errors(pooled, frozenset())) > 0.25


def test_healthy_rollouts_are_rarely_rolled_back_for_latency() -> None:
    world = worlds.growing(60, 0.0, 0.0)

    assert rolled_back(ours.latency(world, latencies.as_fast, 200, draw(2))[0]) <= ALPHA


def test_healthy_rollouts_are_rarely_rolled_back_by_a_limit() -> None:
    mine, window = healthy(0.02, 60, draw(3))

    assert mine <= 0.01
    assert window > 0.15


@pytest.mark.parametrize(
    ("share", "designed"),
    [
        pytest.param(share, wanted, id=f"{share:.0%}")
        for share, wanted in zip(SHARES, (18_200, 9_800, 5_000, 3_800), strict=True)
    ],
)
def test_a_doubled_error_rate_is_found_as_fast_as_designed(share: float, designed: int) -> None:
    looks = ours.errors(
        worlds.errors_of(worlds.differing(designed // 100, share, 0.02, 0.01), 2_000, draw(4)), frozenset()
    )

    for log_e in (looks.plain, looks.alarm):
        assert float(np.median(ours.first(log_e >= BAR, looks.requests))) == pytest.approx(designed, rel=0.15)


@pytest.mark.parametrize(
    ("slower", "at_most"),
    [
        pytest.param(latencies.slowed(1.2), 3_500, id="1.2 times slower"),
        pytest.param(latencies.top_decile_doubled, 1_200, id="top decile doubled"),
    ],
)
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_slower_canary_is_found(slower: latencies.Above, at_most: int, share: float) -> None:
    looks, _ = ours.latency(worlds.alike(20, share), slower, 60, draw(5))

    assert float(np.median(ours.first(looks.alarm >= BAR, looks.requests))) <= at_most


@pytest.mark.parametrize("new_steps", [{100}, {50}, set()], ids=["with a step", "in mid-step", "in the only step"])
def test_a_fault_is_found_after_a_long_healthy_time(new_steps: set[int]) -> None:
    rate = np.concatenate((np.full(100, 0.01), np.full(20, 0.05)))
    world = worlds.World(np.full(120, 0.5), rate, np.full(120, 0.01))
    looks = ours.errors(worlds.errors_of(world, 200, draw(6)), frozenset(new_steps))

    assert float(np.median(ours.first(looks.alarm >= BAR, looks.requests - 20_000))) <= 1_500


def test_canaries_at_the_margin_rarely_pass() -> None:
    bar = math.log(20)
    at_margin = worlds.errors_of(worlds.differing(100, 0.5, 0.04, 0.02), ROLLOUTS, draw(7))
    slow, _ = ours.latency(worlds.alike(40), latencies.slowed(1.21), 200, draw(8))

    assert float((ours.errors(at_margin, frozenset()).passed >= bar).any(axis=0).mean()) <= 0.05
    assert float((slow.passed >= bar).any(axis=0).mean()) <= 0.05


def test_a_fixed_threshold_is_wrong_on_the_same_requests() -> None:
    alike = worlds.errors_of(worlds.alike(100), ROLLOUTS, draw(9))

    assert float(FLAGGER.alarms(alike).any(axis=0).mean()) > 0.9


def test_rank_test_agrees_with_a_hand_count() -> None:
    """Two fast stable requests, one slow canary request and one tie: U = 1.5 + 2 of 4, variance by the tie formula."""
    z = ours.rank_test(np.array([[0.0, 1.0, 1.0]]), np.array([[1.0, 1.0, 0.0]]))

    assert z[0] == pytest.approx((3.5 - 2) / math.sqrt(4 / 12 * (5 - 6 / 12)))


def test_tables_and_pictures_are_made() -> None:
    table = passes(Size(20, 4))

    assert isinstance(table, Table)
    assert table.markdown().count("\n|") == len(table.rows) + 2
    assert all(picture().startswith("<svg") for picture in PICTURES.values())
