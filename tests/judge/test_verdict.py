"""What a verdict says for given counts: the finding, its words, and whether there is evidence enough."""

from typing import Any

import pytest
from judge.rounds import after, counted, growing, one_round, rules_of, sample

from modelrollout import judge


def judged(
    candidate: dict[str, Any] | None = None, stable: dict[str, Any] | None = None, **health: Any
) -> judge.Verdict:
    rules = rules_of(health)
    return judge.verdict(counted(candidate, stable, rules), rules)


def message(finding: judge.Finding | None) -> str | None:
    return None if finding is None else f"{finding.metric}: {finding.message}"


def test_no_requests_are_no_evidence() -> None:
    assert judged() == judge.NOTHING_SEEN
    assert judge.verdict(judge.fresh(), rules_of()) == judge.NOTHING_SEEN


def test_healthy_arms_have_no_finding() -> None:
    verdict = judged({"requests": 312, "errors": 1, "refusals": 2, "slow": 3}, {"requests": 300, "errors": 2})

    assert verdict == judge.Verdict(
        None, None, enough=True, requests=312, failures=3, summary="1 of 312 failed, 2 refused"
    )


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        pytest.param(
            {"requests": 40, "errors": 31},
            "errorRate: 31 of 40 requests failed (limit 5 %), all on churn-c",
            id="errors",
        ),
        pytest.param(
            {"requests": 400, "slow": 63},
            "p95LatencyMs: 63 of 400 requests were slower than 500 ms (limit 5 %), all on churn-c",
            id="slow",
        ),
        pytest.param(
            {"requests": 120, "refusals": 120},
            "refusals: 120 of 120 requests were refused, stable refused 0 of 118",
            id="refused",
        ),
        pytest.param(
            {"requests": 100, "errors": 40, "refusals": 60, "slow": 100},
            "errorRate: 40 of 100 requests failed (limit 5 %), all on churn-c",
            id="errors are told before refusals and latency",
        ),
        pytest.param(
            {"requests": 100, "refusals": 60, "slow": 100},
            "refusals: 60 of 100 requests were refused, stable refused 0 of 118",
            id="refusals are told before latency",
        ),
        pytest.param({"requests": 400, "errors": 20, "slow": 20}, None, id="as many as the limits allow"),
        pytest.param({"requests": 40, "errors": 5}, None, id="more than the limit allows, perhaps by chance"),
    ],
)
def test_candidate_is_held_to_its_limits_and_to_stable(candidate: dict[str, int], expected: str | None) -> None:
    assert message(judged(candidate, {"requests": 118}).candidate) == expected


@pytest.mark.parametrize(
    ("limits", "candidate", "expected"),
    [
        pytest.param(
            {"p50LatencyMs": 100},
            {"requests": 100, "slow": 90},
            "p50LatencyMs: 90 of 100 requests were slower than 100 ms (limit 50 %), all on churn-c",
            id="median",
        ),
        pytest.param(
            {"p95LatencyMs": None, "p99LatencyMs": 499.5},
            {"requests": 100, "slow": 9},
            "p99LatencyMs: 9 of 100 requests were slower than 499.5 ms (limit 1 %), all on churn-c",
            id="99th percentile",
        ),
        pytest.param({"errorRate": None}, {"requests": 100, "errors": 100}, None, id="no limit on errors"),
        pytest.param({"p95LatencyMs": None}, {"requests": 100, "slow": 100}, None, id="no limit on latency"),
        pytest.param(
            {"errorRate": 0.001},
            {"requests": 100, "errors": 5},
            "errorRate: 5 of 100 requests failed (limit 0.1 %), all on churn-c",
            id="a strict limit",
        ),
    ],
)
def test_each_limit_is_the_users(limits: dict[str, Any], candidate: dict[str, int], expected: str | None) -> None:
    assert message(judged(candidate, limits=limits).candidate) == expected


@pytest.mark.parametrize(
    ("candidate", "stable", "expected"),
    [
        pytest.param({"requests": 2, "errors": 2}, {}, None, id="two failures may be chance"),
        pytest.param(
            {"requests": 3, "errors": 3},
            {},
            "errorRate: 3 of 3 requests failed (limit 5 %), all on churn-c",
            id="three of three are a total failure",
        ),
        pytest.param({"requests": 19, "errors": 18}, {}, None, id="not a total failure"),
        pytest.param(
            {"requests": 20, "errors": 18},
            {},
            "errorRate: 18 of 20 requests failed (limit 5 %), all on churn-c",
            id="at the floor anything is judged",
        ),
        pytest.param(
            {"requests": 15, "refusals": 15},
            {"requests": 15},
            "refusals: 15 of 15 requests were refused, stable refused 0 of 15",
            id="refuses everything where stable answers",
        ),
        pytest.param({"requests": 15, "refusals": 14}, {"requests": 15}, None, id="answered one"),
        pytest.param({"requests": 15, "refusals": 15}, {"requests": 15, "refusals": 15}, None, id="so does stable"),
        pytest.param({"requests": 15, "refusals": 15}, {}, None, id="stable was not asked"),
        pytest.param({"requests": 19, "slow": 19}, {"requests": 100}, None, id="slowness is no failure"),
    ],
)
def test_only_a_total_failure_is_judged_below_the_floor(
    candidate: dict[str, int], stable: dict[str, int], expected: str | None
) -> None:
    assert message(judged(candidate, stable).candidate) == expected


