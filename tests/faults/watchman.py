"""What must hold at every write of the history and at every second, seen from the API server's side alone.

The watchman knows the objects, the pods and what was asked of whom; what an operator believes is nothing to it. Each
breach is a sentence that names the write.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from faults.apiserver import ApiServer
from faults.etcd import Object, Write

from modelrollout import names
from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import Candidate, ConditionStatus, ModelRolloutStatus, Outcome, Routing, Stage
from modelrollout.kube.resources import MODEL_ROLLOUTS, SERVICES
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.pods import Pod

STATUS_LIMIT = 32 * 1024
BAD = frozenset({Outcome.REJECTED, Outcome.ABORTED, Outcome.UNHEALTHY})
STAGES = (Stage.WAITING, Stage.STARTING, Stage.JUDGING, Stage.PAUSED, Stage.BAKING, Stage.DRAINING)
OPERATOR = "operator"
NOTHING = ModelRolloutStatus()
LATE_SECONDS = 6
"""How old a view may be at most where views are late."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How strict the watchman can be in a run."""

    steady: bool = True
    """No pod is lost and the size stays, so that capacity can be held to the policy at every second."""
    sparing: bool = True
    """No answer is lost, nobody else writes, and there is one operator at a time: so no write repeats what is so
    already, and none is refused because something else was seen."""
    fresh: bool = True
    """No view is late, so that a move of the selector is judged by the pods of that very moment."""


@dataclass(slots=True)
class Watchman:
    """Checks one rollout's history as it is written."""

    cluster: Cluster
    server: ApiServer
    rules: Rules = field(default_factory=Rules)
    checked: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    """Requests that a revision's pods have told an operator of, at most."""
    left: set[str] = field(default_factory=set)
    """Bad revisions that the Service has left."""
    alone: tuple[str, int] = ("", 0)
    """The revision that the Service selects alone, and since when."""
    seen_ready: dict[str, int] = field(default_factory=dict)
    """When each revision last had a ready pod."""
    uids: set[str] = field(default_factory=set)
    """Every rollout of this name there ever was."""
    parsed: tuple[str, ModelRolloutStatus, ModelRolloutSpec | None] = ("", NOTHING, None)

    def refused(self, text: str) -> None:
        """A write to a child that the API server did not take, since the operator knew something old of it."""
        self.checked["no write to a child is late"] += 1
        if self.rules.sparing:
            self.broken.append(f"{self.cluster.now} s: {text}: it had seen something old")

    def wrote(self, write: Write) -> None:
        """One write of anybody."""
        plural, _, name = write.key
        if plural == names.PLURAL and name == self.cluster.rollout and write.after is not None:
            self.uids.add(write.after["metadata"]["uid"])
        if not self._is_ours(write):
            return
        if write.by.startswith(OPERATOR):
            self._operator_wrote(write)
        if plural == "services" and name == names.service(self.cluster.rollout):
            self._remember(write)

    def _is_ours(self, write: Write) -> bool:
        plural, _, name = write.key
        return name.startswith(self.cluster.rollout) and plural != "pods"

    def _operator_wrote(self, write: Write) -> None:
        self.checked["no write to a child is late"] += write.key[0] != names.PLURAL
        for rule in RULES:
            self.checked[rule.__name__.strip("_").replace("_", " ")] += 1
            for breach in rule(self, write):
                self.broken.append(f"{self.cluster.now} s: {write}: {breach}")

    def _remember(self, write: Write) -> None:
        if write.after is None:
            return
        selector = _selector(write.after)
        revision = selector.get(names.REVISION_LABEL, "")
        if revision != self.alone[0]:
            self.alone = (revision, self.cluster.now)
        behind = self.selected(selector)
        bad = rejected(self.status)
        self.left = (self.left | (bad - behind)) & bad

    @property
    def status(self) -> ModelRolloutStatus:
        return self._read()[1]

    @property
    def spec(self) -> ModelRolloutSpec | None:
        return self._read()[2]

    def _read(self) -> tuple[str, ModelRolloutStatus, ModelRolloutSpec | None]:
        """The rollout at its version, parsed once."""
        owner = self.owner()
        version = owner["metadata"]["resourceVersion"] if owner is not None else ""
        if version != self.parsed[0] or owner is None:
            status = ModelRolloutStatus.model_validate((owner or {}).get("status") or {})
            spec = ModelRolloutSpec.model_validate(owner["spec"]) if owner is not None else None
            self.parsed = (version, status, spec)
        return self.parsed

    def owner(self) -> Object | None:
        """The rollout as it is now."""
        return self.server.find(MODEL_ROLLOUTS, self.cluster.rollout)

    def selector(self) -> names.Labels:
        """What the Service selects now."""
        return _selector(self.server.find(SERVICES, names.service(self.cluster.rollout)))

    def selected(self, selector: names.Labels) -> set[str]:
        """Revisions of the pods, not being deleted, that a selector matches."""
        return {pod.revision for pod in self.cluster.pods if not pod.ending and pod.matches(selector)}

    def ready(self, selector: names.Labels) -> list[Pod]:
        return self.cluster.selected(selector)

    def least(self, status: ModelRolloutStatus, spec: ModelRolloutSpec | None) -> int:
        """Ready pods that the policy asks for behind the Service."""
        if spec is None or spec.replicas == 0:
            return 0
        return min(status.size, spec.replicas)

    def forget(self) -> None:
        """Let go of revisions that are gone: a long run has many."""
        present = {pod.revision for pod in self.cluster.pods}
        for known in (self.seen_ready, self.told, self.cluster.load.by_revision):
            for revision in known.keys() - present:
                del known[revision]

    def ticked(self) -> None:
        """One second is over."""
        for pod in self.cluster.pods:
            if pod.ready:
                self.seen_ready[pod.revision] = self.cluster.now
        owner = self.owner()
        if owner is None or "status" not in owner or owner["status"].get("stable") is None:
            return
        self.checked["capacity behind the service at every second"] += 1
        if not self.rules.steady or self.cluster.lost:
            return
        capacity, least = len(self.cluster.endpoints), self.least(self.status, self.spec)
        if capacity < least:
            self.broken.append(
                f"{self.cluster.now} s: {capacity} ready pods are behind the Service, the policy asks for {least}"
            )


