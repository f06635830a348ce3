"""The stages of a step: pods ready, then evidence, then the pause; after the last step the bake and the quiet.

Each function is one look: it goes on, or holds and says what is missing.
"""

from collections.abc import Callable
from datetime import timedelta

from modelrollout.api.spec import OnInconclusive
from modelrollout.api.status import Candidate, ModelRolloutStatus, Outcome, Routing, Stage
from modelrollout.core import endings, faults, holds, plan
from modelrollout.core.decision import Note
from modelrollout.core.epochs import of_candidate, requests_of, watched_for
from modelrollout.core.facts import PodTrouble
from modelrollout.core.routing import lacks_group, stranger
from modelrollout.core.turn import Moved, Turn, is_paused, stop_of, stops_of
from modelrollout.core.words import called, place, pods, seconds

QUIET_AT_MOST = timedelta(seconds=90)
MOST_RESTARTS_KEPT = 50
"""Pods whose restarts a status remembers; with more of them a step has other worries."""


def needed(status: ModelRolloutStatus, stop: plan.Stop) -> int:
    """Ready candidate pods that a stop asks for before its traffic moves."""
    if stop.surge == 0 and stop.routing is Routing.CANDIDATE:
        # 4 pods and no surge: the last one of stable has to go before the fourth new one fits.
        return max(1, max(1, status.size) - 1)
    return stop.pods.candidate


def restarts_of(turn: Turn, candidate: Candidate) -> dict[str, int]:
    """Container restarts that a new step does not count."""
    known = [pod for pod in turn.seen.pods_of(candidate.revision) if pod.restarts]
    worst = sorted(known, key=lambda pod: -pod.restarts)[:MOST_RESTARTS_KEPT]
    return {pod.uid: pod.restarts for pod in worst}


def is_overdue(turn: Turn, candidate: Candidate) -> bool:
    """Whether the decision deadline is over; the bake's own length comes on top of it."""
    bake = turn.spec.bake if candidate.stage is Stage.BAKING else timedelta(0)
    return turn.now - candidate.since >= turn.spec.decision_deadline + bake


