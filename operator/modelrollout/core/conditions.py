"""Conditions that kstatus, Helm, Argo CD and Flux understand; one function for each.

Reconciling and Stalled are never both true. A finding (NoWayBack, Inconclusive, ...) is there only while it holds.
"""

from dataclasses import dataclass
from datetime import datetime

from modelrollout.api.status import Condition, ConditionStatus, ModelRolloutStatus, Phase
from modelrollout.core.foresight import TOO_FEW_REQUESTS, too_few_requests
from modelrollout.core.holds import WARNED_OF
from modelrollout.core.turn import Turn
from modelrollout.core.wayback import healthy_below
from modelrollout.core.words import called, pods


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
        facts += [available(turn, status), *findings(status, outlook), *foreseen(turn, status)]
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


def findings(status: ModelRolloutStatus, outlook: Outlook) -> list[Fact]:
    """What a person should know although it is no end by itself."""
    found = []
    hold = status.hold
    if hold is not None and hold.reason in WARNED_OF:
        found.append(Fact(hold.reason, ConditionStatus.TRUE, hold.reason, hold.message))
    if status.fault is not None and status.fault.not_in_model:
        found.append(Fact("FaultNotInModel", ConditionStatus.TRUE, status.fault.metric, status.fault.message))
    if status.judge is not None and status.judge.baseline:
        found.append(Fact("BaselineUnusable", ConditionStatus.TRUE, "BaselineUnusable", status.judge.baseline))
    if outlook.reason == "NameTaken":
        found.append(Fact("NameTaken", ConditionStatus.TRUE, "NameTaken", outlook.message))
    if status.stable is not None and healthy_below(status) is None:
        message = "there is no earlier healthy model to go back to"
        found.append(Fact("NoWayBack", ConditionStatus.TRUE, "NoHealthyRevision", message))
    return found


def foreseen(turn: Turn, status: ModelRolloutStatus) -> list[Fact]:
    """What will go wrong although nothing has yet."""
    message = too_few_requests(turn, status)
    return [Fact(TOO_FEW_REQUESTS, ConditionStatus.TRUE, TOO_FEW_REQUESTS, message)] if message else []


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