Rule = Callable[[Watchman, Write], Iterator[str]]


def rejected(status: ModelRolloutStatus) -> set[str]:
    """Revisions that may not be behind the Service again by themselves."""
    known = {entry.revision for entry in status.history if entry.outcome in BAD}
    return known - ({status.stable.revision} if status.stable is not None else set())


def _selector(obj: Object | None) -> names.Labels:
    return dict(obj["spec"]["selector"]) if obj is not None else {}


def _moves(write: Write) -> bool:
    """Whether a write moves the selector of the Service that clients use."""
    if write.key[0] != "services" or write.key[2].endswith("-preview") or None in (write.before, write.after):
        return False
    return _selector(write.before) != _selector(write.after)


def _statuses(write: Write) -> tuple[ModelRolloutStatus, ModelRolloutStatus] | None:
    if write.key[0] != names.PLURAL or write.before is None or write.after is None:
        return None
    before, after = write.before.get("status") or {}, write.after.get("status") or {}
    return ModelRolloutStatus.model_validate(before), ModelRolloutStatus.model_validate(after)


def _every_write_changes_something(watchman: Watchman, write: Write) -> Iterator[str]:
    if watchman.rules.sparing and not write.changes:
        yield "it was so already"


def _only_what_it_controls(watchman: Watchman, write: Write) -> Iterator[str]:
    known = write.before if write.before is not None else write.after
    if write.key[0] == names.PLURAL or known is None:
        return
    owners = known["metadata"].get("ownerReferences") or []
    if not _is_owned(watchman, owners) and not _is_adopted(watchman, write):
        yield "the object is somebody else's"


def _is_owned(watchman: Watchman, owners: list[Object]) -> bool:
    return any(owner.get("controller") and owner["uid"] in watchman.uids for owner in owners)


def _is_adopted(watchman: Watchman, write: Write) -> bool:
    """Whether the write makes an orphan that the operator once made its own again."""
    if write.before is None or write.after is None:
        return False
    before, after = write.before["metadata"], write.after["metadata"]
    made_here = (before.get("labels") or {}).get(names.NAME_LABEL) == watchman.cluster.rollout
    return made_here and not before.get("ownerReferences") and _is_owned(watchman, after.get("ownerReferences") or [])


def _never_onto_a_set_without_ready_pods(watchman: Watchman, write: Write) -> Iterator[str]:
    if not _moves(write):
        return
    now, after_all = watchman.cluster.now, watchman.selected(_selector(write.after))
    before, after = watchman.ready(_selector(write.before)), watchman.ready(_selector(write.after))
    lately = any(now - watchman.seen_ready.get(one, -LATE_SECONDS) < LATE_SECONDS for one in after_all)
    if before and not after and (watchman.rules.fresh or not lately):
        yield f"{len(before)} ready pods were behind the Service, now none is"


def _capacity_is_kept_by_every_risky_move(watchman: Watchman, write: Write) -> Iterator[str]:
    """A retreat to stable is always allowed; every other move keeps what the policy asks for."""
    if not _moves(write) or not watchman.rules.fresh:
        return
    status, after = watchman.status, _selector(write.after)
    if status.stable is None or after.get(names.REVISION_LABEL) == status.stable.revision:
        return
    had, has = len(watchman.ready(_selector(write.before))), len(watchman.ready(after))
    if has < min(had, watchman.least(status, watchman.spec)):
        yield f"ready pods behind the Service went from {had} to {has}"


def _nothing_that_is_selected_goes_to_sleep(watchman: Watchman, write: Write) -> Iterator[str]:
    """Scaling to 0 what the Service still selects takes traffic away before it was moved."""
    if write.key[0] != "deployments" or write.before is None:
        return
    replicas = write.after["spec"]["replicas"] if write.after is not None else 0
    spec = watchman.spec
    if replicas or not write.before["spec"]["replicas"] or spec is None or spec.replicas == 0:
        return
    revision = write.before["spec"]["selector"]["matchLabels"][names.REVISION_LABEL]
    if revision in {pod.revision for pod in watchman.ready(watchman.selector())}:
        yield f"the Service still selects ready pods of {revision}"


