"""What time and numbers do to a status: its size, what stays warm, how long the history is."""

from collections.abc import Mapping
from typing import Any

import pytest
from core.values import NOW, candidate, entry, later, reasons, revision, seen, settled, status, turn

from modelrollout.api.status import HistoryEntry, ModelRolloutStatus, Outcome, Previous
from modelrollout.core.decision import Note
from modelrollout.core.tidy import expire, grow, keep_size, prune
from modelrollout.core.turn import Turn

SHARED = status(candidate=candidate(), size=4)
FIRST = status(stable=None, candidate=candidate(strategy="first"), size=4)


def bad(number: int) -> HistoryEntry:
    return entry(number, Outcome.REJECTED)


def look(known: ModelRolloutStatus, wishes: Mapping[str, Any] | None = None) -> Turn:
    return turn(known, seen(), wishes)


@pytest.mark.parametrize(
    ("known", "asked", "expected"),
    [
        pytest.param(SHARED, 2, 4, id="a smaller size waits for the end of the rollout"),
        pytest.param(SHARED, 4, 4, id="the same size"),
        pytest.param(SHARED, 6, 6, id="a larger size is taken at once"),
        pytest.param(SHARED, 0, 0, id="asleep"),
        pytest.param(settled(1, size=4), 2, 2, id="without a candidate it shrinks"),
        pytest.param(settled(1, size=4), 6, 6, id="without a candidate it grows"),
        pytest.param(FIRST, 2, 2, id="the first model shares no traffic"),
    ],
)
def test_the_size_only_grows_while_traffic_is_shared(known: ModelRolloutStatus, asked: int, expected: int) -> None:
    assert grow(look(known, {"replicas": asked}), known).status == known.but(size=expected)


def test_a_size_that_waited_is_taken_when_the_rollout_has_ended() -> None:
    kept = grow(look(SHARED, {"replicas": 2}), SHARED).status
    ended = kept.but(candidate=None, stable=kept.current)
    assert (kept.size, grow(look(ended, {"replicas": 2}), ended).status.size) == (4, 2)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(status(size=4), 4, id="with a new model in the same apply"),
        pytest.param(status(size=4, history=[entry(1), bad(2)]), 2, id="of a model that is not tried again"),
        pytest.param(settled(2, size=4, smaller_from=later(1)), 4, id="a moment after traffic moved"),
        pytest.param(settled(2, size=4, smaller_from=later(0)), 2, id="once it was asked for again"),
    ],
)
def test_a_smaller_size(known: ModelRolloutStatus, expected: int) -> None:
    assert grow(look(known, {"replicas": 2}), known).status.size == expected


@pytest.mark.parametrize(("asked", "expected"), [(1, 3), (5, 5), (0, 0)], ids=["below it", "above it", "asleep"])
def test_the_floor_of_an_autoscaler_holds(asked: int, expected: int) -> None:
    wishes = {"replicas": asked, "autoscaling": {"minReplicas": 3, "maxReplicas": 9, "targetCPUUtilization": 70}}
    assert grow(look(settled(1, size=3), wishes), settled(1, size=3)).status.size == expected


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        pytest.param(SHARED, settled(2), True, id="promoted"),
        pytest.param(SHARED, status(), True, id="taken back"),
        pytest.param(settled(2), settled(1), True, id="gone back after the promotion"),
        pytest.param(settled(1), settled(1), False, id="nothing has moved"),
        pytest.param(FIRST, settled(1), False, id="the first model"),
        pytest.param(status(), SHARED, False, id="a rollout begins"),
    ],
)
def test_a_smaller_size_waits_for_a_minute_from_when(
    *, before: ModelRolloutStatus, after: ModelRolloutStatus, kept: bool
) -> None:
    assert keep_size(look(before), after).status.smaller_from == (later(60) if kept else None)


@pytest.mark.parametrize(("until", "told"), [(1, []), (0, ["PreviousStopped"])])
def test_the_previous_model_is_kept_warm_until_its_time_is_over(until: float, told: list[str]) -> None:
    known = settled(2, previous=Previous(revision="v1", version="1.0.0", until=later(until)))
    moved = expire(look(known), known)
    assert (moved.status.previous is None, reasons(moved.notes)) == (bool(told), told)


def test_the_end_of_the_warm_time_is_said() -> None:
    known = settled(2, previous=Previous(revision="v1", version="1.0.0", until=NOW))
    assert expire(look(known), known).notes == (Note("PreviousStopped", "1.0.0 (v1) is no longer kept warm"),)


@pytest.mark.parametrize(("until", "kept"), [(1, True), (0, False)], ids=["it lasts", "it is over"])
def test_a_cooldown_is_forgotten_when_it_is_over(*, until: float, kept: bool) -> None:
    known = settled(1, cooldown_until=later(until))
    assert (expire(look(known), known).status.cooldown_until is not None) is kept


@pytest.mark.parametrize(
    ("known", "limit", "expected"),
    [
        pytest.param(settled(4), 4, [1, 2, 3, 4], id="as many as are remembered"),
        pytest.param(settled(4), 2, [3, 4], id="the oldest go first"),
        pytest.param(
            settled(1, history=[entry(1), bad(2), bad(3), bad(4)]), 2, [1, 4], id="stable stays although it is oldest"
        ),
        pytest.param(
            settled(2, history=[entry(1), entry(2), bad(3), bad(4), bad(5)]),
            2,
            [1, 2],
            id="the newest healthy one below stable stays",
        ),
        pytest.param(
            settled(3, history=[entry(1), entry(2, Outcome.UNHEALTHY), entry(3), bad(4)]),
            2,
            [1, 3],
            id="one marked bad is not kept for the way back",
        ),
        pytest.param(
            settled(3, current=revision(2), history=[entry(1), bad(2), entry(3), bad(4), bad(5)]),
            3,
            [1, 2, 3],
            id="what the spec asks for stays rejected",
        ),
        pytest.param(
            status(candidate=candidate(5), history=[entry(1), bad(2), bad(3), entry(5, Outcome.SUPERSEDED)]),
            2,
            [1, 2, 5],
            id="what is in use stays beyond the limit",
        ),
    ],
)
def test_history_is_pruned_but_never_of_what_is_needed(
    known: ModelRolloutStatus, limit: int, expected: list[int]
) -> None:
    pruned = prune(look(known, {"rollback": {"historyLimit": limit}}), known).status
    assert pruned == known.but(history=[one for one in known.history if one.revision in {f"v{n}" for n in expected}])


def test_old_messages_are_cut_so_that_the_status_stays_small() -> None:
    told = [entry(number, Outcome.REJECTED, message="x" * 500) for number in range(1, 13)]
    known = settled(12, history=told)
    pruned = prune(look(known, {"rollback": {"historyLimit": 20}}), known).status
    assert [len(one.message) for one in pruned.history] == [100] * 2 + [300] * 10
