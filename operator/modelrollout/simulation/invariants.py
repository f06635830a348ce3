"""What must hold after every write and every second, whatever happens; each breach is a sentence.

The guard looks at the world itself, never at what the operator believes.
"""

import json
from dataclasses import dataclass, field
from datetime import timedelta

from modelrollout import names
from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import ConditionStatus, ModelRolloutStatus, Outcome, Routing
from modelrollout.core.decision import Action, EnsureService, Note, Route, Scale
from modelrollout.core.plan import surge_of
from modelrollout.core.words import LONGEST
from modelrollout.simulation.cluster import Cluster

STATUS_LIMIT = 32 * 1024


@dataclass(slots=True)
class Guard:
    """Collects breaches during one run."""

    spec: ModelRolloutSpec | None = None
    broken: list[str] = field(default_factory=list)
    checked: int = 0
    left: set[str] = field(default_factory=set)
    """Rejected revisions that the Service has left."""
    alone: tuple[str, int] = ("", 0)
    """The revision that the Service selects alone, and since when."""
    by_hand: bool = False
    """Whether somebody promotes, or lets promote, without evidence."""
    steady: bool = True
    """Whether the scenario loses no pods and keeps its size, so that capacity can be held to N at every second."""

    def ready(self, cluster: Cluster) -> int:
        """Ready pods behind the Service now."""
        return len(cluster.selected(cluster.service))

    def wrote(self, action: Action, before: int, cluster: Cluster, status: ModelRolloutStatus) -> None:
        """After one action; `before` counts the ready pods behind the Service before it."""
        self.checked += 1
        if isinstance(action, Route):
            self._routed(action, before, cluster, status)
        if isinstance(action, Scale):
            self._scaled(action, cluster, status)
        if isinstance(action, EnsureService):
            self._remember(cluster, _selected_revisions(cluster))

    def _routed(self, action: Route, before: int, cluster: Cluster, status: ModelRolloutStatus) -> None:
        after = self.ready(cluster)
        if before and not after:
            self._breach(cluster, f"{action}: {before} ready pods were behind the Service, now none is")
        unconditional = action.expected is None
        if not unconditional and after < min(before, self._least(cluster, status)):
            self._breach(cluster, f"{action}: ready pods behind the Service went from {before} to {after}")
        behind = _selected_revisions(cluster)
        for revision in rejected(status) & behind & self.left:
            self._breach(cluster, f"{action}: the rejected {revision} is behind the Service again")
        self._remember(cluster, behind)

    def _remember(self, cluster: Cluster, behind: set[str]) -> None:
        revision = (cluster.service or {}).get(names.REVISION_LABEL, "")
        if revision != self.alone[0]:
            self.alone = (revision, cluster.now)
        self.left = {one for one in cluster.deployments if one not in behind}

    def _scaled(self, action: Scale, cluster: Cluster, status: ModelRolloutStatus) -> None:
        """A scale-down takes pods from behind the Service only down to what the policy allows."""
        if self.spec is None or self.spec.replicas == 0:
            return
        pods = cluster.pods_of(action.revision)
        stay = sorted(pods, key=lambda pod: (not pod.ready, int(pod.uid)))[: action.replicas]
        going = {pod.uid for pod in pods} - {pod.uid for pod in stay}
        behind = cluster.selected(cluster.service)
        after = [pod for pod in behind if pod.uid not in going]
        if len(after) < min(len(behind), self._least(cluster, status)):
            self._breach(cluster, f"{action}: ready pods behind the Service go from {len(behind)} to {len(after)}")

    def _least(self, cluster: Cluster, status: ModelRolloutStatus) -> int:
        """Ready pods that the policy asks for: the size, or one less in the constant-total mode without surge.

        While a bad model gives way to a stable that has to start anew, half of the size.
        """
        if self.spec is None:
            return 0
        if surge_of(self.spec) is not None and rejected(status) & _selected_revisions(cluster):
            return status.size // 2
        canary = self.spec.strategy.canary
        tight = canary is not None and canary.constant_total is not None and canary.constant_total.surge == 0
        size = min(status.size, self.spec.replicas)
        return max(1, size - 1) if tight and status.candidate is not None else size

    def committed(self, cluster: Cluster, before: ModelRolloutStatus, after: ModelRolloutStatus) -> None:
        """After one write of the status."""
        self.checked += 1
        flags = {condition.type: condition.status for condition in after.conditions}
        if flags.get("Reconciling") is ConditionStatus.TRUE and flags.get("Stalled") is ConditionStatus.TRUE:
            self._breach(cluster, "Reconciling and Stalled are both True")
        size = len(json.dumps(after.to_json()))
        if size >= STATUS_LIMIT:
            self._breach(cluster, f"the status has {size} bytes")
        self._promoted(cluster, before, after)

    def _promoted(self, cluster: Cluster, before: ModelRolloutStatus, after: ModelRolloutStatus) -> None:
        """A promotion has its evidence: requests answered alone behind the Service, and the bake watched."""
        candidate, stable = before.candidate, after.stable
        if candidate is None or before.stable is None or stable is None or self.spec is None:
            return
        if after.candidate is not None or stable.revision != candidate.revision or candidate.forced or self.by_hand:
            return
        answered = cluster.load.by_revision.get(stable.revision, 0)
        if answered < self.spec.health.min_samples:
            self._breach(cluster, f"{stable.version} was promoted after {answered} requests")
        revision, since = self.alone
        baked = timedelta(seconds=cluster.now - since)
        if revision != stable.revision or baked < self.spec.bake:
            self._breach(cluster, f"{stable.version} was promoted after a bake of {baked.total_seconds():g} s")

    def noted(self, note: Note) -> None:
        """An Event or log line: it is a sentence for a person."""
        if len(note.message) > LONGEST or not note.message:
            self.broken.append(f"{note.reason} has a message of {len(note.message)} characters")

    def ticked(self, cluster: Cluster, status: ModelRolloutStatus) -> None:
        """After one second."""
        self.checked += 1
        stable = status.stable
        if stable is None or self.spec is None or self.spec.replicas == 0:
            return
        behind = {pod.revision for pod in cluster.endpoints}
        known = {stable.revision} | ({status.candidate.revision} if status.candidate is not None else set())
        service = cluster.service or {}
        settled = status.candidate is not None and status.candidate.routing is Routing.SHARED
        if settled and names.group_label(stable.revision) in service and behind - known:
            self._breach(cluster, f"{sorted(behind - known)} are behind the Service, too")
        capacity, least = len(cluster.endpoints), self._least(cluster, status)
        if self.steady and not cluster.lost and capacity < least:
            self._breach(cluster, f"{capacity} ready pods are behind the Service, the policy asks for {least}")

    def _breach(self, cluster: Cluster, text: str) -> None:
        self.broken.append(f"{cluster.now} s: {text}")


def rejected(status: ModelRolloutStatus) -> set[str]:
    """Revisions that may not be behind the Service again by themselves."""
    bad = {Outcome.REJECTED, Outcome.ABORTED, Outcome.UNHEALTHY}
    known = {entry.revision for entry in status.history if entry.outcome in bad}
    return known - ({status.stable.revision} if status.stable is not None else set())


def _selected_revisions(cluster: Cluster) -> set[str]:
    return {pod.revision for pod in cluster.pods if not pod.ending and pod.matches(dict(cluster.service or {}))}
