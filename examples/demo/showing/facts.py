"""What the picture shows at one moment, gathered from the cluster and from the load client."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from modelrollout.traffic.load import Load
from modelrollout.traffic.records import Kind, Record
from stage.kube import Object
from stage.rollout import Happening, Rollout, ready, revision_of

LAST_SECONDS = 2.0
"""The rate and the shares are those of this last stretch."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One revision that has pods."""

    version: str
    role: str
    ready: int
    pods: int
    served: bool
    """Whether the Service selects it."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What became of the requests so far, and how it stands just now."""

    sent: int = 0
    model_failed: int = 0
    lost: int = 0
    rate: float = 0.0
    failing: float = 0.0
    """Share of the last stretch that failed, 0 to 1."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Answers of the last stretch by version, 0 to 1."""
    p95_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    phase: str
    message: str
    step: str
    asked: int | None
    pods: int | None
    served: float | None
    verdict: str
    arms: Sequence[Arm]
    requests: Requests
    events: Sequence[Happening]


async def gather(churn: Rollout, load: Load | None) -> Facts:
    obj = await churn.get()
    status = obj.get("status") or {}
    weights = status.get("weights") or {}
    return Facts(
        phase=status.get("phase", "Pending"),
        message=status.get("message", ""),
        step=status.get("step", ""),
        asked=weights.get("asked"),
        pods=weights.get("pods"),
        served=weights.get("served"),
        verdict=status.get("verdict", ""),
        arms=_arms(status, await churn.pods(), await churn.selector()),
        requests=count(load.records, load.now()) if load is not None else Requests(),
        events=await churn.events(),
    )


def _arms(status: Object, pods: Sequence[Object], selector: Mapping[str, str]) -> list[Arm]:
    roles = {
        (status.get(role) or {}).get("revision", ""): (role, (status.get(role) or {}).get("version", ""))
        for role in ("previous", "candidate", "stable")
    }
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    arms = []
    for revision in sorted({revision_of(pod) for pod in alive}, key=lambda one: _age(one, alive)):
        own = [pod for pod in alive if revision_of(pod) == revision]
        role, version = roles.get(revision, ("going", own[0]["metadata"]["labels"]["app.kubernetes.io/version"]))
        behind = all(own[0]["metadata"]["labels"].get(key) == value for key, value in selector.items())
        arms.append(Arm(version, role, sum(map(ready, own)), len(own), behind and bool(selector)))
    return arms


def _age(revision: str, pods: Sequence[Object]) -> str:
    return min(str(pod["metadata"]["creationTimestamp"]) for pod in pods if revision_of(pod) == revision)


def count(records: Sequence[Record], now: float) -> Requests:
    """All records are counted, the newest ones looked at."""
    kinds = Counter(one.kind for one in records)
    newest = [one for one in records[-2000:] if one.answered >= now - LAST_SECONDS]
    versions = Counter(one.version for one in newest if one.kind is Kind.ANSWERED)
    answered = sum(versions.values())
    latencies = sorted(one.latency_ms for one in newest)
    return Requests(
        sent=len(records),
        model_failed=kinds[Kind.EXPECTED],
        lost=len(records) - kinds[Kind.ANSWERED] - kinds[Kind.EXPECTED],
        rate=len(newest) / LAST_SECONDS,
        failing=sum(one.bad for one in newest) / len(newest) if newest else 0.0,
        shares={version: number / answered for version, number in sorted(versions.items())},
        p95_ms=latencies[int(0.95 * (len(latencies) - 1))] if latencies else 0.0,
    )
