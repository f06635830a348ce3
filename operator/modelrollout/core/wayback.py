"""The way back after promotion: one step along the chain of revisions that were once promoted and are healthy.

Never forward, never to a revision that never served, never to one marked bad. A revision that was moved to must be
healthy for one window before anything moves or is marked again: when it breaks a limit as well, the fault is not the
model's.
"""

from datetime import timedelta

from modelrollout.api.status import (
    Fault,
    HistoryEntry,
    Hold,
    ModelRolloutStatus,
    Outcome,
    Retreat,
    Revision,
)
from modelrollout.core import faults, holds
from modelrollout.core.decision import Note
from modelrollout.core.epochs import of_stable, watched, window
from modelrollout.core.facts import CONTAINER_FAULTS
from modelrollout.core.faults import Rejection
from modelrollout.core.turn import Moved, Turn, entry_of, recorded
from modelrollout.core.words import called, cut, seconds, times

NO_WAY_BACK = "NoWayBack"
COOLING_DOWN = "CoolingDown"
FAULT_NOT_IN_MODEL = "FaultNotInModel"
BY_PERSON = frozenset({"RolledBackByPerson", "UndoneByPerson"})
"""Reasons of a way back that say nothing about the model."""
CRASH_LOOP = timedelta(minutes=10)
"""A container that ran for longer before it ended does not loop: one that ends once a week is no reason to go back."""


