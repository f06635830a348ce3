"""A candidate beside stable: rolled back on evidence, passed on proof, neither where there is nothing to compare."""

from dataclasses import replace
from typing import Any

import pytest
from judge.rounds import rules_of
from judge.trials import comparing, pod, rollout

from modelrollout import judge
from modelrollout.judge.comparing import at_step
from modelrollout.judge.proofs import expected_requests
from modelrollout.judge.strata import ArmStratum, together, upto

Round = tuple[dict[str, int], dict[str, int]]
ROUND: Round = ({"requests": 50}, {"requests": 50})


def verdict(rounds: list[Round], rules: judge.Rules | None = None) -> judge.Verdict:
    asked = rules or comparing()
    return judge.verdict(rollout(rounds, asked), asked)


def test_a_canary_with_twice_stables_errors_is_found_below_the_absolute_limit() -> None:
    bad: Round = ({"requests": 500, "errors": 20}, {"requests": 500, "errors": 10})

    found = verdict([bad] * 14)

    assert found.candidate is not None
    assert found.candidate.metric == "errorRatio"
    assert found.candidate.message == (
        "280 of 7000 requests failed, stable failed 140 of 7000, 2 times as many (1.4 to 2.8); "
        "it has one pod: model or node"
    )


def test_without_a_compare_block_only_limits_are_judged() -> None:
    bad: Round = ({"requests": 500, "errors": 20}, {"requests": 500, "errors": 10})

    found = verdict([bad] * 14, rules_of())

    assert (found.candidate, found.unproven, found.doubt) == (None, "", "")


def test_a_slower_canary_is_found_below_the_absolute_limit() -> None:
    slow: Round = ({"requests": 100, "slow": 30}, {"requests": 100})

    found = verdict([slow] * 10)

    assert found.candidate is not None
    assert found.candidate.metric == "latencyRatio"
    assert (
        "took longer than 22.3 ms, stable's 0 of 1000 longer than 20.3 ms (its p95 before)" in found.candidate.message
    )


def test_few_requests_prove_nothing() -> None:
    found = verdict([ROUND] * 2)

    assert (found.candidate, found.doubt, found.enough) == (None, "", True)
    assert found.unproven == "an error rate of at most 2 times stable's is not shown yet; about 1176 more requests"


def test_a_candidate_without_errors_passes_by_itself() -> None:
    assert verdict([ROUND] * 15).unproven.startswith(
        "an error rate of at most 2 times stable's is not shown yet; about"
    )
    assert verdict([ROUND] * 20).unproven == ""


def test_a_candidate_with_as_many_errors_as_stable_passes_in_the_end() -> None:
    alike: Round = ({"requests": 200, "errors": 4}, {"requests": 200, "errors": 4})

    assert verdict([alike] * 5).unproven != ""
    assert verdict([alike] * 40).unproven == ""


def test_a_slower_candidate_never_passes() -> None:
    slow: Round = ({"requests": 50, "slow": 4}, {"requests": 50})

    found = verdict([slow] * 20, comparing(minSamples=100_000))

    assert found.unproven == "a latency of at most 1.2 times stable's is not shown yet"


def test_a_step_may_have_a_looser_margin() -> None:
    alike: Round = ({"requests": 200, "errors": 3}, {"requests": 200, "errors": 3})
    rules = comparing()
    assert rules.compare is not None
    loose, strict = (
        replace(rules, compare=at_step(rules.compare, margins, shared=True)) for margins in ((6, 2), (2, 6))
    )

    evidence = rollout([alike] * 10, loose)

    assert judge.verdict(evidence, loose).unproven == ""
    assert judge.verdict(evidence, strict).unproven.startswith("an error rate of at most 2 times stable's")


ALONE: Round = ({"requests": 100}, {})
STABLE_BROKEN: Round = ({"requests": 100}, {"requests": 100, "errors": 90})


@pytest.mark.parametrize("rounds", [[ALONE], [STABLE_BROKEN]], ids=["stable answers nothing", "stable is broken"])
def test_a_good_fix_passes_by_its_limits_where_stable_is_no_measure(rounds: list[Round]) -> None:
    assert verdict(rounds).unproven == ""


@pytest.mark.parametrize("stable", [{}, {"requests": 100, "errors": 90}], ids=["nothing", "errors"])
def test_a_bad_fix_does_not_pass_where_stable_is_no_measure(stable: dict[str, int]) -> None:
    bad: Round = ({"requests": 100, "errors": 8}, stable)

    assert verdict([bad]).unproven == "an error rate below 5 % is not shown yet"
    assert verdict([bad]).doubt != ""


