"""The made-up cluster around one rollout: Deployments and their pods, Services, traffic. One call of `step` a second.

It does what Kubernetes does and nothing that the operator should do. Endpoints follow readiness and selectors one
second late, as they do in a real cluster, so a pod gets a few requests after it has left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from modelrollout import names
from modelrollout.core.facts import DeploymentSeen, RevisionSource
from modelrollout.simulation.behaviours import GOOD, Behaviour
from modelrollout.simulation.pods import GRACE, Pod, State


@dataclass(slots=True)
class Deployment:
    """The Deployment of one revision."""

    source: RevisionSource
    replicas: int
    groups: frozenset[str]
    mark: str = ""
    stable_since: datetime | None = None

    @property
    def revision(self) -> str:
        return self.source.revision


@dataclass(slots=True)
class Load:
    """Open-loop traffic: so many requests each second, whatever becomes of them."""

    rate: int = 20
    preview_rate: int = 20
    linger: int = 0
    """Seconds for which keep-alive clients stay on a pod that has left the endpoints, one request a second."""
    sent: int = 0
    failed: int = 0
    unserved: int = 0
    """Requests for which no pod was there."""
    by_revision: dict[str, int] = field(default_factory=dict)


NODES = ("node-a", "node-b")
SERVICE, TAMPERED = "the Service", "has something else in place of ours"


@dataclass(slots=True)
class Cluster:
    """Everything that is not the operator."""

    rollout: str
    now: int = 0
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    """By the model's version."""
    sick: dict[str, Behaviour] = field(default_factory=dict)
    """By a pod's uid, where it behaves otherwise than its model."""
    deployments: dict[str, Deployment] = field(default_factory=dict)
    """By revision."""
    pods: list[Pod] = field(default_factory=list)
    service: names.Labels | None = None
    preview: names.Labels | None = None
    budget: names.Labels | None = None
    sources: list[RevisionSource] = field(default_factory=list)
    scaled: bool = False
    """Whether there is an autoscaler."""
    shrinks: bool = True
    """Whether it may ask for fewer pods."""
    tampered: set[str] = field(default_factory=set)
    """Revisions whose Deployment somebody has edited; SERVICE for the Service's port."""
    to_evict: int = 0
    """Pods behind the Service that somebody goes on to evict, one a second, as the budget allows."""
    cordoned: str = ""
    """The node that is being drained."""
    taken: str = ""
    proven: dict[str, datetime] = field(default_factory=dict)
    """Since when the revisions that are remembered were stable last."""
    orphans: set[tuple[str, str]] = field(default_factory=set)
    """Kind and name of objects that have lost their owner."""
    foreign: set[tuple[str, str]] = field(default_factory=set)
    """Kind and name of objects that somebody else has made under names of the rollout's."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Versions by alias; the registry knows any other alias as version 1."""
    registry_away: bool = False
    room: int | None = None
    """Pods that the nodes have room for; None is any number."""
    blind: frozenset[str] = frozenset()
    """Versions whose pods the operator cannot reach."""
    load: Load = field(default_factory=Load)
    endpoints: tuple[Pod, ...] = ()
    preview_endpoints: tuple[Pod, ...] = ()
    left: dict[str, int] = field(default_factory=dict)
    """When each pod left the endpoints, by its uid."""
    made: int = 0
    """Pods ever made, for their names."""
    lost: bool = False
    """Whether a pod was ever lost to a fault."""

    def behaviour(self, version: str) -> Behaviour:
        return self.behaviours.get(version, GOOD)

    def behaviour_of(self, pod: Pod) -> Behaviour:
        return self.sick.get(pod.uid, self.behaviour(pod.version))

    def pods_of(self, revision: str) -> list[Pod]:
        """Pods of a revision that are not being deleted."""
        return [pod for pod in self.pods if pod.revision == revision and not pod.ending]

    def selected(self, selector: Mapping[str, str] | None) -> list[Pod]:
        """Ready pods that a selector matches."""
        return [pod for pod in self.pods if pod.ready and not pod.ending and pod.matches(dict(selector or {}))]

    def step(self) -> None:
        """One second of everybody's work but the operator's."""
        self.now += 1
        self._send()
        for pod in self.pods:
            if not pod.ending:
                pod.step(self.now, self.behaviour_of(pod))
        self.pods = [pod for pod in self.pods if pod.ends is None or pod.ends > self.now]
        for deployment in self.deployments.values():
            self._follow(deployment)
        self._end_orphans()
        self._disrupt()
        self._schedule()
        endpoints = tuple(self.selected(self.service))
        self.left |= {pod.uid: self.now for pod in self.endpoints if pod not in endpoints}
        self.endpoints = endpoints
        self.preview_endpoints = tuple(self.selected(self.preview))

    def _send(self) -> None:
        rate = self.load.rate
        self.load.sent += rate
        self.load.failed += self._spread(self.endpoints, rate)
        if not self.endpoints:
            self.load.unserved += rate
        self._spread(self.preview_endpoints, self.load.preview_rate)
        behind = {pod.uid for pod in self.endpoints}
        linger = [pod for pod in self.pods if pod.uid not in behind and self._lingers(pod)]
        self._spread(tuple(linger), len(linger))

    def _lingers(self, pod: Pod) -> bool:
        return self.now - self.left.get(pod.uid, self.now) in range(1, self.load.linger + 1)

    def _spread(self, pods: tuple[Pod, ...], requests: int) -> int:
        """Send requests evenly over pods; gives how many were not answered well."""
        failed = 0
        share, left = divmod(requests, len(pods)) if pods else (0, 0)
        for index, pod in enumerate(pods):
            # The remainder goes round, so that each pod gets its share over time.
            count = share + (1 if (index + self.now) % len(pods) < left else 0)
            failed += pod.answer(count, self.behaviour_of(pod))
            self.load.by_revision[pod.revision] = self.load.by_revision.get(pod.revision, 0) + count
        return failed

    def _follow(self, deployment: Deployment) -> None:
        pods = self.pods_of(deployment.revision)
        old = [pod for pod in pods if pod.mark != deployment.mark]
        if old and deployment.replicas:
            self._restart_one(deployment, pods, old)
            return
        for _ in range(deployment.replicas - len(pods)):
            self._make(deployment)
        extra = sorted(pods, key=lambda pod: (pod.ready, -int(pod.uid)))[: max(0, len(pods) - deployment.replicas)]
        for pod in extra:
            pod.ends = self.now + GRACE

    def _restart_one(self, deployment: Deployment, pods: list[Pod], old: list[Pod]) -> None:
        """MaxSurge 1, maxUnavailable 0."""
        if len(pods) <= deployment.replicas:
            self._make(deployment)
        elif all(pod.ready for pod in pods if pod.mark == deployment.mark):
            old[0].ends = self.now + GRACE

    def _make(self, deployment: Deployment) -> None:
        self.made += 1
        revision = deployment.revision
        labels = names.revision_selector(self.rollout, revision)
        labels |= {names.group_label(group): names.GROUP_LABEL_VALUE for group in deployment.groups}
        name = f"{names.deployment(self.rollout, revision)}-{self.made}"
        self.pods.append(
            Pod(
                name,
                str(self.made),
                revision,
                deployment.source.version,
                labels,
                deployment.mark,
                since=self.now,
                node=self._node(),
            )
        )

    def _end_orphans(self) -> None:
        for pod in self.pods:
            if pod.revision not in self.deployments and not pod.ending:
                pod.ends = self.now + GRACE

    def _disrupt(self) -> None:
        """Ask for evictions as `kubectl drain` does: what the budget refuses is asked for again."""
        if self.to_evict and any(self._evict(pod) for pod in self.endpoints if not pod.ending):
            self.to_evict -= 1
        for pod in self.pods:
            if pod.node == self.cordoned and not pod.ending:
                self._evict(pod)

    def _evict(self, pod: Pod) -> bool:
        allowed = not pod.ready or self._may_spare(pod)
        if allowed:
            pod.ends = self.now + GRACE
        return allowed

    def _may_spare(self, pod: Pod) -> bool:
        """The budget's arithmetic: pods that its controllers should have, less one, have to stay healthy."""
        if self.budget is None or not pod.matches(self.budget):
            return True
        guarded = [one for one in self.pods if one.matches(self.budget) and not one.ending]
        owners = {one.revision for one in guarded} & self.deployments.keys()
        expected = sum(self.deployments[revision].replicas for revision in owners)
        return sum(one.ready for one in guarded) > expected - 1

    def _node(self) -> str:
        free = [node for node in NODES if node != self.cordoned]
        return free[self.made % len(free)]

    def _schedule(self) -> None:
        placed = sum(1 for pod in self.pods if pod.state is not State.UNSCHEDULED)
        for pod in self.pods:
            if pod.state is not State.UNSCHEDULED or pod.ending:
                continue
            if self.room is None or placed < self.room:
                placed += 1
                pod.schedule(self.now)
            else:
                pod.wait_for_room()

    def deployments_seen(self) -> tuple[DeploymentSeen, ...]:
        return tuple(
            DeploymentSeen(
                name=names.deployment(self.rollout, revision),
                revision=revision,
                replicas=one.replicas,
                ready=sum(1 for pod in self.pods_of(revision) if pod.ready),
                groups=one.groups,
                source=one.source,
                restarted=one.mark,
                drifted=TAMPERED if revision in self.tampered else "",
                stable_since=one.stable_since,
            )
            for revision, one in self.deployments.items()
        )
