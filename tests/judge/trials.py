"""Builders of rollouts beside stable: rounds of both arms, with defaults."""

from collections.abc import Iterable, Mapping
from typing import Any

from judge.rounds import rules_of, sample

from modelrollout import judge

EDGES = tuple(float(f"{0.05 * 1.1**i:.6g}") for i in range(153))
FAST, SLOW = 60, 68
"""Buckets around 15 and 33 ms."""


def comparing(**health: Any) -> judge.Rules:
    """The rules of a health block that compares."""
    return rules_of({"compare": {}} | health)


def timed(requests: int, slow: int = 0) -> judge.Latency:
    """Most requests took 15 ms, every tenth one 20 ms; the slow ones 33 ms."""
    counts = [0] * (len(EDGES) + 1)
    tenth = (requests - slow) // 10
    counts[FAST], counts[FAST + 3], counts[SLOW] = requests - slow - tenth, tenth, slow
    return judge.Latency(EDGES, tuple(counts))


def pod(name: str, **counters: Any) -> judge.Sample:
    known = dict(counters)
    latency = timed(known.get("requests", 0), known.pop("slow", 0))
    extra = {key: known.pop(key) for key in ("predictions", "baseline") if key in known}
    found = sample(name, **(known | {"latency": latency}))
    return judge.Sample(
        found.pod, found.instance, found.requests, found.errors, found.refusals, found.latency, 0.0, **extra
    )


def rollout(
    rounds: Iterable[tuple[Mapping[str, int], Mapping[str, int]]],
    rules: judge.Rules | None = None,
    evidence: judge.Evidence | None = None,
) -> judge.Evidence:
    """The evidence after rounds in which one pod of each arm counted this much; stable had served 1,000 before."""
    asked = rules or comparing()
    sums: dict[str, dict[str, int]] = {"churn-c": {}, "churn-s": {"requests": 1000}}
    seen, origins = evidence or judge.fresh(), judge.Origins()
    seen, origins = judge.observe(seen, origins, _round(sums), asked)
    for steps in rounds:
        for name, step in zip(sums, steps, strict=True):
            for key, number in step.items():
                sums[name][key] = sums[name].get(key, 0) + number
        seen, origins = judge.observe(seen, origins, _round(sums), asked)
    return seen


def _round(sums: Mapping[str, Mapping[str, int]]) -> judge.Round:
    return judge.Round((pod("churn-c", **sums["churn-c"]),), (pod("churn-s", **sums["churn-s"]),))
