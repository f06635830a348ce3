"""Whether one pod is to blame: said only where the others are seen to be well, and never of a model that fails."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from judge.trials import comparing, pod

from modelrollout import judge
from modelrollout.judge.verdicts import Suspect

Pods = Mapping[str, tuple[int, int]]
"""Errors and requests of each pod in one round."""
WELL = (0, 20)


def verdict(
    rounds: Iterable[Pods], rules: judge.Rules | None = None, stable: tuple[int, int] = (0, 80)
) -> judge.Verdict:
    """After rounds in which each candidate pod counted so much, beside one pod of stable that had served before."""
    asked = rules or comparing()
    known: dict[str, tuple[int, int]] = {"stable": (0, 1000)}
    seen, origins = judge.observe(judge.fresh(), judge.Origins(), _round(known), asked)
    for counts in rounds:
        for name in counts.keys() - known.keys():
            known[name] = (0, 0)
        seen, origins = judge.observe(seen, origins, _round(known), asked)
        for name, (errors, requests) in (*counts.items(), ("stable", stable)):
            known[name] = (known[name][0] + errors, known[name][1] + requests)
        seen, origins = judge.observe(seen, origins, _round(known), asked)
    return judge.verdict(seen, asked)


def _round(known: Pods) -> judge.Round:
    samples = {name: pod(name, errors=errors, requests=requests) for name, (errors, requests) in known.items()}
    return judge.Round(tuple(one for name, one in samples.items() if name != "stable"), (samples["stable"],))


def blamed(*rounds: Pods, **fields: Any) -> Suspect | None:
    found = verdict(rounds, **fields).candidate
    assert found is not None
    return found.suspect


def test_one_pod_of_four_that_fails_half_of_its_requests_is_to_blame() -> None:
    sick = {"a": (10, 20), "b": WELL, "c": WELL, "d": WELL}

    assert blamed(sick, sick) == Suspect("a", "a failed 20 of 40 requests, the other 3 none of 120")


def test_it_is_to_blame_for_a_broken_limit_too() -> None:
    found = verdict([{"a": (20, 20), "b": WELL}] * 2).candidate

    assert found is not None
    assert found.metric == "errorRate"
    assert found.suspect == Suspect("a", "a failed 40 of 40 requests, the other one none of 40")


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param({"a": (20, 20), "b": (20, 20)}, id="all pods fail"),
        pytest.param({"a": (10, 20), "b": (8, 20), "c": (12, 20)}, id="all pods fail at times"),
        pytest.param({"a": (20, 20)}, id="there is one pod: model or node"),
        pytest.param({"a": (20, 20), "b": (0, 0)}, id="the other one was asked nothing"),
        pytest.param({"a": (20, 20), "b": (0, 1)}, id="the other one was asked next to nothing"),
        pytest.param({"a": (20, 20), "b": (2, 20)}, id="the other one breaks the limit, too"),
        pytest.param({"a": (10, 20), "b": (10, 20), "c": WELL, "d": WELL}, id="two pods of four"),
    ],
)
def test_in_doubt_the_model_is_to_blame(counts: Pods) -> None:
    assert blamed(counts) is None


def test_without_a_comparison_limits_blame_the_model() -> None:
    limits = comparing(compare=None)

    assert blamed({"a": (20, 20), "b": WELL}, rules=limits) is None


def test_beside_a_stable_that_is_down_nothing_can_be_put_on_a_pod() -> None:
    assert blamed({"a": (20, 20), "b": WELL}, stable=(0, 0)) is None


def test_a_pod_that_is_gone_does_not_count_among_the_others() -> None:
    early: Pods = {"b": WELL}
    found = verdict([early] * 5 + [{"a": (20, 20)}] * 2)

    assert found.candidate is not None
    assert found.candidate.suspect == Suspect("a", "a failed 40 of 40 requests, the other one none of 100")