def test_limits_have_to_be_shown_to_be_kept_at_weight_100() -> None:
    rules = comparing()
    assert rules.compare is not None
    alone = replace(rules, compare=at_step(rules.compare, (), shared=False))

    assert verdict([ROUND], alone).unproven.startswith("an error rate below 5 % is not shown yet; about")
    assert verdict([ROUND] * 2, alone).unproven == ""


def test_requests_behind_a_preview_are_not_compared() -> None:
    rules = comparing()
    assert rules.compare is not None
    preview = replace(rules, compare=at_step(rules.compare, (), shared=False))
    worse: Round = ({"requests": 500, "errors": 20}, {"requests": 500, "errors": 0})

    assert verdict([worse] * 20, preview).candidate is None


def test_the_rollout_is_remembered_in_a_later_step_and_its_epoch_begins_anew() -> None:
    rules = comparing()
    evidence = judge.onward(rollout([ROUND] * 20), is_new_step=True)

    assert evidence.candidate == judge.fresh().candidate
    assert judge.verdict(evidence, rules).requests == 0
    later = judge.verdict(rollout([ROUND], rules, evidence), rules)
    assert (later.requests, later.unproven) == (50, "")


def test_other_margins_begin_the_comparison_anew() -> None:
    rules = comparing(compare={"errorRatio": 3})

    evidence = rollout([ROUND], rules, judge.onward(rollout([ROUND] * 20), is_new_step=False))

    assert evidence.trial is not None
    assert (evidence.trial.margins, evidence.trial.canary.requests) == ((3.0,), 50)


def test_the_one_bad_pod_is_named() -> None:
    rules, origins, evidence = comparing(), judge.Origins(), judge.fresh()
    for number in range(8):
        requests = 300 * number
        canary = tuple(pod(f"churn-{name}", requests=requests, errors=errors) for name, errors in _errors(number))
        stable = (pod("churn-s", requests=1000 + 900 * number, errors=9 * number),)
        evidence, origins = judge.observe(evidence, origins, judge.Round(canary, stable), rules)

    found = judge.verdict(evidence, rules).candidate

    assert found is not None
    assert (found.metric, found.pod) == ("errorRatio", "churn-b")
    assert found.message.endswith("; without churn-b nothing would speak against it")


def _errors(number: int) -> tuple[tuple[str, int], ...]:
    return ("a", 3 * number), ("b", 24 * number), ("c", 3 * number)


def test_what_is_still_to_come_shrinks() -> None:
    rules = comparing()

    early, late = (expected_requests(rollout([ROUND] * rounds), rules) for rounds in (8, 15))

    assert early is not None
    assert late is not None
    assert 0 < late < early
    assert expected_requests(rollout([ROUND] * 20), rules) == 0
    assert expected_requests(rollout([ROUND]), rules) is None
    assert expected_requests(rollout([ROUND]), rules_of()) is None


def test_warm_up_requests_are_compared_by_errors_alone() -> None:
    rules = comparing()
    cold: dict[str, Any] = {"requests": 50, "errors": 0}
    origins, evidence = judge.Origins(), judge.fresh()
    for number in range(3):
        canary = replace(pod("churn-c", requests=50 * number), latency=pod("churn-c").latency)
        seen = judge.Round((canary,), (pod("churn-s", requests=1000 + 50 * number),))
        evidence, origins = judge.observe(evidence, origins, seen, rules)

    assert evidence.trial is not None
    assert evidence.trial.errors.hits.candidate_requests == 2 * cold["requests"]
    assert evidence.trial.slowness is not None
    assert evidence.trial.slowness.seen.candidate_requests == 0


@pytest.mark.parametrize(
    ("own", "counts", "expected"),
    [
        pytest.param((1.0, 2.0, 4.0), (5, 6, 7, 8), (5, 6, 7, 8), id="alike"),
        pytest.param((1.0, 2.0, 3.0, 4.0), (5, 6, 3, 4, 8), (5, 6, 7, 8), id="an edge more"),
        pytest.param((1.0, 4.0), (5, 6, 8), (5, 6, 0, 8), id="an edge less: where the bucket begins"),
    ],
)
def test_a_model_with_other_limits_is_compared_at_stables_edges(
    own: tuple[float, ...], counts: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    arm = ArmStratum(("churn-c",), ((sum(counts), 0, 0),), own, upto([counts]))

    assert together(arm, (1.0, 2.0, 4.0)).latency == expected
    assert together(arm, ()).latency == ()
