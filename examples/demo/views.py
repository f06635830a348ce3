"""What the demo shows, gathered into one frozen value: from the resource, its pods, its Events and our own requests."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from modelrollout.traffic.records import Kind, Record
from modelrollout.traffic.summary import quantile
from stage.kube import Object
from stage.rollout import Happening, Rollout, ready, revision_of

NOW_SECONDS = 3.0
"""How far back "now" reaches."""
VERSION_LABEL = "app.kubernetes.io/version"


@dataclass(frozen=True, slots=True)
class Arm:
    """The pods of one revision."""

    version: str
    revision: str
    role: str
    """stable, canary, first, previous or leaving."""
    pods: tuple[str, ...]
    """One of ready, starting, ending for each."""

    @property
    def ready(self) -> int:
        return self.pods.count("ready")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Our own requests so far."""

    requests: int = 0
    failed_fresh: int = 0
    failed_kept: int = 0
    per_second: float = 0.0
    shares: tuple[tuple[str, int], ...] = ()
    """Answers of the last seconds by version; "failed" for those without one."""
    p50_ms: float = 0.0
    p99_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class View:
    """One moment."""

    phase: str
    step: str
    verdict: str
    message: str
    asked: int
    by_pods: int
    served: float | None
    arms: tuple[Arm, ...]
    traffic: Traffic
    events: tuple[Happening, ...]


async def look(rollout: Rollout, records: Sequence[Record]) -> View:
    """Ask the API server, and count."""
    status = await rollout.status()
    weights = status.get("weights") or {}
    return View(
        phase=status.get("phase", "Pending"),
        step=status.get("step", ""),
        verdict=status.get("verdict", ""),
        message=status.get("message", ""),
        asked=weights.get("asked", 0),
        by_pods=weights.get("pods", 0),
        served=weights.get("served"),
        arms=arms_of(status, await rollout.pods()),
        traffic=traffic_of(records),
        events=tuple(await rollout.events()),
    )


def arms_of(status: Object, pods: Sequence[Object]) -> tuple[Arm, ...]:
    """The revisions that have pods; those that serve first."""
    newcomer = "canary" if status.get("stable") else "first"
    roles = {
        status[key]["revision"]: role
        for key, role in (("previous", "previous"), ("candidate", newcomer), ("stable", "stable"))
        if status.get(key)
    }
    arms = [
        Arm(
            version=next(pod["metadata"]["labels"].get(VERSION_LABEL, "") for pod in pods if revision_of(pod) == one),
            revision=one,
            role=roles.get(one, "leaving"),
            pods=tuple(sorted((_state(pod) for pod in pods if revision_of(pod) == one), key=_ORDER.index)),
        )
        for one in {revision_of(pod) for pod in pods}
    ]
    return tuple(sorted(arms, key=lambda arm: (arm.version, arm.revision)))


_ORDER = ("ready", "starting", "ending")


def _state(pod: Object) -> str:
    if ready(pod):
        return "ready"
    return "ending" if "deletionTimestamp" in pod["metadata"] else "starting"


def traffic_of(records: Sequence[Record]) -> Traffic:
    """Totals, and what the last seconds were like."""
    if not records:
        return Traffic()
    bad = [one for one in records if one.bad]
    recent = _recent(records)
    latencies = sorted(one.latency_ms for one in recent if one.kind is Kind.ANSWERED)
    shares = Counter("failed" if one.bad else one.version for one in recent)
    return Traffic(
        requests=len(records),
        failed_fresh=sum(one.fresh for one in bad),
        failed_kept=sum(not one.fresh for one in bad),
        per_second=len(recent) / NOW_SECONDS,
        shares=tuple(sorted(shares.items())),
        p50_ms=quantile(latencies, 0.5) if latencies else 0.0,
        p99_ms=quantile(latencies, 0.99) if latencies else 0.0,
    )


def _recent(records: Sequence[Record]) -> list[Record]:
    newest = records[-1].answered
    found = []
    for record in reversed(records):
        if record.answered < newest - NOW_SECONDS:
            break
        found.append(record)
    return found