def _rejected_never_again(watchman: Watchman, write: Write) -> Iterator[str]:
    if not _moves(write):
        return
    again = rejected(watchman.status) & watchman.left & watchman.selected(_selector(write.after))
    if again:
        yield f"the rejected {', '.join(sorted(again))} is behind the Service again"


def _intent_comes_first(watchman: Watchman, write: Write) -> Iterator[str]:
    """Traffic goes to a candidate only when the status says so already."""
    if not _moves(write):
        return
    after, status = _selector(write.after), watchman.status
    rollout, stable, candidate = watchman.cluster.rollout, status.stable, status.candidate
    allowed = [names.revision_selector(rollout, stable.revision)] if stable is not None else []
    if candidate is not None and (candidate.routing is Routing.CANDIDATE or stable is None):
        allowed.append(names.revision_selector(rollout, candidate.revision))
    if candidate is not None and stable is not None and candidate.routing is Routing.SHARED:
        allowed.append(names.shared_selector(rollout, stable.revision))
    if after not in allowed:
        yield f"the selector {after} is not what the status means"


def _no_promotion_without_its_evidence(watchman: Watchman, write: Write) -> Iterator[str]:
    both = _statuses(write)
    spec = watchman.spec
    if both is None or spec is None:
        return
    before, after = both
    candidate = before.candidate
    if candidate is None or before.stable is None or candidate.forced:
        return
    heard = watchman.told[candidate.revision]
    if _is_promoted(before, after) and heard < spec.health.min_samples:
        yield f"{candidate.version} was promoted after {heard} requests were heard of"
    revision, since = watchman.alone
    baked = watchman.cluster.now - since if revision == candidate.revision else 0
    if _is_baked(before, after) and baked < spec.bake.total_seconds() - 1:
        yield f"{candidate.version} was baked in {baked} s"


def _is_promoted(before: ModelRolloutStatus, after: ModelRolloutStatus) -> bool:
    asked = before.candidate.revision if before.candidate is not None else ""
    return after.candidate is None and after.stable is not None and after.stable.revision == asked


def _is_baked(before: ModelRolloutStatus, after: ModelRolloutStatus) -> bool:
    stages = [one.candidate.stage if one.candidate is not None else None for one in (before, after)]
    return stages[0] is Stage.BAKING and (stages[1] is Stage.DRAINING or _is_promoted(before, after))


def _steps_only_go_forward(watchman: Watchman, write: Write) -> Iterator[str]:
    both = _statuses(write)
    if both is None or both[0].candidate is None or both[1].candidate is None:
        return
    before, after = both[0].candidate, both[1].candidate
    if before.revision != after.revision or both[0].observed_generation != both[1].observed_generation:
        return
    if (after.round, _place(after)) < (before.round, _place(before)) and after.stage is not Stage.WAITING:
        yield f"{after.version} went from {_place(before)} back to {_place(after)}"
    del watchman


def _place(candidate: Candidate) -> tuple[int, int]:
    """Step, and how far into it."""
    return candidate.step, STAGES.index(candidate.stage)


def _templates_of_running_pods_stay(watchman: Watchman, write: Write) -> Iterator[str]:
    if write.key[0] != "deployments" or write.before is None or write.after is None:
        return
    before, after = _template(write.before), _template(write.after)
    revision = write.before["spec"]["selector"]["matchLabels"][names.REVISION_LABEL]
    if before != after and watchman.cluster.pods_of(revision):
        yield "the template of running pods was written"


def _template(obj: Object) -> dict[str, Any]:
    template: dict[str, Any] = json.loads(json.dumps(obj["spec"]["template"]))
    (template["metadata"].get("annotations") or {}).pop(names.RESTARTED_ANNOTATION, None)
    template["metadata"]["annotations"] = template["metadata"].get("annotations") or {}
    return template


def _the_status_is_small_and_whole(watchman: Watchman, write: Write) -> Iterator[str]:
    both = _statuses(write)
    if both is None:
        return
    flags = {condition.type: condition.status for condition in both[1].conditions}
    if flags.get("Reconciling") is ConditionStatus.TRUE and flags.get("Stalled") is ConditionStatus.TRUE:
        yield "Reconciling and Stalled are both True"
    size = len(json.dumps(both[1].to_json()))
    if size >= STATUS_LIMIT:
        yield f"the status has {size} bytes"
    del watchman


RULES: tuple[Rule, ...] = (
    _every_write_changes_something,
    _only_what_it_controls,
    _never_onto_a_set_without_ready_pods,
    _capacity_is_kept_by_every_risky_move,
    _nothing_that_is_selected_goes_to_sleep,
    _rejected_never_again,
    _intent_comes_first,
    _no_promotion_without_its_evidence,
    _steps_only_go_forward,
    _templates_of_running_pods_stay,
    _the_status_is_small_and_whole,
)
