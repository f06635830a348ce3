"""What was seen: everything that `decide` may know about the world, as frozen values.

`observe` fills these from the reflectors' caches and from the scraper; the simulation fills them from its own world.
Nothing here does I/O or reads a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import ModelRolloutStatus
from modelrollout.judge.recent import Recent
from modelrollout.judge.report import Report
from modelrollout.judge.samples import NO_PREDICTIONS, Predictions
from modelrollout.judge.steady import NOTHING_TESTED, SelfTested
from modelrollout.judge.verdicts import NOTHING_SEEN, Verdict


@dataclass(frozen=True, slots=True)
class Exposure:
    """What Services a rollout may ask for, as the administrator allows."""

    types: tuple[str, ...] = ("ClusterIP", "NodePort", "LoadBalancer")
    annotations: tuple[str, ...] = ("*",)
    """Keys; "prometheus.io/*" stands for all of a domain, "*" for all."""

    def allows(self, annotation: str) -> bool:
        return any(
            one in {"*", annotation} or (one.endswith("/*") and annotation.startswith(one[:-1]))
            for one in self.annotations
        )


@dataclass(frozen=True, slots=True)
class Rollout:
    """One ModelRollout as it was read: the spec both parsed and as it was written."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: ModelRolloutSpec | None
    """What can be read of it; None when nothing can. Where it cannot be followed, `invalid` says why."""
    status: ModelRolloutStatus
    model: Mapping[str, Any] = field(default_factory=dict)
    """spec.model as the user wrote it."""
    server: Mapping[str, Any] = field(default_factory=dict)
    """spec.server as the user wrote it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    invalid: str = ""
    """Why the spec cannot be followed, as a sentence; empty when it can."""
    exposure: Exposure = Exposure()
    """What is allowed around it; everything where no operator looks, as in a rehearsal."""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class RevisionSource:
    """What a revision is built from; kept in its ControllerRevision and on its Deployment."""

    revision: str
    version: str
    spec_hash: str
    image: str
    model: Mapping[str, Any]
    server: Mapping[str, Any]
    against: str
    """The stable whose group key its pods carry; its own hash where there was none."""
    registry: str = ""
    """Address of the registry that its model is fetched from; not remembered, since an administrator may move it."""


@dataclass(frozen=True, slots=True)
class DeploymentSeen:
    """The Deployment of one revision."""

    name: str
    revision: str
    replicas: int
    """Asked for by its spec."""
    ready: int
    groups: frozenset[str]
    """Revisions whose group keys its pod template carries."""
    source: RevisionSource
    restarted: str = ""
    """Value of the restart annotation."""
    trouble: str = ""
    """Why its ReplicaSet cannot make pods (quota, admission), in the API server's words."""
    drifted: str = ""
    """What somebody has changed of what is ours, as a phrase; empty when nothing."""
    stable_since: datetime | None = None
    """When its revision became stable last, by its record."""


class PodTrouble(StrEnum):
    """Why a pod is not serving, as far as Kubernetes or its container says."""

    OOM_KILLED = "OOMKilled"
    MODEL_NOT_FOUND = "ModelNotFound"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    FEATURE_MISMATCH = "FeatureMismatch"
    MISSING_DEPENDENCY = "MissingDependency"
    PORT_IN_USE = "PortInUse"
    KILLED_BY_LIVENESS = "KilledByLiveness"
    PROBE_FAILING = "ProbeFailing"
    CRASHED = "Crashed"
    CANNOT_PULL = "ImageCannotBePulled"
    MISSING_CONFIG = "MissingConfig"
    UNSCHEDULABLE = "Unschedulable"
    SCHEDULING_GATED = "SchedulingGated"
    NOT_MOUNTED = "NotMounted"
    INITIALIZING = "Initializing"
    SIDECAR_NOT_READY = "SidecarNotReady"
    READINESS_GATE = "ReadinessGate"
    NODE_LOST = "NodeLost"


CONTAINER_FAULTS = frozenset(
    {
        PodTrouble.OOM_KILLED,
        PodTrouble.MODEL_NOT_FOUND,
        PodTrouble.CHECKSUM_MISMATCH,
        PodTrouble.FEATURE_MISMATCH,
        PodTrouble.MISSING_DEPENDENCY,
        PodTrouble.PORT_IN_USE,
        PodTrouble.KILLED_BY_LIVENESS,
        PodTrouble.PROBE_FAILING,
        PodTrouble.CRASHED,
        PodTrouble.INITIALIZING,
    }
)
"""Troubles that are the revision's own. The others belong to the cluster or to the configuration around it."""


