"""A canary that is above a limit waits, although nothing is proven yet."""

from typing import Any

import pytest
from judge.rounds import counted, rules_of

from modelrollout import judge


@pytest.mark.parametrize(
    ("candidate", "stable", "expected"),
    [
        pytest.param({"requests": 20, "errors": 1}, {"requests": 20}, "", id="at the limit"),
        pytest.param(
            {"requests": 20, "errors": 2}, {"requests": 20}, "2 of 20 requests failed, more than 5 %", id="above it"
        ),
        pytest.param({"requests": 100, "refusals": 5}, {"requests": 100}, "", id="a few refusals"),
        pytest.param({"requests": 100, "refusals": 25}, {"requests": 100, "refusals": 10}, "", id="as stable refuses"),
        pytest.param(
            {"requests": 100, "refusals": 26},
            {"requests": 100, "refusals": 10},
            "26 of 100 requests were refused, stable refused 10 of 100",
            id="clearly more refusals than stable",
        ),
        pytest.param({"requests": 100, "refusals": 100}, {}, "", id="nothing to compare refusals with"),
        pytest.param(
            {"requests": 40, "slow": 3},
            {"requests": 40},
            "3 of 40 requests were slower than 500 ms",
            id="slow beyond the quantile",
        ),
        pytest.param({"requests": 40, "slow": 2}, {"requests": 40}, "", id="slow within the quantile"),
    ],
)
def test_a_share_above_what_is_allowed_is_a_doubt(
    candidate: dict[str, Any], stable: dict[str, Any], expected: str
) -> None:
    rules = rules_of()
    verdict = judge.verdict(counted(candidate, stable, rules), rules)
    assert (verdict.doubt, verdict.candidate) == (expected, None)