def test_stable_is_held_to_the_same_limits() -> None:
    verdict = judged({"requests": 40, "errors": 31}, {"requests": 50, "slow": 50})

    assert message(verdict.candidate) == "errorRate: 31 of 40 requests failed (limit 5 %), all on churn-c"
    assert message(verdict.stable) == (
        "p95LatencyMs: 50 of 50 requests were slower than 500 ms (limit 5 %), all on churn-s"
    )


@pytest.mark.parametrize(
    ("stable", "shared"),
    [
        pytest.param({"requests": 20, "errors": 19}, True, id="below the floor, and not every request"),
        pytest.param({"requests": 3, "errors": 3}, True, id="three of three"),
        pytest.param({"requests": 20, "errors": 1}, False, id="one of twenty is what the limit allows"),
        pytest.param({"requests": 20}, False, id="none"),
    ],
)
def test_a_failure_that_stable_shares_is_seen_before_stables_own_test_fires(
    stable: dict[str, int], *, shared: bool
) -> None:
    assert (judged({"requests": 10, "errors": 10}, stable, minSamples=60).stable is not None) is shared


def test_a_lower_bar_for_stable_needs_a_candidate_that_breaks_the_same_limit() -> None:
    assert judged({"requests": 400}, {"requests": 20, "errors": 19}, minSamples=60).stable is None
    slow = judged({"requests": 400, "slow": 100}, {"requests": 20, "errors": 19}, minSamples=60)
    assert (message(slow.candidate) or "").startswith("p95LatencyMs")
    assert slow.stable is None


def test_stable_is_not_blamed_for_refusing_less_than_the_canary() -> None:
    assert judged({"requests": 100}, {"requests": 100, "refusals": 100}) == judge.Verdict(
        enough=True, requests=100, summary="0 of 100 failed"
    )


def test_stable_alone_is_watched_too() -> None:
    verdict = judged(None, {"requests": 300, "errors": 300})

    assert message(verdict.stable) == "errorRate: 300 of 300 requests failed (limit 5 %), all on churn-s"
    assert (verdict.enough, verdict.requests, verdict.summary) == (False, 0, "stable: 300 of 300 failed")


@pytest.mark.parametrize(("requests", "enough"), [(19, False), (20, True)])
def test_enough_is_the_floor_of_the_candidates_own_requests(*, requests: int, enough: bool) -> None:
    assert judged({"requests": requests}, {"requests": 1000}).enough is enough


@pytest.mark.parametrize(
    ("errors", "where", "pod"),
    [
        pytest.param((30, 0, 0), ", all on a", "a", id="one pod"),
        pytest.param((9, 20, 1), ", most on b", "b", id="mostly one pod"),
        pytest.param((10, 9, 11), ", on several pods", "c", id="everywhere"),
    ],
)
def test_message_says_which_pod_failed(errors: tuple[int, ...], where: str, pod: str) -> None:
    before = judge.Round(candidate=tuple(map(sample, "abc")))
    now = tuple(sample(name, requests=40, errors=failed) for name, failed in zip("abc", errors, strict=True))

    finding = judge.verdict(after([before, judge.Round(candidate=now)]), rules_of()).candidate

    assert finding is not None
    assert (finding.message, finding.pod) == (f"30 of 120 requests failed (limit 5 %){where}", pod)


def test_blame_finds_one_bad_pod_among_many() -> None:
    names = [f"churn-{number:03}" for number in range(200)]
    before = judge.Round(candidate=tuple(map(sample, names)))
    now = tuple(sample(name, requests=10, errors=10 * (name == "churn-150")) for name in names)
    later = tuple(sample(name, requests=40, errors=40 * (name == "churn-150")) for name in names)
    rules = rules_of({"limits": {"errorRate": 0.001}})

    evidence = after([before, judge.Round(candidate=now), judge.Round(candidate=later)], rules)

    assert message(judge.verdict(evidence, rules).candidate) == (
        "errorRate: 40 of 8000 requests failed (limit 0.1 %), all on churn-150"
    )


def test_message_tells_the_window_that_went_bad() -> None:
    samples = growing("churn-1", [{"requests": 100}] * 50 + [{"requests": 50, "errors": 50}])

    verdict = judge.verdict(after(map(one_round, samples)), rules_of())

    assert message(verdict.candidate) == "errorRate: 50 of the last 50 requests failed (limit 5 %), all on churn-1"
    assert verdict.summary == "50 of 5050 failed"


def test_window_of_refusals_does_not_begin_before_the_refusals() -> None:
    early = [*[{"requests": 50, "refusals": 2}] * 20, *[{"requests": 50}] * 9]
    candidate = growing("churn-c", [*early, {"requests": 50, "refusals": 50}])
    stable = growing("churn-s", [*early, {"requests": 50}])

    verdict = judge.verdict(after([one_round(*pair) for pair in zip(candidate, stable, strict=True)]), rules_of())

    assert message(verdict.candidate) == "refusals: 50 of the last 50 requests were refused, stable refused 0 of 50"


def test_summary_names_latency_above_its_limit() -> None:
    assert judged({"requests": 40, "slow": 3}).summary == "0 of 40 failed, 3 slower than 500 ms"


def test_evidence_under_other_latency_limits_is_not_read_as_ours() -> None:
    evidence = counted({"requests": 100, "slow": 100}, rules=rules_of())

    assert judge.verdict(evidence, rules_of({"limits": {"p95LatencyMs": 2000}})).candidate is None