def starting(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    stop = stop_of(turn, status, candidate)
    wanted, ready = needed(status, stop), turn.seen.ready(candidate.revision)
    if lacks_group(turn, status):
        return holds.hold(turn, status, holds.PROGRESSING, "waits until its pods of an earlier rollout are gone")
    if ready >= 1 and _opens_early(status, candidate, stop):
        return _opened(turn, status, candidate)
    if ready < wanted:
        return _not_ready(turn, status, candidate, f"{ready} of {pods(wanted)} ready")
    third = stranger(turn, status, candidate)
    if stop.routing is Routing.SHARED and third:
        message = f"waits until the pods of {third} are gone, since they carry stable's group"
        return holds.hold(turn, status, holds.PROGRESSING, message)
    if is_paused(turn, status):
        return holds.hold_paused(turn, status, f"{ready} of {pods(wanted)} ready")
    kept = candidate.routed and candidate.routing is stop.routing
    judging = candidate.but(stage=Stage.JUDGING, since=turn.now, routing=stop.routing, routed=kept)
    message = f"{called(candidate.version, candidate.revision)} has {pods(ready)} ready: {_traffic(stop)}"
    return Moved(status.but(candidate=judging, hold=None), (Note("StepStarted", message),))


def _opens_early(status: ModelRolloutStatus, candidate: Candidate, stop: plan.Stop) -> bool:
    """Constant total: stable gives up pods only for pods that serve, so the first ready one has to serve at once."""
    return stop.surge is not None and status.size > 1 and candidate.routing is Routing.STABLE


def _opened(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    if stranger(turn, status, candidate):
        return holds.hold(turn, status, holds.PROGRESSING, "waits until pods that carry stable's group are gone")
    if is_paused(turn, status):
        return holds.hold_paused(turn, status)
    message = f"{called(candidate.version, candidate.revision)} shares the traffic from its first ready pod on"
    opened = candidate.but(routing=Routing.SHARED, routed=False)
    return Moved(status.but(candidate=opened, hold=None), (Note("TrafficShared", message),))


def _not_ready(turn: Turn, status: ModelRolloutStatus, candidate: Candidate, missing: str) -> Moved:
    room = _room(turn, status, candidate)
    trouble = faults.any_trouble(turn, candidate.revision)
    message = f"{missing}: {trouble}{room}" if trouble else missing
    if is_paused(turn, status):
        return holds.hold_paused(turn, status, message)
    world = faults.world_trouble(turn, candidate.revision)
    if not world:
        candidate = holds.without_wait(turn, status, candidate)
        status = status.but(candidate=candidate)
    if turn.now - candidate.step_since < turn.spec.progress_deadline:
        return holds.hold(turn, status, holds.WAITING_FOR_CLUSTER if world else holds.PROGRESSING, message)
    late = f"{missing} after {seconds(turn.spec.progress_deadline)} (progressDeadline)"
    if not world:
        why = faults.Rejection("ProgressDeadlineExceeded", f"{late}: {trouble}" if trouble else late)
        return endings.reject(turn, status, Outcome.REJECTED, why)
    waiting = candidate.but(stage=Stage.WAITING, since=turn.now, routing=Routing.STABLE, routed=False)
    message = f"{late}, so traffic is on stable; goes on by itself once this is over: {world}{room}"
    # A new hold, although the cluster may have been waited for before: that traffic has moved is news.
    return holds.hold(turn, status.but(candidate=waiting, hold=None), holds.WAITING_FOR_CLUSTER, message)


def _room(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> str:
    """How much room a candidate needs whose pods have none, and which strategy needs less."""
    stop = stop_of(turn, status, candidate)
    lacks = any(pod.trouble is PodTrouble.UNSCHEDULABLE for pod in turn.seen.pods_of(candidate.revision))
    if not lacks or stop.surge is not None:
        return ""
    less = "; rolling and canary.constantTotal need less" if status.size > 1 else ""
    return f"; it needs room for {pods(stop.pods.candidate)} beside stable's {max(1, status.size)}{less}"


def waiting(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    """Traffic is on stable; the step begins anew when the pods are there or nothing keeps them away any more."""
    stop = stop_of(turn, status, candidate)
    here = turn.seen.ready(candidate.revision) >= (needed(status, stop) if stop.surge is None else 1)
    world = faults.world_trouble(turn, candidate.revision)
    if is_paused(turn, status):
        return holds.hold_paused(turn, status, world)
    if world and not here:
        return holds.hold(turn, status, holds.WAITING_FOR_CLUSTER, world)
    again = candidate.but(
        stage=Stage.STARTING,
        since=turn.now,
        step_since=turn.now,
        round=candidate.round + 1,
        restarts=restarts_of(turn, candidate),
    )
    message = f"what kept its pods away is over; weight {candidate.weight} begins anew"
    return Moved(status.but(candidate=again, hold=None), (Note("Resumed", message),))


def judging(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    stop = stop_of(turn, status, candidate)
    wanted, ready = needed(status, stop), turn.seen.ready(candidate.revision)
    if candidate.forced or (ready >= wanted and _has_evidence(turn, candidate, stop)):
        return _passed(turn, status, candidate)
    if is_overdue(turn, candidate):
        return _inconclusive(turn, status, candidate)
    if ready < wanted:
        trouble = faults.any_trouble(turn, candidate.revision)
        lost = f"{ready} of {pods(wanted)} ready"
        return holds.hold(turn, status, holds.PROGRESSING, f"{lost}: {trouble}" if trouble else lost)
    return holds.hold(turn, status, holds.PROGRESSING, f"waits for evidence: {_answered(turn, candidate, stop)}")


def _has_evidence(turn: Turn, candidate: Candidate, stop: plan.Stop) -> bool:
    """Enough requests answered, no share above its limit, and one interval watched, all in this very epoch."""
    enough = requests_of(turn, candidate) >= stop.samples
    if not enough or _doubt(turn, candidate) or _unproven(turn, candidate, stop):
        return False
    return watched_for(turn, candidate) >= turn.spec.health.interval


def _doubt(turn: Turn, candidate: Candidate) -> str:
    """A share above its limit in this very epoch, though nothing is proven: nothing passes with it."""
    return turn.seen.verdict.doubt if turn.seen.epoch == of_candidate(turn, candidate) else ""


def _unproven(turn: Turn, candidate: Candidate, stop: plan.Stop) -> str:
    """What is still to be shown by comparison; a stop that asks for no requests asks for no proof."""
    judged = stop.samples > 0 and turn.seen.epoch == of_candidate(turn, candidate)
    return turn.seen.verdict.unproven if judged else ""


def _answered(turn: Turn, candidate: Candidate, stop: plan.Stop) -> str:
    doubt = _doubt(turn, candidate)
    if doubt:
        return f"not proven bad, but too bad to pass: {doubt}"
    if requests_of(turn, candidate) >= stop.samples and (unproven := _unproven(turn, candidate, stop)):
        return unproven
    where = "the preview Service" if stop.preview else "the candidate"
    return f"{where} has answered {requests_of(turn, candidate)} of {stop.samples} requests"


def _passed(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    """The step's evidence is there: its pause, the next step, or the bake."""
    stop = stop_of(turn, status, candidate)
    asked = _is_asked(turn, status, candidate, stop)
    if candidate.forced or (stop.pause is None and not asked):
        return onward(turn, status, candidate)
    length = stop.pause.duration if stop.pause is not None and not asked else None
    waits = "a person to promote or abort it" if length is None else seconds(length)
    message = f"{place(stop.weight)} passed ({turn.seen.verdict.summary}); waits for {waits}"
    paused = candidate.but(stage=Stage.PAUSED, since=turn.now, asked=asked)
    return Moved(status.but(candidate=paused, hold=None), (Note("StepPaused", message),))


def _is_asked(turn: Turn, status: ModelRolloutStatus, candidate: Candidate, stop: plan.Stop) -> bool:
    """Whether only a person lets it go on: the step says so, or said so, or an edit left nothing but all traffic."""
    if candidate.asked or (stop.pause is not None and stop.pause.duration is None):
        return True
    ahead = plan.above(stops_of(turn, status), candidate.weight)
    return _is_edited_away(turn, status, candidate) and all(one.routing is Routing.CANDIDATE for one in ahead)


def _is_edited_away(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> bool:
    return plan.is_edited_away(turn.spec, max(1, status.size), candidate.weight)


def pausing(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    stop = stop_of(turn, status, candidate)
    if candidate.forced:
        return onward(turn, status, candidate)
    if _is_asked(turn, status, candidate, stop) or _is_edited_away(turn, status, candidate):
        message = f"at {place(stop.weight)}; waits for a person to resume, promote or abort it"
        return holds.hold(turn, status.but(candidate=candidate.but(asked=True)), holds.PAUSED, message)
    length = stop.pause.duration if stop.pause is not None and stop.pause.duration is not None else timedelta(0)
    doubt = _doubt(turn, candidate)
    if doubt:
        return holds.hold(turn, status, holds.PAUSED, f"at {place(stop.weight)}; does not go on yet: {doubt}")
    if watched_for(turn, candidate) < length:
        return holds.hold(turn, status, holds.PAUSED, f"at {place(stop.weight)} for {seconds(length)}")
    return onward(turn, status, candidate)


def onward(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    """To the next stop that changes anything, or from the last stop into the bake."""
    planned = stops_of(turn, status)
    ahead = plan.above(planned, candidate.weight)
    name = called(candidate.version, candidate.revision)
    passed = Note("StepPassed", f"{name} passed {place(candidate.weight)}: {turn.seen.verdict.summary}")
    if not ahead:
        baking = candidate.but(stage=Stage.BAKING, since=turn.now)
        message = f"{name} has every request; it is watched for {seconds(turn.spec.bake)} before it is promoted"
        return Moved(status.but(candidate=baking, hold=None), (passed, Note("Baking", message)))
    skipped = () if candidate.forced else _alike(stop_of(turn, status, candidate), ahead)
    notes = tuple(
        Note("StepPassedThrough", f"weight {stop.weight} makes the same pods as weight {candidate.weight}")
        for stop in skipped
    )
    following = ahead[-1] if candidate.forced else ahead[len(skipped)]
    moved = candidate.but(
        step=planned.index(following),
        weight=following.weight,
        stage=Stage.STARTING,
        asked=False,
        since=turn.now,
        step_since=turn.now,
        restarts=restarts_of(turn, candidate),
    )
    return Moved(status.but(candidate=moved, hold=None), (passed, *notes))


def _alike(here: plan.Stop, ahead: tuple[plan.Stop, ...]) -> tuple[plan.Stop, ...]:
    """Stops that change nothing and wait for nobody; never the last one."""
    alike = []
    for stop in ahead[:-1]:
        if stop.pods != here.pods or stop.routing is not here.routing or stop.pause is not None:
            break
        alike.append(stop)
    return tuple(alike)


def baking(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    stop = stop_of(turn, status, candidate)
    wanted, ready = needed(status, stop), turn.seen.ready(candidate.revision)
    baked = watched_for(turn, candidate) >= turn.spec.bake
    if candidate.forced or (baked and ready >= wanted and _has_evidence(turn, candidate, stop)):
        return Moved(status.but(candidate=candidate.but(stage=Stage.DRAINING, since=turn.now), hold=None))
    if is_overdue(turn, candidate):
        return _inconclusive(turn, status, candidate)
    if not baked:
        return holds.hold(turn, status, holds.PROGRESSING, f"is watched for {seconds(turn.spec.bake)} at weight 100")
    if ready < wanted:
        return holds.hold(turn, status, holds.PROGRESSING, f"baked; {ready} of {pods(wanted)} ready")
    return holds.hold(turn, status, holds.PROGRESSING, f"baked; waits for evidence: {_answered(turn, candidate, stop)}")


def draining(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    """Promoted once pods outside the selector get no more requests, so that none is lost when they go."""
    traffic = turn.seen.traffic
    alone = status.stable is None or not turn.seen.pods_of(status.stable.revision)
    counted = turn.seen.epoch == of_candidate(turn, candidate)
    quiet = alone or (counted and traffic.outside_quiet >= turn.spec.health.interval)
    late = turn.now - candidate.since >= QUIET_AT_MOST
    if not quiet and not late and not candidate.forced:
        return holds.hold(turn, status, holds.PROGRESSING, "waits until stable's pods get no more requests")
    still = "" if quiet else f"; the old pods counted {traffic.outside_last} requests in their last busy round"
    return endings.promote(turn, status, candidate, still)


def _inconclusive(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    """The decision deadline is over without enough evidence: what `onInconclusive` says."""
    stop = stop_of(turn, status, candidate)
    took = seconds(turn.now - candidate.since)
    message = f"no decision at {place(stop.weight)} in {took}: {_answered(turn, candidate, stop)}"
    choice = turn.spec.on_inconclusive
    if choice is OnInconclusive.ROLL_BACK:
        why = faults.Rejection(holds.INCONCLUSIVE, f"{message} (onInconclusive: rollBack)")
        return endings.reject(turn, status, Outcome.REJECTED, why)
    if choice is OnInconclusive.PROMOTE and _may_pass_unproven(turn, status, candidate):
        note = Note(holds.INCONCLUSIVE, f"{message}; goes on (onInconclusive: promote)", warning=True)
        if candidate.stage is Stage.JUDGING:
            return _passed(turn, status, candidate).after(note)
        drained = candidate.but(stage=Stage.DRAINING, since=turn.now)
        return Moved(status.but(candidate=drained, hold=None), (note,))
    waits = f"no decision at {place(stop.weight)} within {seconds(turn.spec.decision_deadline)} (decisionDeadline)"
    advice = "promote or abort it" if _doubt(turn, candidate) else "promote it, abort it, or send it traffic"
    return holds.hold(turn, status, holds.INCONCLUSIVE, f"{waits}: {_answered(turn, candidate, stop)}; {advice}")


def _may_pass_unproven(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> bool:
    """Only silence is let through. A doubt holds: it is no proof to roll back on, and more requests will decide it."""
    ready = turn.seen.ready(candidate.revision) >= needed(status, stop_of(turn, status, candidate))
    return ready and not _doubt(turn, candidate)


def _traffic(stop: plan.Stop) -> str:
    if stop.preview:
        return "judged behind the preview Service"
    if stop.routing is Routing.CANDIDATE:
        return "the Service selects it alone"
    arms = f"{pods(stop.pods.candidate)} beside {stop.pods.stable} of stable"
    return f"{arms} make {stop.pods.weight} % of the requests where {stop.weight} % were asked for"


Look = Callable[[Turn, ModelRolloutStatus, Candidate], Moved]
STAGES: dict[Stage, Look] = {
    Stage.STARTING: starting,
    Stage.WAITING: waiting,
    Stage.JUDGING: judging,
    Stage.PAUSED: pausing,
    Stage.BAKING: baking,
    Stage.DRAINING: draining,
}
