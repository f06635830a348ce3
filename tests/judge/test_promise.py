"""What the judge promises: few false alarms however often it looks, and a fast alarm after a long healthy time.

Simulated with fixed seeds, so that a number here only moves when the judge does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import pytest
from judge.rounds import growing, one_round, rules_of

from modelrollout import judge

RUNS = 60
ROUNDS = 100
ALPHA = 0.4
"""Large, so that a broken promise shows in 60 runs."""


@dataclass(frozen=True)
class Traffic:
    """Requests of one arm in one round, and the rates at which they go wrong."""

    requests: int
    errors: float = 0.0
    refusals: float = 0.0
    slow: float = 0.0

    def drawn(self, rng: np.random.Generator) -> dict[str, int]:
        rates = {"errors": self.errors, "refusals": self.refusals, "slow": self.slow}
        return {
            "requests": self.requests,
            **{name: int(rng.binomial(self.requests, rate)) for name, rate in rates.items()},
        }


Rounds = Iterable[tuple[Traffic, Traffic]]


def first_alarm(rounds: Rounds, rules: judge.Rules, rng: np.random.Generator) -> int | None:
    """In which round, counted from 1, the candidate has a finding first; it is looked for after every round."""
    drawn = [(candidate.drawn(rng), stable.drawn(rng)) for candidate, stable in rounds]
    candidate, stable = (growing(pod, steps) for pod, steps in zip("cs", zip(*drawn, strict=True), strict=True))
    evidence, origins = judge.fresh(), judge.Origins()
    for number, pair in enumerate(zip(candidate, stable, strict=True)):
        evidence, origins = judge.observe(evidence, origins, one_round(*pair), rules)
        if judge.verdict(evidence, rules).candidate is not None:
            return number
    return None


def false_alarms(rounds: Sequence[tuple[Traffic, Traffic]], rules: judge.Rules) -> int:
    return sum(first_alarm(rounds, rules, np.random.default_rng(seed)) is not None for seed in range(RUNS))


def test_candidate_exactly_at_its_error_limit_is_rarely_found_guilty() -> None:
    rules = rules_of({"limits": {"p95LatencyMs": None}, "compare": {"falseRollbackRate": ALPHA}})
    at_limit = Traffic(10, errors=0.05)

    assert false_alarms([(at_limit, at_limit)] * ROUNDS, rules) <= RUNS * ALPHA * 0.2


def test_candidate_exactly_at_its_latency_limit_is_rarely_found_guilty() -> None:
    rules = rules_of({"limits": {"errorRate": None}, "compare": {"falseRollbackRate": ALPHA}})
    at_limit = Traffic(10, slow=0.05)

    assert false_alarms([(at_limit, at_limit)] * ROUNDS, rules) <= RUNS * ALPHA * 0.2


def test_candidate_that_refuses_as_stable_does_is_rarely_found_guilty() -> None:
    rules = rules_of({"compare": {"falseRollbackRate": ALPHA}})
    moving = [
        (
            Traffic(5 + number // 3, refusals=0.02 + number / 1000),
            Traffic(60 - number // 3, refusals=0.02 + number / 1000),
        )
        for number in range(ROUNDS)
    ]

    assert false_alarms(moving, rules) <= RUNS * ALPHA * 0.1


HEALTHY = Traffic(50, errors=0.001, refusals=0.001)
LONG = [(HEALTHY, HEALTHY)] * 400
"""20,000 healthy requests."""


@pytest.mark.parametrize(
    ("bad", "typical", "at_most"),
    [
        pytest.param(Traffic(50, errors=1.0), 1, 1, id="every request fails"),
        pytest.param(Traffic(50, errors=0.5), 1, 1, id="half of the requests fail"),
        pytest.param(Traffic(50, errors=0.2), 3, 8, id="every fifth request fails"),
        pytest.param(Traffic(50, slow=1.0), 1, 1, id="every request is slow"),
        pytest.param(Traffic(50, slow=0.2), 3, 8, id="every fifth request is slow"),
        pytest.param(Traffic(50, refusals=1.0), 1, 1, id="every request is refused"),
        pytest.param(Traffic(50, refusals=0.2), 3, 6, id="every fifth request is refused"),
    ],
)
def test_fault_after_a_long_healthy_time_is_found_at_once(bad: Traffic, typical: int, at_most: int) -> None:
    rounds = [*LONG, *[(bad, HEALTHY)] * 20]
    alarms = [first_alarm(rounds, rules_of(), np.random.default_rng(seed)) for seed in range(5)]
    after_fault = [alarm - len(LONG) for alarm in alarms if alarm is not None]

    assert len(after_fault) == len(alarms)
    assert min(after_fault) >= 1
    assert median(after_fault) <= typical
    assert max(after_fault) <= at_most
