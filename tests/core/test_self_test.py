"""Stable judged against itself: watched where nothing else asks for it, and what it said is in the status."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from core.values import alone, arm, candidate, decided, seen, settled, status, turn

from modelrollout.api.status import SelfTest
from modelrollout.judge.steady import SelfTested

ASKED: dict[str, Any] = {"health": {"compare": {"selfTest": True}}}
NOT_ASKED: dict[str, Any] = {"health": {"compare": {}}}
WORLD = seen(arm(1, 4))
SAID = SelfTested(trials=8, alarms=1, requests=900, errors_dispersion=1.23456, latency_dispersion=1.0)
SHOWN = SelfTest(trials=8, alarms=1, requests=900, errors_dispersion=1.2346, latency_dispersion=1.0)


def test_stable_is_looked_at_once_a_minute_after_its_watch() -> None:
    over = {"rollback": {"watch": "60s"}}

    asked, not_asked = (decided(turn(settled(1), WORLD, wishes | over)).watch for wishes in (ASKED, NOT_ASKED))

    assert asked is not None
    assert (asked.interval, asked.candidate, asked.stable) == (timedelta(seconds=60), "", "v1")
    assert not_asked is None


@pytest.mark.parametrize("known", [settled(1), status(candidate=candidate())], ids=["in its watch", "a candidate"])
def test_otherwise_it_is_watched_as_ever(known: Any) -> None:
    world = seen(arm(1, 4), arm(2, 1, against=1), selector=alone(1))

    assert decided(turn(known, world, ASKED)).watch == decided(turn(known, world, NOT_ASKED)).watch


def test_what_it_has_said_is_in_the_status() -> None:
    over = settled(1)

    assert decided(turn(over, replace(WORLD, tested=SAID), ASKED)).status.self_test == SHOWN
    assert decided(turn(over.but(self_test=SHOWN), WORLD, ASKED)).status.self_test == SHOWN
    assert decided(turn(over.but(self_test=SHOWN), replace(WORLD, tested=SAID), NOT_ASKED)).status.self_test is None
