"""Counts of pods that make a weight: never 0 of an arm that has weight, and the nearest that pods can make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.ratio import Room, Split, beside_full_stable, constant_total, toward

SIZES = st.integers(1, 200)
SHARED_WEIGHTS = st.integers(1, 99)
# Where rounding a share of the replicas asks for no canary at all, or for no stable.
HARD = [(2, 75), (5, 90), (10, 95), (25, 98), (50, 99)]


@pytest.mark.parametrize(
    ("size", "weight", "expected"),
    [
        (4, 0, Split(0, 4)),
        (4, 10, Split(1, 4)),
        (4, 25, Split(1, 4)),
        (4, 50, Split(4, 4)),
        (4, 75, Split(4, 4)),
        (1, 1, Split(1, 1)),
        (3, 10, Split(1, 3)),
        (19, 5, Split(1, 19)),
        (100, 1, Split(1, 100)),
        (0, 50, Split(0, 0)),
    ],
)
def test_the_candidate_gets_the_nearest_count_beside_a_stable_of_full_size(
    size: int, weight: int, expected: Split
) -> None:
    assert beside_full_stable(size, weight) == expected


@pytest.mark.parametrize(
    ("size", "weight", "expected"),
    [
        (20, 5, Split(1, 19)),
        (4, 10, Split(1, 3)),
        (4, 50, Split(2, 2)),
        (4, 99, Split(3, 1)),
        (4, 100, Split(4, 0)),
        (4, 0, Split(0, 4)),
        (1, 50, Split(1, 1)),
        (1, 100, Split(1, 0)),
        (0, 50, Split(0, 0)),
    ],
)
def test_both_arms_of_a_constant_total_make_the_size(size: int, weight: int, expected: Split) -> None:
    assert constant_total(size, weight) == expected


@pytest.mark.parametrize(
    ("split", "expected"), [(Split(1, 4), 20), (Split(1, 19), 5), (Split(1, 2), 33), (Split(0, 0), 0)]
)
def test_a_split_says_the_percent_that_its_pods_make(split: Split, expected: int) -> None:
    assert split.weight == expected


@pytest.mark.parametrize(("size", "weight"), HARD)
def test_both_arms_serve_where_rounding_would_empty_one(size: int, weight: int) -> None:
    shared, constant = beside_full_stable(size, weight), constant_total(size, weight)
    assert min(shared.candidate, shared.stable, constant.candidate, constant.stable) >= 1


@given(SIZES, SHARED_WEIGHTS)
def test_stable_keeps_its_size_and_the_candidate_has_one_pod_up_to_as_many(size: int, weight: int) -> None:
    split = beside_full_stable(size, weight)
    assert split.stable == size
    assert 1 <= split.candidate <= size


@given(SIZES, SHARED_WEIGHTS)
def test_no_other_count_beside_a_full_stable_is_nearer_to_the_weight(size: int, weight: int) -> None:
    chosen = beside_full_stable(size, weight).candidate
    missed = [abs(count / (size + count) - weight / 100) for count in range(1, size + 1)]
    assert missed[chosen - 1] <= min(missed) + 1e-12


@given(SIZES, st.integers(1, 98))
def test_a_higher_weight_never_makes_fewer_candidate_pods(size: int, weight: int) -> None:
    assert beside_full_stable(size, weight).candidate <= beside_full_stable(size, weight + 1).candidate
    assert constant_total(size, weight).candidate <= constant_total(size, weight + 1).candidate


@given(st.integers(2, 200), SHARED_WEIGHTS)
def test_a_constant_total_keeps_the_size_and_both_arms(size: int, weight: int) -> None:
    split = constant_total(size, weight)
    assert split.candidate + split.stable == size
    assert min(split.candidate, split.stable) >= 1


@given(st.integers(2, 200), SHARED_WEIGHTS)
def test_no_other_split_of_a_constant_total_is_nearer_to_the_weight(size: int, weight: int) -> None:
    chosen = constant_total(size, weight).candidate
    assert abs(chosen - size * weight / 100) <= min(abs(count - size * weight / 100) for count in range(1, size))


Case = tuple[Room, Split, Split, int]


@st.composite
def moves(draw: st.DrawFn) -> Case:
    """Room to move in, a target, the split that a step before may have left, and pods that become ready per move."""
    room = Room(draw(st.integers(2, 40)), draw(st.integers(0, 5)))
    weights = st.integers(0, 100)
    ready = draw(st.integers(1, 5))
    return room, constant_total(room.size, draw(weights)), constant_total(room.size, draw(weights)), ready


@given(moves())
def test_moves_toward_a_target_reach_it_when_pods_become_ready_later(case: Case) -> None:
    room, target, now, more = case
    ready = now.candidate
    for _ in range(4 * (room.size + room.surge)):
        now = toward(target, now, ready, room)
        ready = min(now.candidate, ready + more)
    assert now == target


@given(moves())
def test_moves_toward_a_target_keep_within_the_room_and_keep_the_capacity(case: Case) -> None:
    room, target, now, more = case
    ready = now.candidate
    at_least = room.size if room.surge else room.size - 1
    for turn in range(2 * room.size):
        now = toward(target, now, ready, room)
        assert now.candidate + now.stable <= max(room.size + room.surge, target.candidate + target.stable)
        assert min(ready, now.candidate) + now.stable >= at_least
        # Pods become ready by fits and starts.
        ready = min(now.candidate, ready + (more if turn % 3 else 0))


@pytest.mark.parametrize(
    ("surge", "expected"),
    [(1, "1+4 1+3 2+3 2+2 3+2 3+1 4+1 4+0"), (0, "0+3 1+3 1+2 2+2 2+1 3+1 3+0 4+0")],
)
def test_pods_of_the_candidate_take_over_one_by_one(surge: int, expected: str) -> None:
    now = Split(0, 4)
    story: list[str] = []
    while now != Split(4, 0) and len(story) < 20:
        now = toward(Split(4, 0), now, now.candidate, Room(4, surge))
        story.append(f"{now.candidate}+{now.stable}")
    assert " ".join(story) == expected
