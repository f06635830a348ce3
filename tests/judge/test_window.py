"""`limits.rule: window`: the last 200 requests against the limits, for those who want the number and no test."""

from typing import Any

import numpy as np
import pytest
from judge.rounds import after, growing, one_round, rules_of

from bench.judge.others import window_alarms
from modelrollout import judge
from modelrollout.api.spec import Health
from modelrollout.core.epochs import terms
from modelrollout.judge.alarms import window_alarm
from modelrollout.judge.evidence import fresh
from modelrollout.judge.tallies import Tally


def in_windows(**health: Any) -> judge.Rules:
    limits = {"rule": "window"} | health.pop("limits", {})
    return rules_of({"limits": limits} | health)


def verdict(*steps: dict[str, int], rules: judge.Rules | None = None) -> judge.Verdict:
    """After rounds in which the only candidate pod counted so much."""
    asked = rules or in_windows()
    return judge.verdict(after((one_round(one) for one in growing("churn-c", steps)), asked), asked)


def said(found: judge.Verdict) -> str:
    return found.candidate.message if found.candidate is not None else ""


def test_more_than_the_limit_in_the_last_200_requests_is_enough() -> None:
    well, worse = {"requests": 100}, {"requests": 100, "errors": 6}

    assert said(verdict(worse, worse)) == "12 of 200 requests failed (limit 5 %), all on churn-c"
    assert said(verdict(well, worse, worse)) == "12 of the last 200 requests failed (limit 5 %), all on churn-c"
    assert said(verdict(worse, well, well)) == ""
    assert said(verdict(worse, worse, rules=rules_of())) == ""


def test_a_scrape_is_never_taken_apart() -> None:
    assert said(verdict({"requests": 1000, "errors": 51})) == "51 of 1000 requests failed (limit 5 %), all on churn-c"
    assert said(verdict({"requests": 150, "errors": 15}, {"requests": 150})) == ""


@pytest.mark.parametrize(
    ("errors", "message"),
    [(5, ""), (19, "19 of 19 requests failed (limit 5 %), all on churn-c")],
    ids=["some fail", "all fail"],
)
def test_below_the_floor_only_a_total_failure_is_judged_and_by_the_test(errors: int, message: str) -> None:
    assert said(verdict({"requests": 19, "errors": errors})) == message


def test_latency_is_looked_at_in_the_same_window() -> None:
    slow, fast = {"requests": 100, "slow": 7}, {"requests": 100}

    assert said(verdict(slow, slow)) == "14 of 200 requests were slower than 500 ms (limit 5 %), all on churn-c"
    assert said(verdict(slow, fast, fast)) == ""


def test_after_a_restart_the_window_begins_anew() -> None:
    evidence = after((one_round(one) for one in growing("churn-c", [{"requests": 100, "errors": 6}] * 2)), in_windows())

    again = judge.unpack(judge.pack(evidence))

    assert judge.verdict(evidence, in_windows()).candidate is not None
    assert judge.verdict(again, in_windows()).candidate is None


def test_it_is_the_window_that_people_know() -> None:
    draw = np.random.default_rng(7)
    failed = (draw.random((5_000, 40)) < 0.02).astype(float)
    mine = np.array([_alarms(failed[:, one].reshape(-1, 25).sum(axis=1).astype(int).tolist()) for one in range(40)]).T

    assert (mine == window_alarms(failed)).all()
    assert 0 < mine.any(axis=0).mean() < 1


def _alarms(hits: list[int]) -> list[bool]:
    arm, found = fresh().candidate, []
    for errors in hits:
        arm = arm.in_window(Tally(requests=25, errors=errors))
        found.append(window_alarm(arm, lambda tally: (tally.errors, tally.requests), 0.05) is not None)
    return found


def test_evidence_goes_on_over_the_release_that_brought_the_rule() -> None:
    """The terms of a spec as the releases before had them, whose epochs are in the status of rollouts under way."""
    assert terms(Health()) == "cebcab"
    assert terms(Health.model_validate({"limits": {"rule": "test"}})) == terms(Health())
    assert terms(Health.model_validate({"limits": {"rule": "window"}})) != terms(Health())
