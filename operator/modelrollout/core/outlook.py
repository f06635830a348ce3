"""What a status shows to people and machines: phase, one sentence, weights, the scale subresource."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from modelrollout import names
from modelrollout.api.status import Candidate, Checkpoint, ModelRolloutStatus, Outcome, Phase, Routing, Stage, Weights
from modelrollout.core.conditions import Outlook, conditions
from modelrollout.core.decision import Decision, Note
from modelrollout.core.epochs import present, watch_ends
from modelrollout.core.facts import NOT_FOUND, UNDECLARED, RegistryTrouble, Rollout
from modelrollout.core.faults import refusal
from modelrollout.core.foreign import NAME_TAKEN, blocking
from modelrollout.core.holds import PAUSED, WAITING_FOR_CLUSTER, WARNED_OF
from modelrollout.core.judged import numbers, self_test
from modelrollout.core.lately import last_minute
from modelrollout.core.plan import position
from modelrollout.core.routing import selected, wanted_selector
from modelrollout.core.turn import Turn, entry_of, is_rejected, stop_of, stops_of
from modelrollout.core.wayback import FAULT_NOT_IN_MODEL, NO_WAY_BACK
from modelrollout.core.words import called, cut, place, pods

REFRESHED, AT_FIRST = timedelta(seconds=10), timedelta(seconds=3)
"""How old the numbers of a status may be: when a step has just begun, people look at them."""
BEGINNING = timedelta(minutes=1)
"""How long a step counts as just begun: at most 20 small writes, then at most 6 a minute."""
CHECKPOINTED = timedelta(seconds=30)


def describe(turn: Turn, status: ModelRolloutStatus) -> ModelRolloutStatus:
    """The status with everything that is derived filled in; numbers that always change are kept still for a while."""
    status = status.but(
        observed_generation=_observed(turn),
        replicas=_replicas(turn, status),
        selector=_selector(turn, status),
        watched_until=watch_ends(turn, status) if status.stable is not None else None,
        step=_step(turn, status),
        weights=_weights(turn, status),
        verdict=turn.seen.verdict.summary if status.candidate is not None else "",
        judge=numbers(turn, status),
        last_minute=last_minute(turn, status),
        self_test=self_test(turn, status),
        checkpoint=_checkpoint(turn, status),
    )
    outlook = look(turn, status)
    status = status.but(phase=outlook.phase, message=outlook.message)
    status = status.but(conditions=conditions(turn, status, outlook))
    return _kept_still(turn, turn.rollout.status, status)


def invalid(rollout: Rollout, now: datetime) -> Decision:
    """A spec that cannot be followed while nothing is stable: said, and everything stays as it is."""
    status = rollout.status.but(observed_generation=rollout.generation, phase=Phase.INVALID, message=rollout.invalid)
    outlook = Outlook(Phase.INVALID, "InvalidSpec", rollout.invalid, stalled=True)
    status = status.but(conditions=conditions(None, status, outlook, now))
    return Decision(status, notes=told_invalid(rollout))


def told_invalid(rollout: Rollout) -> tuple[Note, ...]:
    """The Event that a spec cannot be followed, unless that was said before; none for a spec that can."""
    said = rollout.status.phase is Phase.INVALID and rollout.status.message.startswith(rollout.invalid)
    return (Note("InvalidSpec", rollout.invalid, warning=True),) if rollout.invalid and not said else ()


def look(turn: Turn, status: ModelRolloutStatus) -> Outlook:
    """The phase with its reason: cannot go on, not started, on the way, going back, done."""
    blocked = _blocked(turn, status)
    if blocked is not None:
        return blocked
    if turn.spec.replicas == 0:
        return Outlook(Phase.ASLEEP, "Asleep", "spec.replicas is 0: no pods", done=True)
    if status.stable is None:
        return _first(status)
    if status.candidate is not None:
        return _on_the_way(status, status.candidate)
    if status.retreat is not None:
        back = called(status.retreat.version, status.retreat.revision)
        if status.hold is not None and status.hold.reason == WAITING_FOR_CLUSTER:
            return Outlook(Phase.GOING_BACK, WAITING_FOR_CLUSTER, status.hold.message)
        return Outlook(Phase.GOING_BACK, status.retreat.reason, f"starts {back}: {status.retreat.message}")
    if status.current is not None and status.current.revision != status.stable.revision:
        return _gone_back(turn, status)
    return _settled(turn, status)


def _blocked(turn: Turn, status: ModelRolloutStatus) -> Outlook | None:
    """What keeps the spec from being followed at all."""
    if turn.rollout.invalid:
        message = "; ".join((turn.rollout.invalid, *_meanwhile(turn, status)))
        return Outlook(Phase.INVALID, "InvalidSpec", cut(message), stalled=True)
    if turn.trouble is not None and not turn.named:
        return _unnamed(turn, status, turn.trouble)
    foreign = blocking(turn, status)
    if foreign is not None:
        return Outlook(Phase.HOLDING, NAME_TAKEN, foreign.message, stalled=True)
    if turn.seen.refused:
        return Outlook(Phase.HOLDING, "WriteRefused", cut(refusal(turn.seen.refused)), stalled=True)
    return None


def _unnamed(turn: Turn, status: ModelRolloutStatus, trouble: RegistryTrouble) -> Outlook:
    """The spec names a model whose version is not known. Only a person helps where the registry knows of no such."""
    message = "; ".join((trouble.message, *_meanwhile(turn, status)))
    phase = Phase.PENDING if status.stable is None else Phase.HOLDING
    return Outlook(phase, trouble.reason, cut(message), stalled=trouble.reason in {NOT_FOUND, UNDECLARED})


def _meanwhile(turn: Turn, status: ModelRolloutStatus) -> Iterator[str]:
    """What goes on under a spec that cannot be followed, where anything does."""
    candidate, retreat, stable = status.candidate, status.retreat, status.stable
    if candidate is not None and stable is not None:
        name, stays = called(candidate.version, candidate.revision), called(stable.version, stable.revision)
        yield f"meanwhile {name} stays at {place(candidate.weight)} and goes back to {stays} if it turns bad"
    elif retreat is not None:
        yield f"meanwhile it goes back to {called(retreat.version, retreat.revision)}: {retreat.message}"
    elif status.current is not None and stable is not None and status.current.revision != stable.revision:
        yield _gone_back(turn, status).message


def _first(status: ModelRolloutStatus) -> Outlook:
    hold = status.hold
    if hold is None:
        return Outlook(Phase.PENDING, "Progressing", "starts the first model")
    failed = hold.reason not in {"Progressing", WAITING_FOR_CLUSTER}
    return Outlook(Phase.PENDING, hold.reason, hold.message, stalled=failed)


def _on_the_way(status: ModelRolloutStatus, candidate: Candidate) -> Outlook:
    name = called(candidate.version, candidate.revision)
    hold = status.hold
    if hold is not None and hold.reason in WARNED_OF:
        return Outlook(Phase.HOLDING, hold.reason, f"{name}: {hold.message}")
    if hold is not None and hold.reason == PAUSED:
        return Outlook(Phase.PAUSED, PAUSED, f"{name}: {hold.message}")
    phase = {Stage.BAKING: Phase.BAKING, Stage.DRAINING: Phase.PROMOTING}.get(candidate.stage, Phase.PROGRESSING)
    message = hold.message if hold is not None else _stage(candidate)
    return Outlook(phase, "Progressing", f"{name}: {message}")


def _stage(candidate: Candidate) -> str:
    """What a stage that has just begun waits for."""
    return {
        Stage.STARTING: f"waits for the pods of {place(candidate.weight)}",
        Stage.JUDGING: f"gathers evidence at {place(candidate.weight)}",
        Stage.PAUSED: f"{place(candidate.weight)} has passed",
        Stage.BAKING: "is watched at weight 100 before it is promoted",
        Stage.DRAINING: "waits until stable's pods get no more requests",
        Stage.WAITING: "waits for the cluster",
    }[candidate.stage]


def _gone_back(turn: Turn, status: ModelRolloutStatus) -> Outlook:
    current, stable = status.current, status.stable
    entry = entry_of(status, current.revision) if current is not None else None
    if entry is None or stable is None:
        return Outlook(Phase.PROGRESSING, "Progressing", "the spec asks for a new model")
    service = turn.seen.service
    others = selected(turn, service.selector) - {stable.revision} if service is not None else frozenset()
    name, now = called(entry.version, entry.revision), called(stable.version, stable.revision)
    message = f"{name} was {_OUTCOMES[entry.outcome]}, {now} serves: {entry.message}"
    if any(is_rejected(status, revision) for revision in others) or _still_has_pods(turn, entry.revision):
        return Outlook(Phase.ROLLING_BACK, entry.reason, message)
    if status.hold is not None and status.hold.reason != NO_WAY_BACK:
        return Outlook(Phase.HOLDING, status.hold.reason, status.hold.message)
    if status.hold is not None:
        return Outlook(Phase.ROLLED_BACK, NO_WAY_BACK, status.hold.message, stalled=True)
    if status.fault is not None and status.fault.not_in_model:
        return Outlook(Phase.ROLLED_BACK, FAULT_NOT_IN_MODEL, status.fault.message, stalled=True)
    return Outlook(Phase.ROLLED_BACK, entry.reason, message, stalled=True)


def _still_has_pods(turn: Turn, revision: str) -> bool:
    deployment = turn.seen.deployment(revision)
    return deployment is not None and deployment.replicas > 0


def _settled(turn: Turn, status: ModelRolloutStatus) -> Outlook:
    stable = status.stable
    if stable is None:
        return Outlook(Phase.PENDING, "Progressing", "")
    if status.hold is not None and status.hold.reason == NO_WAY_BACK:
        return Outlook(Phase.HOLDING, NO_WAY_BACK, status.hold.message, stalled=True)
    if status.fault is not None and status.fault.not_in_model:
        return Outlook(Phase.HOLDING, FAULT_NOT_IN_MODEL, status.fault.message, stalled=True)
    if status.hold is not None:
        return Outlook(Phase.HOLDING, status.hold.reason, status.hold.message)
    name = called(stable.version, stable.revision)
    ready = turn.seen.ready(stable.revision)
    service = turn.seen.service
    routed = service is not None and selected(turn, service.selector) == {stable.revision}
    if ready < status.size:
        return Outlook(Phase.STABLE, "Progressing", f"{name}: {ready} of {pods(status.size)} ready")
    if not routed:
        return Outlook(Phase.STABLE, "Progressing", f"{name}: the Service does not select it yet")
    return Outlook(Phase.STABLE, "Stable", f"{name} serves with {pods(status.size)}", done=True)


_OUTCOMES = {
    Outcome.PROMOTED: "promoted",
    Outcome.UNHEALTHY: "unhealthy as stable",
    Outcome.REJECTED: "rejected",
    Outcome.ABORTED: "taken back by a person",
    Outcome.SUPERSEDED: "superseded",
}


def _observed(turn: Turn) -> int:
    """A status that was erased stays so until the spec's model is known: what served before is found out only then."""
    before = turn.rollout.status.observed_generation
    return before if before < 0 and not turn.named else turn.rollout.generation


