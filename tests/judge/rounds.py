"""Builders of samples, rounds and evidence, each with defaults: a test names only what it is about."""

from collections.abc import Iterable, Mapping
from typing import Any

from modelrollout import judge
from modelrollout.api.spec import Health

EDGES = (100.0, 500.0, 1000.0)


def rules_of(health: Mapping[str, Any] | None = None) -> judge.Rules:
    """The rules of a health block as a user writes it."""
    return judge.rules(Health.model_validate(health or {}))


def sample(pod: str = "churn-1", **counters: Any) -> judge.Sample:
    """Counters of a pod. `slow` of the requests took 800 ms, the others 50 ms; all have been timed."""
    requests, slow = counters.get("requests", 0), counters.get("slow", 0)
    return judge.Sample(
        pod=pod,
        instance=counters.get("instance", f"{pod}:1"),
        requests=requests,
        errors=counters.get("errors", 0),
        refusals=counters.get("refusals", 0),
        latency=counters.get("latency", judge.Latency(EDGES, (requests - slow, 0, slow, 0))),
    )


def one_round(candidate: judge.Sample | None = None, stable: judge.Sample | None = None) -> judge.Round:
    """A round with at most one pod in each arm."""
    return judge.Round(candidate=(candidate,) if candidate else (), stable=(stable,) if stable else ())


def after(rounds: Iterable[judge.Round], rules: judge.Rules | None = None) -> judge.Evidence:
    """The evidence after these rounds; the first one holds nothing but origins."""
    asked = rules or rules_of()
    evidence, origins = judge.fresh(), judge.Origins()
    for seen in rounds:
        evidence, origins = judge.observe(evidence, origins, seen, asked)
    return evidence


def counted(
    candidate: Mapping[str, Any] | None = None,
    stable: Mapping[str, Any] | None = None,
    rules: judge.Rules | None = None,
) -> judge.Evidence:
    """The evidence after one round in which one pod of each arm counted this much."""
    origin = one_round(sample("churn-c"), sample("churn-s"))
    return after((origin, one_round(sample("churn-c", **candidate or {}), sample("churn-s", **stable or {}))), rules)


def growing(pod: str, steps: Iterable[Mapping[str, int]]) -> list[judge.Sample]:
    """The samples of a pod that starts at nothing and counts one step more before each next scrape."""
    sums = {"requests": 0, "errors": 0, "refusals": 0, "slow": 0}
    samples = [sample(pod)]
    for step in steps:
        sums = {name: number + step.get(name, 0) for name, number in sums.items()}
        samples.append(sample(pod, **sums))
    return samples
