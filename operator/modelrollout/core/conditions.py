"""Conditions that kstatus, Helm, Argo CD and Flux understand; one function for each.

Reconciling and Stalled are never both true. A finding (NoWayBack, Inconclusive, ...) is there only while it holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from modelrollout.api.status import Condition, ConditionStatus, ModelRolloutStatus, Phase, Stage
from modelrollout.core.aliases import UNRESOLVED, sentence
from modelrollout.core.decision import Note
from modelrollout.core.facts import ASKING
from modelrollout.core.faults import no_answer, unheard
from modelrollout.core.foreign import NAME_TAKEN
from modelrollout.core.holds import SCRAPE_BLOCKED, SCRAPE_FAILING, STABLE_UNHEALTHY, WARNED_OF
from modelrollout.core.routing import least_behind, ready_behind, selected
from modelrollout.core.tempo import too_slow
from modelrollout.core.turn import Turn, entry_of
from modelrollout.core.wayback import BY_PERSON, COOLING_DOWN, NO_WAY_BACK, healthy_below
from modelrollout.core.words import REPLACED_ONCE, called, cut, pods

BASELINE_UNUSABLE = "BaselineUnusable"
TOO_LITTLE_TRAFFIC = "TooLittleTraffic"
POD_REPLACED = "PodReplaced"
DRIFTED = "Drifted"
TOLD = frozenset({BASELINE_UNUSABLE, TOO_LITTLE_TRAFFIC, DRIFTED, SCRAPE_FAILING, NAME_TAKEN})
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
        facts += [available(turn, status), *findings(turn, status), *unresolved(turn)]
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
    """Whether the Service has the pods that it needs, of whichever arm they are."""
    if status.stable is None:
        return Fact("Available", ConditionStatus.FALSE, "NothingStable", "no model has become ready yet")
    service, wanted = turn.seen.service, least_behind(turn, status)
    count = min(wanted, ready_behind(turn, service.selector)) if service is not None else 0
    message = f"{_serving(turn, status)}: {count} of {pods(wanted)} ready"
    if count < wanted:
        return Fact("Available", ConditionStatus.FALSE, "PodsMissing", message)
    return Fact("Available", ConditionStatus.TRUE, "PodsReady", message)


def findings(turn: Turn, status: ModelRolloutStatus) -> list[Fact]:
    """What a person should know although it is no end by itself."""
    found = []
    hold = status.hold
    if hold is not None and hold.reason in WARNED_OF:
        found.append(Fact(hold.reason, ConditionStatus.TRUE, hold.reason, hold.message))
    if broken := _broken(status):
        found.append(Fact(STABLE_UNHEALTHY, ConditionStatus.TRUE, *broken))
    if status.fault is not None and status.fault.not_in_model:
        found.append(Fact("FaultNotInModel", ConditionStatus.TRUE, status.fault.metric, status.fault.message))
    if status.judge is not None and status.judge.baseline and _is_or_was_judged(status):
        found.append(Fact(BASELINE_UNUSABLE, ConditionStatus.TRUE, BASELINE_UNUSABLE, status.judge.baseline))
    if status.candidate is not None and (pod := status.candidate.replaced) is not None:
        message = f"{pod.message}: {REPLACED_ONCE}"
        found.append(Fact(POD_REPLACED, ConditionStatus.TRUE, POD_REPLACED, message))
    found += _findings_in_cluster(turn, status)
    if turn.seen.taken:
        message = cut("; ".join(one.message for one in turn.seen.taken))
        found.append(Fact(NAME_TAKEN, ConditionStatus.TRUE, NAME_TAKEN, message))
    if status.stable is not None and healthy_below(status) is None:
        message = "there is no earlier healthy model to go back to"
        found.append(Fact("NoWayBack", ConditionStatus.TRUE, "NoHealthyRevision", message))
    return found


def _findings_in_cluster(turn: Turn, status: ModelRolloutStatus) -> Iterator[Fact]:
    """What the traffic, other hands and pods that do not answer keep the rollout from."""
    if slow := too_slow(turn, status):
        yield Fact(TOO_LITTLE_TRAFFIC, ConditionStatus.TRUE, TOO_LITTLE_TRAFFIC, slow)
    if drifts := _drifts(turn):
        yield Fact(DRIFTED, ConditionStatus.TRUE, *drifts)
    if silent := _silent(turn, status):
        yield Fact(SCRAPE_FAILING, ConditionStatus.TRUE, SCRAPE_FAILING, silent)


def _broken(status: ModelRolloutStatus) -> tuple[str, str] | None:
    """What stable, which serves without a candidate, was found to break: reason and message."""
    fault, hold, retreat = status.fault, status.hold, status.retreat
    if status.candidate is not None or status.stable is None:
        return None
    if retreat is not None and retreat.reason not in BY_PERSON:
        return retreat.reason, retreat.message
    if hold is not None and hold.reason == COOLING_DOWN:
        entry = entry_of(status, status.stable.revision)
        return (entry.reason if entry is not None else hold.reason), hold.message
    if fault is not None and hold is not None and hold.reason == NO_WAY_BACK:
        return fault.metric, hold.message
    return (fault.metric, fault.message) if fault is not None and fault.not_in_model else None


def _drifts(turn: Turn) -> tuple[str, str] | None:
    """What is not as the operator wrote it: a fight that it has given up for now, or what it puts back."""
    if turn.seen.fights:
        return "DoesNotStay", cut("; ".join(turn.seen.fights))
    service = turn.seen.service
    changed = [f"{one.name} {one.drifted}" for one in turn.seen.deployments if one.drifted]
    if service is not None and service.owned and service.drifted:
        changed.insert(0, f"the Service {service.drifted}")
    return ("PutBack", cut(f"{'; '.join(changed)}; it is put back")) if changed else None


def _silent(turn: Turn, status: ModelRolloutStatus) -> str:
    """A pod that serves and whose counters nobody can read: what it does is not judged."""
    revisions = [one.revision for one in (status.candidate, status.stable) if one is not None]
    pods_seen = (pod for revision in revisions for pod in turn.seen.pods_of(revision))
    pod = unheard(pods_seen)
    blocked = status.hold is not None and status.hold.reason == SCRAPE_BLOCKED
    return no_answer(pod) if pod is not None and not blocked else ""


def _is_or_was_judged(status: ModelRolloutStatus) -> bool:
    """Not yet while the pods of its first step start: then nothing is judged, and scrapes may be of some pods only."""
    starts = status.candidate is not None and status.candidate.stage is Stage.STARTING
    return not starts or any(one.type == BASELINE_UNUSABLE for one in status.conditions)


def told(before: ModelRolloutStatus, after: ModelRolloutStatus) -> tuple[Note, ...]:
    """An Event for each finding that has just begun, and for another set of foreign objects."""
    known = {one.type: one.message for one in before.conditions}
    begun = (
        one
        for one in after.conditions
        if one.type in TOLD - known.keys() or (one.type == NAME_TAKEN and known.get(NAME_TAKEN) != one.message)
    )
    return tuple(Note(one.type, one.message, warning=True) for one in begun)


def unresolved(turn: Turn) -> list[Fact]:
    """That the registry which the spec names cannot be asked, while that is so."""
    if turn.trouble is None or turn.trouble.reason == ASKING:
        return []
    return [Fact(UNRESOLVED, ConditionStatus.TRUE, turn.trouble.reason, sentence(turn))]


def _serving(turn: Turn, status: ModelRolloutStatus) -> str:
    """Who is behind the Service."""
    service = turn.seen.service
    behind = selected(turn, service.selector) if service is not None else frozenset()
    arms = {one.revision: called(one.version, one.revision) for one in (status.stable, status.candidate) if one}
    known = [name for revision, name in arms.items() if revision in behind]
    return " and ".join(known or arms.values())


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