def _replicas(turn: Turn, status: ModelRolloutStatus) -> int:
    if status.stable is None:
        return 0
    return sum(len(turn.seen.pods_of(revision)) for revision in selected(turn, wanted_selector(turn, status)))


def _selector(turn: Turn, status: ModelRolloutStatus) -> str:
    """An autoscaler has to see the pods that carry the load: those behind the Service, and none that is only warm."""
    return names.selector_text(wanted_selector(turn, status)) if status.stable is not None else ""


def _step(turn: Turn, status: ModelRolloutStatus) -> str:
    if status.candidate is None or status.stable is None:
        return ""
    planned = stops_of(turn, status)
    return f"{position(planned, status.candidate.weight) + 1}/{len(planned)}"


def _weights(turn: Turn, status: ModelRolloutStatus) -> Weights | None:
    candidate = status.candidate
    if candidate is None or status.stable is None:
        return None
    service = turn.seen.service
    behind = selected(turn, service.selector) if service is not None else frozenset()
    ready = {revision: turn.seen.ready(revision) for revision in behind}
    total = sum(ready.values())
    by_candidate, by_stable = turn.seen.traffic.lately
    answered = by_candidate + by_stable
    served = round(100 * by_candidate / answered, 1) if answered and candidate.routing is not Routing.STABLE else None
    return Weights(
        asked=candidate.weight,
        pods=round(100 * ready.get(candidate.revision, 0) / total) if total else 0,
        served=served,
    )


