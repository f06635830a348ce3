"""Evidence survives a restart of the operator, and damaged text is no evidence."""

import base64
import json
import random
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge.rounds import after, counted, growing, one_round, rules_of, sample

from modelrollout import judge

LIMITS = {"p50LatencyMs": 20, "p95LatencyMs": 80, "p99LatencyMs": 900}


def packed(content: Any) -> str:
    return "1." + base64.b64encode(zlib.compress(json.dumps(content).encode())).decode()


def longest(pods: int, counts: int, name_length: int = 63) -> judge.Evidence:
    """The evidence of very many rounds with random counts and random names of pods, which compress badly."""
    rng = random.Random(3)  # noqa: S311  # a fixed series
    names = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=name_length)) for _ in range(pods)]
    rules = rules_of({"limits": LIMITS})
    sums = {name: {"requests": 0, "errors": 0, "refusals": 0, "slow": 0} for name in names}
    evidence, origins = judge.fresh(), judge.Origins()
    for _ in range(2000 // pods):
        for one in sums.values():
            step = [rng.randrange(counts) for _ in range(3)]
            one["errors"] += step[0]
            one["refusals"] += step[1]
            one["slow"] += step[2]
            one["requests"] += sum(step) + rng.randrange(counts)
        arm = tuple(sample(name, **numbers) for name, numbers in sums.items())
        evidence, origins = judge.observe(evidence, origins, judge.Round(arm, arm), rules)
    return evidence


STEPS = st.lists(
    st.fixed_dictionaries({name: st.integers(0, 60) for name in ("requests", "errors", "refusals", "slow")}),
    max_size=60,
)


@given(steps=STEPS, limits=st.sampled_from(({}, LIMITS, {"p95LatencyMs": None})))
def test_what_is_packed_is_unpacked(steps: list[dict[str, int]], limits: dict[str, Any]) -> None:
    candidate, stable = (growing(pod, series) for pod, series in (("a", steps), ("b", steps[::-1])))
    rounds = [one_round(*pair) for pair in zip(candidate, stable, strict=True)]
    evidence = after(rounds, rules_of({"limits": limits}))

    assert judge.unpack(judge.pack(evidence)) == evidence


def test_no_evidence_is_unpacked_as_none() -> None:
    assert judge.unpack(judge.pack(judge.fresh())) == judge.fresh()


def test_ordinary_evidence_of_many_rounds_is_kept_whole() -> None:
    evidence = longest(pods=2, counts=100)

    assert len(judge.pack(evidence)) <= 4096
    assert judge.unpack(judge.pack(evidence)) == evidence


def test_evidence_that_is_too_long_forgets_only_pods() -> None:
    evidence = longest(pods=20, counts=10**9, name_length=253)
    kept = judge.unpack(judge.pack(evidence))

    assert len(judge.pack(evidence)) <= 4096
    assert (kept.candidate.pods, kept.stable.pods) == ((), ())
    assert (kept.candidate.total, kept.stable.total) == (evidence.candidate.total, evidence.stable.total)
    assert kept.candidate.restarts == evidence.candidate.restarts
    assert kept.refusals == evidence.refusals


def test_evidence_of_absurd_counts_fits_too() -> None:
    evidence = longest(pods=20, counts=10**15)

    assert len(judge.pack(evidence)) <= 4096
    assert judge.unpack(judge.pack(evidence)) == evidence


def test_verdict_after_a_restart_goes_on_from_the_evidence() -> None:
    rules = rules_of()
    evidence = counted({"requests": 40, "errors": 8})
    known = judge.unpack(judge.pack(evidence))
    known, origins = judge.observe(known, judge.Origins(), one_round(sample("churn-c", requests=40, errors=8)), rules)
    known, _ = judge.observe(known, origins, one_round(sample("churn-c", requests=80, errors=16)), rules)

    finding = judge.verdict(known, rules).candidate

    assert finding is not None
    assert finding.message == "16 of 80 requests failed (limit 5 %), all on churn-c"


WHOLE = judge.pack(counted({"requests": 40, "errors": 31, "refusals": 4}, {"requests": 40, "refusals": 1}))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("evidence", id="words"),
        pytest.param("ä.ö", id="not ASCII"),
        pytest.param("2.", id="a version alone"),
        pytest.param("1" + WHOLE[1:], id="another version"),
        pytest.param(WHOLE[:-8], id="cut off"),
        pytest.param(WHOLE[:40] + WHOLE[44:], id="damaged"),
        pytest.param("2." + "A" * 100_000, id="long"),
        pytest.param(packed("0" * 10_000_000), id="a bomb"),
        pytest.param(packed([]), id="a list"),
        pytest.param(packed({}), id="no arms"),
        pytest.param(packed("[" * 50_000), id="deep"),
        pytest.param(packed({"limits": [500], "candidate": None, "stable": None, "refusals": []}), id="empty arms"),
        pytest.param(
            packed({"limits": [], "candidate": {"rounds": [], "pods": []}, "stable": {}, "refusals": []}),
            id="no rounds",
        ),
        pytest.param(packed({"limits": [float("nan")], "candidate": {}}), id="not a number"),
    ],
)
def test_text_that_pack_did_not_write_is_no_evidence(text: str) -> None:
    assert judge.unpack(text) == judge.fresh()


@given(text=st.text(max_size=60) | st.text(max_size=40).map("1.{}".format))
def test_no_text_stops_the_judge(text: str) -> None:
    assert judge.unpack(text) == judge.fresh()


@given(position=st.integers(2, len(WHOLE) - 1), letter=st.sampled_from("AQgw19+/="))
def test_one_changed_letter_is_noticed(position: int, letter: str) -> None:
    text = WHOLE[:position] + letter + WHOLE[position + 1 :]

    assert judge.unpack(text) in (judge.fresh(), judge.unpack(WHOLE))
