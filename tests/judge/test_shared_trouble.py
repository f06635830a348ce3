"""A limit that stable breaks in the same round is no evidence against the candidate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge.rounds import growing, one_round, rules_of

from modelrollout import judge
from modelrollout.judge.sharing import limits_of
from modelrollout.judge.tallies import Tally

RULES = rules_of({"limits": {"errorRate": 0.05, "p95LatencyMs": 500}})
COUNTS = st.integers(0, 500)


def tally(requests: int, errors: int, slow: int = 0) -> Tally:
    return Tally(requests, errors, 0, requests, (slow,))


@pytest.mark.parametrize(
    ("candidate", "stable", "left_out"),
    [
        pytest.param(tally(100, 60), tally(400, 240), (60, 0), id="a burst in both arms"),
        pytest.param(tally(100, 60), tally(400, 8), (0, 0), id="stable keeps the limit"),
        pytest.param(tally(100, 100), tally(400, 40), (21, 0), id="the candidate fails far more"),
        pytest.param(tally(100, 60), tally(2, 2), (0, 0), id="too few of stable to say so"),
        pytest.param(tally(100, 0, 50), tally(400, 0, 200), (0, 50), id="both arms slow"),
        pytest.param(tally(100, 0), tally(400, 400), (0, 0), id="only stable"),
    ],
)
def test_what_stable_accounts_for_is_left_out(candidate: Tally, stable: Tally, left_out: tuple[int, int]) -> None:
    errors, slow = (limit.awaited(candidate, stable) for limit in limits_of(RULES))

    assert (errors, slow) == (Tally(errors=left_out[0], slow=(0,)), Tally(slow=(left_out[1],)))


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_never_more_than_there_is(requests: int, errors: int, of_stable: int, by_stable: int) -> None:
    candidate, stable = tally(requests, min(errors, requests)), tally(of_stable, min(by_stable, of_stable))

    assert 0 <= next(limits_of(RULES)).awaited(candidate, stable).errors <= candidate.errors


def judged(rounds: list[tuple[dict[str, int], dict[str, int]]]) -> judge.Evidence:
    candidate, stable = (growing(pod, [pair[arm] for pair in rounds]) for arm, pod in enumerate("cs"))
    evidence, origins = judge.fresh(), judge.Origins()
    for pair in zip(candidate, stable, strict=True):
        evidence, origins = judge.observe(evidence, origins, one_round(*pair), RULES)
        evidence = judge.unpack(judge.pack(evidence))  # as after a restart of the operator
    return evidence


BURST = ({"requests": 50, "errors": 30}, {"requests": 200, "errors": 120})
CALM = ({"requests": 50}, {"requests": 200})
MILD = ({"requests": 50, "errors": 5}, {"requests": 200, "errors": 20})
"""A second of a burst; no limit is broken by one of them."""
BAD = ({"requests": 50, "errors": 30}, {"requests": 200})


def test_bursts_in_both_arms_take_nothing_back_over_restarts_either() -> None:
    for rounds in ([CALM, BURST], [CALM, BURST, CALM, BURST, BURST, *(CALM,) * 9, BURST], [CALM, *(MILD, CALM) * 20]):
        found = judge.verdict(judged(rounds), RULES)

        assert found.candidate is None or found.stable is not None


def test_while_both_fail_the_verdict_says_so_of_both() -> None:
    found = judge.verdict(judged([*(CALM,) * 40, BURST, BURST]), RULES)

    assert found.candidate is not None
    assert found.stable is not None
    assert (found.candidate.metric, found.stable.metric) == ("errorRate", "errorRate")


def test_once_stable_is_well_again_nothing_is_left_of_it() -> None:
    found = judge.verdict(judged([*(CALM,) * 4, BURST, BURST, *(CALM,) * 60]), RULES)

    assert (found.candidate, found.stable) == (None, None)


@pytest.mark.parametrize("calm", [0, 10, 60])
def test_a_fault_of_the_candidates_own_is_found_after_a_burst(calm: int) -> None:
    found = judge.verdict(judged([CALM, BURST, *(CALM,) * calm, *(BAD,) * 30]), RULES)

    assert found.candidate is not None
    assert (found.candidate.metric, found.stable) == ("errorRate", None)


@given(st.lists(st.sampled_from([CALM, BURST, BAD, MILD]), min_size=1, max_size=30))
def test_leaving_out_never_adds_evidence(rounds: list[tuple[dict[str, int], dict[str, int]]]) -> None:
    shared, own = judged(rounds).candidate, judged([(ours, {"requests": 200}) for ours, _ in rounds]).candidate

    assert shared.total == own.total
    pairs = list(zip(shared.restarts, own.restarts, strict=True))
    assert all(kept.at.errors >= plain.at.errors and kept.at.requests == plain.at.requests for kept, plain in pairs)
    assert all(kept.at.errors <= shared.total.errors for kept, _ in pairs)


def test_the_share_that_is_too_high_still_keeps_it_from_passing() -> None:
    assert "requests failed, more than 5 %" in judge.verdict(judged([BURST]), RULES).doubt