def watch_stable(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """Look at stable without a candidate: a window after a move, then for as long as `rollback.watch` says."""
    if status.stable is None or not (watched(turn, status) or _is_cooling(status)):
        return Moved(status)
    bad = unhealthy(turn, status)
    if status.fault is not None:
        return _in_window(turn, status, status.fault, bad)
    if bad is None:
        return _cooled(turn, status)
    return go_back(turn, status, bad)


def unhealthy(turn: Turn, status: ModelRolloutStatus) -> Rejection | None:
    """What speaks against stable now: a broken limit, a server that is stuck, or containers that keep failing."""
    if status.stable is None:
        return None
    verdict = turn.seen.verdict
    if verdict.stable is not None and turn.seen.epoch == of_stable(status):
        metric = verdict.stable.metric
        return Rejection(metric[0].upper() + metric[1:], verdict.stable.message)
    pods = turn.seen.pods_of(status.stable.revision)
    stuck = faults.waiting_too_long(pods)
    if stuck is not None:
        return Rejection("Unresponsive", faults.waits(stuck))
    for pod in pods:
        loops = pod.lasted is None or pod.lasted < CRASH_LOOP
        failing = pod.trouble in CONTAINER_FAULTS and not pod.ready
        if failing and loops and pod.restarts > turn.spec.health.limits.restarts:
            return Rejection(str(pod.trouble), f"{pod.name} restarted {times(pod.restarts)}: {faults.said(pod)}")
    return None


def _in_window(turn: Turn, status: ModelRolloutStatus, fault: Fault, bad: Rejection | None) -> Moved:
    """Nothing moves and nothing is marked before stable has been healthy for a whole window."""
    judged = turn.seen.epoch == of_stable(status)
    if bad is not None and judged and not _is_known(status, fault):
        return _not_in_model(status, fault, bad)
    if not judged or turn.seen.watched < _window_of(turn, fault):
        return Moved(status)
    if bad is not None:
        return Moved(status.but(fault=fault.but(round=fault.round + 1)))
    return _healthy_again(turn, status, fault)


def _window_of(turn: Turn, fault: Fault) -> timedelta:
    # Round 1 is the window after a move, round 2 the first after one that was not healthy.
    return window(turn, fault.round - 2)


def _is_known(status: ModelRolloutStatus, fault: Fault) -> bool:
    """Whether it has been said that stable is bad, too: as FaultNotInModel, or as NoWayBack."""
    return fault.not_in_model or (status.hold is not None and status.hold.reason == NO_WAY_BACK)


def _not_in_model(status: ModelRolloutStatus, fault: Fault, bad: Rejection) -> Moved:
    revision = _stable(status)
    message = (
        f"{fault.left}; then {called(revision.version, revision.revision)}: {bad.message}. Both models fail, so the "
        "cause is not the model: look at the data, the feature store and the nodes. Nothing moves until it has been "
        "healthy for a while"
    )
    said = fault.but(round=fault.round + 1, not_in_model=True, message=cut(message))
    return Moved(status.but(fault=said), (Note(FAULT_NOT_IN_MODEL, said.message, warning=True),))


def _healthy_again(turn: Turn, status: ModelRolloutStatus, fault: Fault) -> Moved:
    revision = _stable(status)
    message = f"{called(revision.version, revision.revision)} has been healthy for {seconds(_window_of(turn, fault))}"
    notes = (Note("HealthyAgain", message),) if _is_known(status, fault) else ()
    return Moved(status.but(fault=None, hold=None), notes)


def _cooled(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """Stable was marked bad and waited for the cooldown: it goes back even if it is quiet by now."""
    entry = entry_of(status, _stable(status).revision)
    if entry is None or entry.outcome is not Outcome.UNHEALTHY or not _is_cooling(status):
        return Moved(status)
    return go_back(turn, status, Rejection(entry.reason, entry.message))


def _is_cooling(status: ModelRolloutStatus) -> bool:
    """Whether a move was put off: it happens even if the watch ends before the cooldown."""
    return status.hold is not None and status.hold.reason == COOLING_DOWN


def go_back(turn: Turn, status: ModelRolloutStatus, bad: Rejection) -> Moved:
    """Mark stable bad first; then move, wait for the cooldown, or say that there is no way back."""
    target = healthy_below(status)
    if target is None:
        return _no_way_back(turn, status, bad)
    marked, notes = _marked(turn, status, bad)
    if marked.cooldown_until is not None and turn.now < marked.cooldown_until:
        name, left = called(target.version, target.revision), seconds(marked.cooldown_until - turn.now)
        message = f"{bad.message}; goes back to {name} in {left}, after the cooldown"
        return Moved(_holding(turn, marked, COOLING_DOWN, message), notes)
    moved = toward(turn, marked, target, bad)
    return moved.after(*notes)


def toward(turn: Turn, status: ModelRolloutStatus, target: HistoryEntry, why: Rejection) -> Moved:
    """Move to a warm revision at once; scale a sleeping one up first."""
    if turn.seen.ready(target.revision) >= max(1, status.size):
        return arrive(turn, status, target, why)
    retreat = Retreat(
        revision=target.revision, version=target.version, since=turn.now, reason=why.reason, message=why.message
    )
    left = called(_stable(status).version, _stable(status).revision)
    name = called(target.version, target.revision)
    message = f"starts {name} to go back to it, {left} serves until it is ready: {why.message}"
    return Moved(status.but(retreat=retreat, hold=None), (Note("GoingBack", message, warning=True),))


def arrive(turn: Turn, status: ModelRolloutStatus, target: HistoryEntry, why: Rejection) -> Moved:
    """The target's pods are ready: it is stable."""
    source = turn.seen.source(target.revision)
    left = _stable(status)
    if source is None:
        return Moved(status)
    revision = Revision(
        revision=source.revision, version=source.version, spec_hash=source.spec_hash, image=source.image
    )
    by_itself = why.reason not in BY_PERSON
    name = called(left.version, left.revision)
    fault = Fault(metric=why.reason, left=cut(f"{name}: {why.message}"))
    message = f"traffic goes back from {name} to {called(target.version, target.revision)}: {why.message}"
    status = status.but(
        stable=revision,
        stable_since=turn.now,
        previous=None,
        retreat=None,
        hold=None,
        fault=fault if by_itself else None,
        cooldown_until=turn.now + turn.spec.rollback.cooldown if by_itself else status.cooldown_until,
    )
    return Moved(status, (Note("WentBack", message, warning=True),))


def retreating(turn: Turn, status: ModelRolloutStatus, retreat: Retreat) -> Moved:
    """Wait for the target's pods; one that cannot become ready is marked and the next is tried."""
    why = Rejection(retreat.reason, retreat.message)
    entry = entry_of(status, retreat.revision)
    if entry is None:
        return Moved(status.but(retreat=None))
    if entry.outcome is not Outcome.PROMOTED:
        return _next_one(turn, status, why)
    if turn.seen.ready(retreat.revision) >= max(1, status.size):
        return arrive(turn, status, entry, why)
    if not faults.world_trouble(turn, retreat.revision):
        retreat = retreat.but(since=retreat.since + holds.cluster_waited(turn, status))
        status = status.but(retreat=retreat)
    broken = _cannot_become_ready(turn, retreat)
    if not broken:
        return _waiting(turn, status, retreat)
    status = recorded(status, entry.but(outcome=Outcome.UNHEALTHY, reason="CannotStart", message=broken, time=turn.now))
    note = Note("CannotStart", f"{called(entry.version, entry.revision)}: {broken}", warning=True)
    return _next_one(turn, status, why).after(note)


def _waiting(turn: Turn, status: ModelRolloutStatus, retreat: Retreat) -> Moved:
    """What the cluster lacks says nothing about the model that is started: it is named and waited for."""
    world = faults.world_trouble(turn, retreat.revision)
    if world:
        stays = called(_stable(status).version, _stable(status).revision)
        message = f"{called(retreat.version, retreat.revision)} cannot start yet, {stays} serves until it can: {world}"
        return holds.hold(turn, status, holds.WAITING_FOR_CLUSTER, message)
    waited = status.hold is not None and status.hold.reason == holds.WAITING_FOR_CLUSTER
    return Moved(status.but(hold=None) if waited else status)


def _next_one(turn: Turn, status: ModelRolloutStatus, why: Rejection) -> Moved:
    """The revision that was being started is out of the question: try the one below it."""
    target = healthy_below(status)
    status = status.but(retreat=None, hold=None)
    return _no_way_back(turn, status, why) if target is None else toward(turn, status, target, why)


def healthy_below(status: ModelRolloutStatus) -> HistoryEntry | None:
    """The newest revision promoted before stable that is healthy."""
    if status.stable is None:
        return None
    here = entry_of(status, status.stable.revision)
    if here is None or here.promoted is None:
        return None
    index = [entry.revision for entry in by_promotion(status)].index(here.revision)
    below = [entry for entry in by_promotion(status)[:index] if entry.outcome is Outcome.PROMOTED]
    return below[-1] if below else None


def by_promotion(status: ModelRolloutStatus) -> list[HistoryEntry]:
    """Revisions that once were stable, in the order in which they became it."""
    return sorted(
        (entry for entry in status.history if entry.promoted is not None),
        key=lambda entry: entry.promoted or entry.time,
    )


def _cannot_become_ready(turn: Turn, retreat: Retreat) -> str:
    limit = turn.spec.health.limits.restarts
    for pod in turn.seen.pods_of(retreat.revision):
        if pod.trouble in CONTAINER_FAULTS and pod.restarts > limit:
            return f"{pod.name} restarted {times(pod.restarts)}: {faults.said(pod)}"
    late = turn.now - retreat.since >= turn.spec.progress_deadline
    if late and not faults.world_trouble(turn, retreat.revision):
        return f"not ready after {seconds(turn.spec.progress_deadline)} (progressDeadline)"
    return ""


def _marked(turn: Turn, status: ModelRolloutStatus, bad: Rejection) -> tuple[ModelRolloutStatus, tuple[Note, ...]]:
    stable = _stable(status)
    entry = entry_of(status, stable.revision)
    if entry is not None and entry.outcome is Outcome.UNHEALTHY:
        return status, ()
    marked = HistoryEntry(
        revision=stable.revision,
        version=stable.version,
        outcome=Outcome.UNHEALTHY,
        reason=bad.reason,
        message=bad.message,
        time=turn.now,
    )
    note = Note("Unhealthy", f"{called(stable.version, stable.revision)}: {bad.message}", warning=True)
    return recorded(status, marked), (note,)


def _no_way_back(turn: Turn, status: ModelRolloutStatus, bad: Rejection) -> Moved:
    """Stay and say so once; a window without the fault takes it back."""
    stable = _stable(status)
    name = called(stable.version, stable.revision)
    message = cut(
        f"{name} is unhealthy and goes on serving, since there is no healthy model to go back to: {bad.message}"
    )
    fault = Fault(metric=bad.reason, left=cut(f"{name}: {bad.message}"))
    held = _holding(turn, status, NO_WAY_BACK, message)
    return Moved(held.but(fault=fault), (Note(NO_WAY_BACK, message, warning=True),))


def _holding(turn: Turn, status: ModelRolloutStatus, reason: str, message: str) -> ModelRolloutStatus:
    before = status.hold
    if before is not None and before.reason == reason:
        return status
    return status.but(hold=Hold(reason=reason, message=message, since=turn.now))


def _stable(status: ModelRolloutStatus) -> Revision:
    if status.stable is None:
        raise ValueError("there is no stable revision to go back from")
    return status.stable