@dataclass(frozen=True, slots=True)
class PodSeen:
    """One pod of one revision, not counting those that are being deleted."""

    name: str
    uid: str
    revision: str
    ready: bool
    ready_since: datetime | None = None
    restarts: int = 0
    """Restarts of all its containers: a sidecar that crashes takes the pod out of service, too."""
    lasted: timedelta | None = None
    """How long the last run of the container lasted that ended last; None where none has."""
    started: bool = True
    """Whether it was ever ready or its server container has started."""
    trouble: PodTrouble | None = None
    words: str = ""
    """The container's last words, or Kubernetes' message."""
    failed_scrapes: int = 0
    """Scrapes in a row that got no usable answer; 0 for a pod that is not scraped."""
    scraped: bool = False
    """Whether the last scrape got a usable answer."""
    unanswered: str = ""
    """Why it did not, in words."""
    heard: bool = False
    """Whether it got another answer instead of none."""
    waits: timedelta = timedelta(0)
    """Age of the oldest request that its server had under way at the last scrape."""
    node: str = ""
    """Where it runs; empty before it was placed."""
    peak_bytes: int = 0
    """Most memory that a scrape has seen in use; 0 where none was told."""


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """A Service of one of our names."""

    selector: Mapping[str, str]
    owned: bool = True
    owner: str = ""
    """Who has it, when it is not ours."""
    drifted: str = ""
    """What somebody has changed of what is ours, as a phrase; empty when nothing."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object that this rollout's operator has made, and that nobody owns any more."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """An object of exactly a name that is to be written here, and somebody else's: it is never touched."""

    kind: str
    name: str
    message: str
    """Whose it is and what to do, as a sentence."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests that pods counted since the present epoch began."""

    candidate: int = 0
    stable: int = 0
    lately: tuple[int, int] = (0, 0)
    """Of the candidate and of stable in the last minute of the epoch."""
    outside_quiet: timedelta = timedelta(0)
    """For how long pods outside the Service's selector have counted no request."""
    outside_last: int = 0
    """Requests they counted in the last round that had any."""


@dataclass(frozen=True, slots=True)
class RegistryTrouble:
    """Why a registry does not say what an alias names."""

    reason: str
    """In one word: one of those below."""
    message: str
    """In a sentence."""


ASKING = "AskingRegistry"
"""It was not asked yet, or has not answered yet."""
UNDECLARED = "RegistryUndeclared"
"""No registry of that name was declared to the operator."""
UNAVAILABLE = "RegistryUnavailable"
"""It does not answer, or not in a way that can be read; asked again, less and less often."""
REFUSED = "RegistryRefused"
"""It does not accept the operator's credentials."""
NOT_FOUND = "AliasNotFound"
"""It answers that there is no such model or alias."""
BLOCKED = "ResolverBlocked"
"""The Job that asks a namespace's own registry cannot run, or cannot ask."""


@dataclass(frozen=True, slots=True)
class AliasSeen:
    """What is known of the alias that a spec names."""

    uri: str
    """As the spec names it."""
    version: str = ""
    """The version that it named when its registry last answered; empty before that."""
    sha256: str = ""
    """The checksum that the registry has for that version; empty where it has none."""
    registry: str = ""
    """Address of the registry where the spec names one of its own."""
    trouble: RegistryTrouble | None = None
    """Why `version` is missing or may be old; None while the registry answers."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The world around one rollout at one moment."""

    default_image: str
    deployments: tuple[DeploymentSeen, ...] = ()
    pods: tuple[PodSeen, ...] = ()
    service: ServiceSeen | None = None
    preview: ServiceSeen | None = None
    sources: tuple[RevisionSource, ...] = ()
    """Revisions that ControllerRevisions remember, oldest first."""
    proven: Mapping[str, datetime] = field(default_factory=dict)
    """Revisions that ControllerRevisions remember as once stable, and since when."""
    orphans: tuple[Orphan, ...] = ()
    """Objects that carry this rollout's record and have lost their owner: they are as good as ours."""
    taken: tuple[Foreign, ...] = ()
    """Objects of our names that are somebody else's. Each stops the writes to itself and nothing else."""
    fights: tuple[str, ...] = ()
    """Fields that do not stay as they are written, as sentences."""
    refused: str = ""
    """A write of ours that the API server refuses for good, in its words; empty when there is none."""
    verdict: Verdict = NOTHING_SEEN
    epoch: str = ""
    """The epoch that `verdict`, `traffic` and `watched` belong to."""
    watched: timedelta = timedelta(0)
    """Time watched in this epoch by the monotonic clock, over restarts."""
    traffic: Traffic = field(default_factory=Traffic)
    packed: str = ""
    """The judge's evidence of this epoch, packed for the status."""
    report: Report | None = None
    """The judge's numbers for people; None where nothing is compared."""
    compared: str = ""
    """What the whole rollout has shown beside stable, packed for the status."""
    predicted: Predictions = NO_PREDICTIONS
    """What the candidate has predicted since its rollout began, as far as that is followed."""
    recent: tuple[Recent, ...] = ()
    """What the pods of each revision have done in the last minute."""
    tested: SelfTested = NOTHING_TESTED
    """What judging stable against itself has said, over restarts."""
    registries: Mapping[str, str] = field(default_factory=dict)
    """Addresses of the declared registries by name; the first one is meant where a spec names none."""
    alias: AliasSeen | None = None
    """What is known of the alias that the spec names; None where it names none."""

    def deployment(self, revision: str) -> DeploymentSeen | None:
        return next((one for one in self.deployments if one.revision == revision), None)

    def stable_since(self, revision: str) -> datetime | None:
        """When a revision became stable last, by its records; None for one that never was."""
        deployment = self.deployment(revision)
        times = [deployment.stable_since if deployment is not None else None, self.proven.get(revision)]
        return max((time for time in times if time is not None), default=None)

    def ready(self, revision: str) -> int:
        return sum(1 for pod in self.pods if pod.revision == revision and pod.ready)

    def pods_of(self, revision: str) -> tuple[PodSeen, ...]:
        return tuple(pod for pod in self.pods if pod.revision == revision)

    def source(self, revision: str) -> RevisionSource | None:
        deployment = self.deployment(revision)
        if deployment is not None:
            return deployment.source
        return next((one for one in self.sources if one.revision == revision), None)
