"""Conditions that kstatus, Helm, Argo CD and Flux understand; one function for each.

Reconciling and Stalled are never both true. A finding (NoWayBack, Inconclusive, ...) is there only while it holds.
"""

from dataclasses import dataclass
from datetime import datetime

from modelrollout.api.status import Condition, ConditionStatus, ModelRolloutStatus, Phase, Stage
from modelrollout.core.aliases import UNRESOLVED, sentence
from modelrollout.core.decision import Note
from modelrollout.core.facts import ASKING
from modelrollout.core.holds import WARNED_OF
from modelrollout.core.tempo import too_slow
from modelrollout.core.turn import Turn
from modelrollout.core.wayback import healthy_below
from modelrollout.core.words import REPLACED_ONCE, called, pods

BASELINE_UNUSABLE = "BaselineUnusable"
TOO_LITTLE_TRAFFIC = "TooLittleTraffic"
POD_REPLACED = "PodReplaced"
TOLD = frozenset({BASELINE_UNUSABLE, TOO_LITTLE_TRAFFIC})
"""Findings that nothing else tells of: each is worth an Event when it begins."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The phase with its reason, and whether it is an end: done, stalled, or neither while something is under way."""

    phase: Phase
    reason: str
    message: str
    done: bool = False
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """A condition before it has a time."""

    type: str
    status: ConditionStatus
    reason: str
    message: str


def conditions(
    turn: Turn | None, status: ModelRolloutStatus, outlook: Outlook, now: datetime | None = None
) -> list[Condition]:
    """All conditions; the time of one moves only when its status flips. `turn` is absent for an invalid spec."""
    facts = [ready(outlook), reconciling(outlook), stalled(outlook)]
    if turn is not None:
        facts += [available(turn, status), *findings(turn, status, outlook), *unresolved(turn)]
    time = turn.now if turn is not None else now
    if time is None:
        raise ValueError("conditions need a turn or a time")
    before = {condition.type: condition for condition in status.conditions}
    kept = [before["Available"]] if turn is None and "Available" in before else []
    return [*(_timed(fact, before.get(fact.type), status.observed_generation, time) for fact in facts), *kept]


def ready(outlook: Outlook) -> Fact:
    """Whether what the spec asks for is what serves."""
    return Fact("Ready", _flag(outlook.done), outlook.reason, outlook.message)


def reconciling(outlook: Outlook) -> Fact:
    """Whether the operator is still moving towards the spec."""
    under_way = not outlook.done and not outlook.stalled
    message = outlook.message if under_way else ""
    return Fact("Reconciling", _flag(under_way), outlook.reason, message)


def stalled(outlook: Outlook) -> Fact:
    """Whether nothing more will happen until a person or a new spec comes."""
    return Fact("Stalled", _flag(outlook.stalled), outlook.reason, outlook.message if outlook.stalled else "")


def available(turn: Turn, status: ModelRolloutStatus) -> Fact:
    """Whether stable has its pods."""
    if status.stable is None:
        return Fact("Available", ConditionStatus.FALSE, "NothingStable", "no model has become ready yet")
    count = turn.seen.ready(status.stable.revision)
    wanted = min(status.size, _asked(turn, status.stable.revision))
    message = f"{called(status.stable.version, status.stable.revision)}: {count} of {pods(wanted)} ready"
    if count < wanted:
        return Fact("Available", ConditionStatus.FALSE, "PodsMissing", message)
    return Fact("Available", ConditionStatus.TRUE, "PodsReady", message)


def findings(turn: Turn, status: ModelRolloutStatus, outlook: Outlook) -> list[Fact]:
    """What a person should know although it is no end by itself."""
    found = []
    hold = status.hold
    if hold is not None and hold.reason in WARNED_OF:
        found.append(Fact(hold.reason, ConditionStatus.TRUE, hold.reason, hold.message))
    if status.fault is not None and status.fault.not_in_model:
        found.append(Fact("FaultNotInModel", ConditionStatus.TRUE, status.fault.metric, status.fault.message))
    if status.judge is not None and status.judge.baseline and _is_or_was_judged(status):
        found.append(Fact(BASELINE_UNUSABLE, ConditionStatus.TRUE, BASELINE_UNUSABLE, status.judge.baseline))
    if status.candidate is not None and (pod := status.candidate.replaced) is not None:
        message = f"{pod.message}: {REPLACED_ONCE}"
        found.append(Fact(POD_REPLACED, ConditionStatus.TRUE, POD_REPLACED, message))
    if slow := too_slow(turn, status):
        found.append(Fact(TOO_LITTLE_TRAFFIC, ConditionStatus.TRUE, TOO_LITTLE_TRAFFIC, slow))
    if outlook.reason == "NameTaken":
        found.append(Fact("NameTaken", ConditionStatus.TRUE, "NameTaken", outlook.message))
    if status.stable is not None and healthy_below(status) is None:
        message = "there is no earlier healthy model to go back to"
        found.append(Fact("NoWayBack", ConditionStatus.TRUE, "NoHealthyRevision", message))
    return found


def _is_or_was_judged(status: ModelRolloutStatus) -> bool:
    """Not yet while the pods of its first step start: then nothing is judged, and scrapes may be of some pods only."""
    starts = status.candidate is not None and status.candidate.stage is Stage.STARTING
    return not starts or any(one.type == BASELINE_UNUSABLE for one in status.conditions)


def told(before: ModelRolloutStatus, after: ModelRolloutStatus) -> tuple[Note, ...]:
    """An Event for each finding that has just begun."""
    known = {one.type for one in before.conditions}
    begun = (one for one in after.conditions if one.type in TOLD - known)
    return tuple(Note(one.type, one.message, warning=True) for one in begun)


def unresolved(turn: Turn) -> list[Fact]:
    """That the registry which the spec names cannot be asked, while that is so."""
    if turn.trouble is None or turn.trouble.reason == ASKING:
        return []
    return [Fact(UNRESOLVED, ConditionStatus.TRUE, turn.trouble.reason, sentence(turn))]


def _asked(turn: Turn, revision: str) -> int:
    """Pods that its Deployment asks for: in the constant-total mode stable is smaller while traffic is shared."""
    deployment = turn.seen.deployment(revision)
    return deployment.replicas if deployment is not None else 1


def _flag(value: object) -> ConditionStatus:
    return ConditionStatus.TRUE if value else ConditionStatus.FALSE


def _timed(fact: Fact, before: Condition | None, generation: int, now: datetime) -> Condition:
    flipped = before is None or before.status is not fact.status
    return Condition(
        type=fact.type,
        status=fact.status,
        reason=fact.reason,
        message=fact.message,
        observed_generation=generation,
        last_transition_time=now if before is None or flipped else before.last_transition_time,
    )