def _checkpoint(turn: Turn, status: ModelRolloutStatus) -> Checkpoint | None:
    """Progress of the present epoch: as seen, or as written before while nothing of it was seen."""
    if status.candidate is None or status.stable is None:
        return None
    epoch, before = present(turn, status), turn.rollout.status.checkpoint
    if turn.seen.epoch == epoch:
        return Checkpoint(
            epoch=epoch,
            watched=turn.seen.watched,
            time=turn.now,
            evidence=turn.seen.packed,
            comparison=turn.seen.compared,
        )
    return before if before is not None and before.epoch == epoch else None


def _kept_still(turn: Turn, before: ModelRolloutStatus, after: ModelRolloutStatus) -> ModelRolloutStatus:
    """Do not write numbers at every look: again after 3 or 10 s, and progress after 30 s, or with a real change."""
    if before == after:
        return before
    if _material(before) != _material(after) or before.checkpoint is None or after.checkpoint is None:
        return after
    age = turn.now - before.checkpoint.time
    if timedelta(0) <= age and not _progressed(turn, before, after):
        return before
    if not timedelta(0) <= age < CHECKPOINTED or before.checkpoint.epoch != after.checkpoint.epoch:
        return after
    if before.verdict == after.verdict or turn.now - (before.checkpoint.shown or before.checkpoint.time) < _age(
        after, turn
    ):
        return before
    return after.but(checkpoint=before.checkpoint.but(shown=turn.now))


