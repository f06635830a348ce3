"""What a rollout has shown survives a restart of the operator; damaged text is nothing."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge.trials import comparing, rollout

from modelrollout import judge
from modelrollout.judge.strata import upto
from modelrollout.judge.trial import Trial

STEP = st.fixed_dictionaries({"requests": st.integers(20, 300), "errors": st.integers(0, 9), "slow": st.integers(0, 9)})


def trial(rounds: list[tuple[dict[str, int], dict[str, int]]]) -> Trial:
    found = rollout(rounds).trial
    assert found is not None
    return found


def counts(found: Trial) -> tuple[Any, ...]:
    """What is kept exactly."""
    arms = (
        (one.requests, one.errors, one.refusals, one.latency, one.predictions) for one in (found.canary, found.stable)
    )
    return (found.margins, found.tolerance, found.baseline, found.errors.hits, found.refusals.hits, *arms)


@given(st.lists(st.tuples(STEP, STEP), min_size=1, max_size=6))
def test_what_is_packed_is_unpacked(rounds: list[tuple[dict[str, int], dict[str, int]]]) -> None:
    found = trial(rounds).restarted()

    kept = judge.unpack_trial(judge.pack_trial(found))

    assert kept is not None
    assert kept.errors.gains == pytest.approx(found.errors.gains, rel=1e-6, abs=1e-6)
    assert kept.errors.waiting == pytest.approx(found.errors.waiting, rel=1e-6, abs=1e-6)
    assert kept.slowness is not None
    assert found.slowness is not None
    assert kept.slowness.alarm == pytest.approx(found.slowness.alarm, abs=1e-5)
    assert kept.slowness.measure == found.slowness.measure
    assert kept.slowness.seen == found.slowness.seen
    assert counts(kept) == counts(found)
    assert judge.pack_trial(kept) == judge.pack_trial(found)


def test_a_long_rollout_fits_into_the_status() -> None:
    rng = random.Random(5)  # noqa: S311  # a fixed series
    rounds = []
    for _ in range(150):
        arms = tuple({"requests": rng.randrange(400, 900), "errors": rng.randrange(9)} for _ in range(2))
        rounds.append((arms[0], arms[1]))
    found = trial(rounds)
    noisy = upto([[rng.randrange(10**6) for _ in found.canary.latency]])[0]
    found = replace(found, canary=replace(found.canary, upto=noisy), stable=replace(found.stable, upto=noisy))

    text = judge.pack_trial(found)
    assert 0 < len(text) <= 8192
    kept = judge.unpack_trial(text)
    assert kept is not None
    assert kept.errors.hits == found.errors.hits


def test_none_is_empty_text() -> None:
    assert judge.pack_trial(None) == ""
    assert judge.unpack_trial("") is None


WHOLE = judge.pack_trial(trial([({"requests": 40, "errors": 3}, {"requests": 300, "errors": 2})]))


@pytest.mark.parametrize("text", ["2.", "1" + WHOLE[1:], WHOLE[:-9], "2.AAAA", WHOLE + "A" * 9000, "nonsense"])
def test_damaged_text_is_no_trial(text: str) -> None:
    assert judge.unpack_trial(text) is None


@given(st.integers(0, len(WHOLE) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_no_damage_raises(at: int, letter: str) -> None:
    found = judge.unpack_trial(WHOLE[:at] + letter + WHOLE[at + 1 :])

    assert found is None or judge.verdict(replace(judge.fresh(), trial=found), comparing()) is not None
