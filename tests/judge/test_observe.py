"""What counts as evidence: differences between two scrapes of one process, one stratum a round."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge.rounds import EDGES, after, counted, growing, one_round, rules_of, sample

from modelrollout import judge
from modelrollout.judge.eprocesses import Stratum

NOTHING = judge.Tally(slow=(0,))


def totals(evidence: judge.Evidence) -> tuple[judge.Tally, judge.Tally]:
    return evidence.candidate.total, evidence.stable.total


def test_first_scrape_of_a_process_counts_nothing() -> None:
    seen = one_round(sample(requests=900, errors=900), sample("churn-s", requests=5))

    assert totals(after([seen])) == (NOTHING, NOTHING)


def test_second_scrape_counts_what_came_since_the_first() -> None:
    rounds = [
        one_round(sample("a", requests=100, errors=7), sample("b", requests=50)),
        one_round(sample("a", requests=110, errors=9, refusals=1, slow=4), sample("b", requests=70, slow=2)),
    ]

    assert totals(after(rounds)) == (judge.Tally(10, 2, 1, 10, (4,)), judge.Tally(20, 0, 0, 20, (2,)))


def test_pods_of_one_arm_add_up() -> None:
    before = judge.Round(candidate=(sample("a"), sample("b")))
    now = judge.Round(candidate=(sample("a", requests=3, errors=1), sample("b", requests=4, errors=2)))

    assert after([before, now]).candidate.total == judge.Tally(7, 3, 0, 7, (0,))


def test_pod_that_missed_a_round_gives_nothing_in_the_next_one_either() -> None:
    rounds = [one_round(sample(requests=1)), one_round(), one_round(sample(requests=900, errors=900))]

    assert totals(after(rounds)) == (NOTHING, NOTHING)


def test_pod_counts_again_two_rounds_after_a_miss() -> None:
    rounds = [one_round(sample()), one_round(), one_round(sample(requests=5)), one_round(sample(requests=7, errors=1))]

    assert after(rounds).candidate.total == judge.Tally(2, 1, 0, 2, (0,))


@pytest.mark.parametrize(
    "restarted",
    [
        pytest.param(sample(requests=9, errors=5, refusals=5), id="requests fell"),
        pytest.param(sample(requests=90, errors=4, refusals=5), id="errors fell"),
        pytest.param(sample(requests=90, errors=5, refusals=4), id="refusals fell"),
        pytest.param(
            sample(requests=90, errors=5, refusals=5, latency=judge.Latency(EDGES, (9, 9, 9, 9))), id="bucket"
        ),
        pytest.param(sample(requests=90, errors=9, refusals=9, latency=judge.Latency((1.0,), (80, 10))), id="edges"),
        pytest.param(sample(requests=90, errors=9, refusals=9, instance="churn-1:2"), id="process started anew"),
    ],
)
def test_counters_that_cannot_follow_the_last_ones_are_an_origin(restarted: judge.Sample) -> None:
    before = one_round(sample(requests=10, errors=5, refusals=5))
    later = replace(restarted, requests=restarted.requests + 3, errors=restarted.errors + 1)

    assert totals(after([before, one_round(restarted)])) == (NOTHING, NOTHING)
    counts = after([before, one_round(restarted), one_round(later)]).candidate.total
    assert (counts.requests, counts.errors) == (3, 1)


def test_scrape_between_two_counters_of_one_request_still_has_a_request_for_each_failure() -> None:
    assert counted({"requests": 1, "errors": 1, "refusals": 1}).candidate.total.requests == 2


def test_origins_of_vanished_pods_are_dropped() -> None:
    seen = judge.Round(candidate=(sample("a"),), stable=(sample("b"),))
    rules = rules_of()
    evidence, origins = judge.observe(judge.fresh(), judge.Origins(), seen, rules)
    _, origins = judge.observe(evidence, origins, one_round(sample("a")), rules)

    assert origins == judge.Origins({("a", "a:1"): sample("a")})


def test_origins_outlive_an_epoch() -> None:
    rules = rules_of()
    _, origins = judge.observe(judge.fresh(), judge.Origins(), one_round(sample(requests=10)), rules)
    evidence, _ = judge.observe(judge.fresh(), origins, one_round(sample(requests=15)), rules)

    assert evidence.candidate.total.requests == 5


def test_one_round_is_one_stratum_of_refusals() -> None:
    evidence = counted({"requests": 10, "refusals": 3}, {"requests": 90, "refusals": 1})

    assert evidence.refusals.total.hits == Stratum(3, 1, 10, 90)


def test_shifting_shares_do_not_become_evidence_of_refusals() -> None:
    """Pooled, the canary would refuse 4.6 % and stable 1.4 %; in each round they refuse alike (Simpson's paradox)."""
    first = ({"requests": 100, "refusals": 1}, {"requests": 900, "refusals": 9})
    second = ({"requests": 900, "refusals": 45}, {"requests": 100, "refusals": 5})
    candidate = growing("a", [first[0], second[0]])
    stable = growing("b", [first[1], second[1]])

    evidence = after([one_round(*pair) for pair in zip(candidate, stable, strict=True)])

    assert max(evidence.refusals.total.logs) < 0


@pytest.mark.parametrize(
    ("limit_ms", "slow"),
    [
        pytest.param(500, 7, id="an edge of the buckets"),
        pytest.param(400, 7, id="between two edges: the higher one"),
        pytest.param(501, 4, id="just above an edge: the next one"),
        pytest.param(2000, 0, id="above all edges: nothing is known to be slower"),
    ],
)
def test_slow_requests_are_counted_at_the_next_edge_above_the_limit(limit_ms: float, slow: int) -> None:
    latency = judge.Latency(EDGES, (1, 2, 3, 4))
    rules = rules_of({"limits": {"p95LatencyMs": limit_ms}})

    assert counted({"requests": 10, "latency": latency}, rules=rules).candidate.total.slow == (slow,)


def test_pods_may_have_different_buckets() -> None:
    before = judge.Round(candidate=(sample("a"), sample("b", latency=judge.Latency((400.0, 600.0), (0, 0, 0)))))
    latency = judge.Latency((400.0, 600.0), (5, 2, 1))
    now = judge.Round(candidate=(sample("a", requests=10, slow=3), sample("b", requests=8, latency=latency)))

    assert after([before, now]).candidate.total == judge.Tally(18, 0, 0, 18, (4,))


def test_requests_of_the_warm_up_are_not_timed() -> None:
    evidence = counted({"requests": 30, "latency": judge.Latency(EDGES, (10, 0, 0, 0))})

    assert evidence.candidate.total == judge.Tally(requests=30, timed=10, slow=(0,))


def test_other_latency_limits_start_the_evidence_anew() -> None:
    _, origins = judge.observe(judge.fresh(), judge.Origins(), one_round(sample()), rules_of())
    evidence = counted({"requests": 50, "errors": 5})
    edited = rules_of({"limits": {"p99LatencyMs": 900}})

    known, _ = judge.observe(evidence, origins, one_round(sample(requests=3)), edited)

    assert known.candidate.total == judge.Tally(requests=3, timed=3, slow=(0, 0))
    assert known.limits_ms == (500, 900)


counts = st.fixed_dictionaries({name: st.integers(0, 40) for name in ("requests", "errors", "refusals")})
pods = st.dictionaries(st.sampled_from([f"churn-{number}" for number in range(12)]), counts, max_size=12)


@given(now=pods, data=st.data())
def test_order_of_pods_in_a_round_does_not_matter(now: dict[str, dict[str, int]], data: st.DataObject) -> None:
    samples = [sample(pod, **numbers) for pod, numbers in now.items()]
    shuffled = data.draw(st.permutations(samples))
    before = judge.Round(tuple(map(sample, now)), tuple(map(sample, now)))

    rounds = [judge.Round(tuple(order), tuple(order)) for order in (samples, shuffled)]

    assert after([before, rounds[0]]) == after([before, rounds[1]])


@given(steps=st.lists(counts, max_size=20))
def test_sums_are_what_was_counted_and_never_fall(steps: list[dict[str, int]]) -> None:
    honest = [step | {"requests": step["requests"] + step["errors"] + step["refusals"]} for step in steps]
    rules, evidence, origins = rules_of(), judge.fresh(), judge.Origins()
    seen = []
    for scraped in growing("churn-1", honest):
        evidence, origins = judge.observe(evidence, origins, one_round(scraped), rules)
        seen.append(evidence.candidate.total.row)

    assert seen[-1][:3] == tuple(sum(one[name] for one in honest) for name in ("requests", "errors", "refusals"))
    assert all(was <= now for old, new in pairwise(seen) for was, now in zip(old, new, strict=True))