def _age(status: ModelRolloutStatus, turn: Turn) -> timedelta:
    """How old the numbers may be now."""
    here = status.candidate
    return AT_FIRST if here is not None and turn.now - here.step_since < BEGINNING else REFRESHED


def _progressed(turn: Turn, before: ModelRolloutStatus, after: ModelRolloutStatus) -> bool:
    """Whether there is anything that a restart would lose: evidence, or time where time is waited for."""
    if before.checkpoint is None or after.checkpoint is None or after.candidate is None:
        return True
    stop = stop_of(turn, after, after.candidate)
    timed = after.candidate.stage is Stage.PAUSED and stop.pause is not None and stop.pause.duration is not None
    counts = timed or after.candidate.stage is Stage.BAKING
    moved_on = before.checkpoint.watched != after.checkpoint.watched
    return before.checkpoint.evidence != after.checkpoint.evidence or (counts and moved_on)


NUMBERS = frozenset({"message", "verdict", "judge", "checkpoint", "weights", "hold", "conditions", "last_minute"})
"""Fields that hold numbers or texts with numbers, which change at every look."""
NUMBER = re.compile(r"[0-9.]+")


def _wording(text: str) -> str:
    """A text without its numbers: other words are news, other numbers are not."""
    return NUMBER.sub("#", text)


def _material(status: ModelRolloutStatus) -> list[object]:
    """Everything of a status but the numbers that change at every look."""
    weights, hold = status.weights, status.hold
    return [
        *(getattr(status, field) for field in ModelRolloutStatus.model_fields if field not in NUMBERS),
        _wording(status.message),
        (weights.asked, weights.pods) if weights is not None else None,
        (hold.reason, hold.since) if hold is not None else None,
        [(one.type, one.status, one.reason, one.observed_generation) for one in status.conditions],
    ]
