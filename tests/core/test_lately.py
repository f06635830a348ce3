"""The numbers of each version in the status: always there, and written seldom."""

from dataclasses import replace
from datetime import timedelta

import pytest
from core.values import NOW, arm, candidate, decided, seen, settled, status, turn

from modelrollout.api.status import LastMinute, ModelRolloutStatus
from modelrollout.judge import Recent
from modelrollout.judge.quantiles import Quantile

P95 = Quantile("p95", 12.34567, 11.0, 13.0)
STABLE = Recent("v1", 4, 300, 3, 2, 7.654321, (P95,), 0.123456, 2**28)
CANDIDATE = Recent("v2", 1, 0, 0, 0, None, (), None, 0)
ALONE, BOTH = seen(arm(1, 4)), seen(arm(1, 4), arm(2, 1, against=1))


def numbers(known: ModelRolloutStatus, *recent: Recent, later: timedelta = timedelta(0)) -> LastMinute | None:
    world = replace(ALONE if known.candidate is None else BOTH, recent=recent)
    moment = turn(known, world)
    return decided(replace(moment, now=NOW + later)).status.last_minute


def test_stable_alone_is_told_of_without_any_comparison() -> None:
    found = numbers(settled(1), STABLE, CANDIDATE)
    assert found is not None
    (one,) = found.versions
    assert (one.requests, one.errors, one.refusals, one.success_percent, one.pods) == (300, 3, 2, 99.0, 4)
    assert (one.mean_ms, one.p50_ms, one.p95_ms, one.cpu_cores, one.memory_bytes) == (7.654, None, 12.35, 0.1235, 2**28)


def test_a_candidate_is_told_of_beside_it() -> None:
    found = numbers(status(candidate=candidate()), STABLE, CANDIDATE)
    assert found is not None
    assert [one.revision for one in found.versions] == ["v1", "v2"]
    assert found.versions[1].success_percent is found.versions[1].memory_bytes is None


@pytest.mark.parametrize(
    ("known", "kept", "over"),
    [
        pytest.param(settled(1), timedelta(minutes=4, seconds=59), timedelta(minutes=5), id="nothing moves"),
        pytest.param(status(candidate=candidate()), timedelta(seconds=29), timedelta(seconds=30), id="a candidate"),
    ],
)
def test_numbers_that_changed_are_written_only_when_the_old_ones_are(
    known: ModelRolloutStatus, kept: timedelta, over: timedelta
) -> None:
    arms = (STABLE,) if known.candidate is None else (STABLE, CANDIDATE)
    first = numbers(known, *arms)
    assert first is not None
    more = (replace(STABLE, requests=999), *arms[1:])
    assert numbers(known.but(last_minute=first), *more, later=kept) == first
    newer = numbers(known.but(last_minute=first), *more, later=over)
    assert newer is not None
    assert (newer.time, newer.versions[0].requests) == (NOW + over, 999)


def test_the_same_numbers_are_never_written_again() -> None:
    first = numbers(settled(1), STABLE)
    assert numbers(settled(1).but(last_minute=first), STABLE, later=timedelta(hours=3)) == first


def test_a_restart_keeps_what_was_written_and_another_stable_does_not() -> None:
    first = numbers(settled(1), STABLE)
    assert numbers(settled(1).but(last_minute=first)) == first
    assert numbers(settled(2).but(last_minute=first)) is None
