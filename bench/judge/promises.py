"""Whole rollouts in `clusters`, judged by the operator's own path: ledger, epochs, checkpoints, restarts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from bench.judge.clusters import INTERVAL, PODS, ROUNDS, STABLE_PODS, Cluster, Played, played, pods_at
from bench.judge.latencies import EDGES_MS
from modelrollout.api.spec import Health
from modelrollout.api.status import Checkpoint, ModelRolloutStatus
from modelrollout.core.decision import Watch
from modelrollout.judge import Latency, Sample, verdict
from modelrollout.ledger import Ledger, Look, Looks, after, resumed, rules_of, under

NEVER = 10**9


@dataclass(slots=True)
class Outcome:
    """What became of one rollout, by alpha."""

    fired: dict[float, tuple[float, str]] = field(default_factory=dict)
    """Seconds, and the metric."""
    requests: dict[float, int] = field(default_factory=dict)
    """Requests of both arms until then."""
    passed: float | None = None
    """Seconds after which the first step had its proof, if it ever had."""


def watch_at(at: float) -> Watch:
    weight, _ = pods_at(at)
    epoch = f"canary.{weight}.1.judging.ab"
    return Watch(timedelta(seconds=INTERVAL), "canary", "stable", epoch=epoch, share=1 / 8, shared=True)


def looks(found: Played, number: int) -> Looks:
    """One scrape of all pods."""
    at = number * INTERVAL
    _, candidates = pods_at(max(0.0, at - INTERVAL / 2))
    pods = []
    sums, buckets = found.sums[number].tolist(), found.buckets[number].tolist()
    for pod in range(min(PODS, STABLE_PODS + candidates)):
        arm = "stable" if pod < STABLE_PODS else "canary"
        name = f"{arm}-{pod}"
        requests, errors, refusals = sums[pod]
        latency = Latency(EDGES_MS, tuple(buckets[pod]))
        pods.append(Look(name, arm, Sample(name, f"{name}:1", requests, errors, refusals, latency)))
    return Looks(at, tuple(pods))


def judged(found: Played, health: Health, alphas: Sequence[float], restart_every: int = 0) -> Outcome:
    """One rollout at several alphas at once: the evidence is the same."""
    outcome, ledger = Outcome(), Ledger()
    for number in range(ROUNDS + 1):
        at = number * INTERVAL
        watch = watch_at(max(0.0, at - INTERVAL / 2))
        if restart_every and number and number % restart_every == 0:
            ledger = _restarted(ledger)
        ledger = under(ledger, watch)
        rules = [rules_of(_with(health, alpha), watch) for alpha in alphas]
        ledger = after(ledger, looks(found, number), watch, rules[-1])
        for alpha, asked in zip(alphas, rules, strict=True):
            if alpha in outcome.fired:
                continue
            said = ledger.verdict if asked is rules[-1] else verdict(ledger.evidence, asked)
            if said.candidate is not None and said.stable is None:
                outcome.fired[alpha] = (at, said.candidate.metric)
                outcome.requests[alpha] = int(found.sums[number, :, 0].sum() - found.sums[0, :, 0].sum())
        if len(outcome.fired) == len(alphas):
            break
        if outcome.passed is None and ledger.verdict.enough and not ledger.verdict.unproven:
            outcome.passed = at
    return outcome


_KNOWN: dict[tuple[int, float], Health] = {}


def _with(health: Health, alpha: float) -> Health:
    key = (id(health), alpha)
    if key not in _KNOWN:
        content = health.model_dump(mode="json", by_alias=True)
        content["compare"] = (content.get("compare") or {}) | {"falseRollbackRate": alpha}
        _KNOWN[key] = Health.model_validate(content)
    return _KNOWN[key]


def _restarted(ledger: Ledger) -> Ledger:
    """An operator that begins anew with what the status has."""
    kept: Any = Checkpoint(
        epoch=ledger.epoch,
        time=datetime.now(UTC),
        watched=ledger.watched,
        evidence=ledger.kept.packed,
        comparison=ledger.kept.compared,
    )
    return resumed(ModelRolloutStatus(checkpoint=kept))


def runs(world: Cluster, health: Health, alphas: Sequence[float], rollouts: int, seed: int = 1) -> Iterator[Outcome]:
    """Each rollout with a seed of its own; the operator restarts every two minutes in every fourth."""
    for number in range(rollouts):
        draw = np.random.default_rng((seed, number))
        yield judged(played(world, draw), health, alphas, 0 if number % 4 else 24)
