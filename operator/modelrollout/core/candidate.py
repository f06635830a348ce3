"""A candidate on its way: what is looked at before its stage goes on.

The candidate only moves forward within one revision. It leaves by promotion, by rejection, by a person, or because
the spec asks for something else (`endings`).
"""

from datetime import timedelta

from modelrollout.api.spec import OnInconclusive
from modelrollout.api.status import Candidate, ModelRolloutStatus, Outcome, Replaced, Routing, Stage
from modelrollout.core import endings, faults, holds, plan
from modelrollout.core.decision import Note
from modelrollout.core.epochs import LONGEST_WINDOW, of_candidate, terms, terms_of, watched_for, window
from modelrollout.core.foreign import NAME_TAKEN, foreign_service
from modelrollout.core.routing import is_open, lost_all_pods, was_narrowed
from modelrollout.core.stages import STAGES, is_overdue, restarts_of
from modelrollout.core.turn import Moved, Turn, is_paused, stops_of
from modelrollout.core.words import REPLACED_ONCE, cut, place


def start(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """Begin a rollout of the revision that the spec asks for, beside stable."""
    current, before = status.current, status.candidate
    if current is None:
        return Moved(status)
    candidate = Candidate(
        revision=current.revision,
        version=current.version,
        weight=stops_of(turn, status)[0].weight,
        since=turn.now,
        step_since=turn.now,
        strategy=plan.name(turn.spec.strategy),
        round=before.round + 1 if before is not None else 1,
        replaced=before.replaced if before is not None and before.revision == current.revision else None,
    )
    candidate = candidate.but(restarts=restarts_of(turn, candidate))
    status = status.but(candidate=candidate, retreat=None, hold=None, fault=None)
    return Moved(status, (endings.started(turn, status, candidate),))


def advance(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    """One move of the candidate, at most: back, on, or a hold that says why not."""
    finding = faults.find(turn, status, candidate)
    back = _back(turn, status, candidate, finding)
    if back is not None:
        return back
    if _limits_edited(turn, status, candidate):
        return _anew(turn, status, candidate)
    foreign = foreign_service(turn)
    if foreign is not None:
        return holds.hold(turn, status, NAME_TAKEN, foreign.message)
    if isinstance(finding, faults.Standstill) and not is_paused(turn, status):
        return _stand_still(turn, status, candidate, finding)
    if _is_recovering(turn, status, candidate):
        return Moved(status)
    return _go_on(turn, status, candidate)


def stay(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    """Back as ever, never on; only a promotion that has begun is finished."""
    back = _back(turn, status, candidate, faults.find(turn, status, candidate))
    if back is not None:
        return back
    if candidate.stage is Stage.DRAINING and foreign_service(turn) is None:
        return STAGES[Stage.DRAINING](turn, status, candidate)
    return holds.hold(turn, status, holds.PAUSED, "waits until the spec can be followed")


def _back(turn: Turn, status: ModelRolloutStatus, candidate: Candidate, finding: faults.Finding) -> Moved | None:
    """What takes traffic away from a candidate; None where nothing does."""
    if isinstance(finding, faults.Rejection):
        return endings.reject(turn, status, Outcome.REJECTED, finding)
    if isinstance(finding, faults.SickPod):
        return _replaced(turn, status, candidate, finding)
    if was_narrowed(turn, status, candidate):
        return _again(turn, status, candidate, "the Service was found on stable alone")
    if candidate.routed and lost_all_pods(turn, status, candidate):
        return _again(turn, status, candidate, "no pod of the candidate is ready any more; traffic is back on stable")
    return None


def _replaced(turn: Turn, status: ModelRolloutStatus, candidate: Candidate, finding: faults.SickPod) -> Moved:
    """Nothing is rolled back yet. The evidence begins anew, and so does the step, with another pod in its place."""
    pod = Replaced(pod=finding.pod.name, uid=finding.pod.uid, message=cut(finding.message))
    starts = candidate.stage is Stage.STARTING
    again = candidate.but(
        stage=Stage.STARTING if starts else Stage.JUDGING,
        since=turn.now,
        round=candidate.round + 1,
        restarts=restarts_of(turn, candidate),
        replaced=pod,
    )
    note = Note("PodReplaced", cut(f"{pod.message}: {REPLACED_ONCE}"), warning=True)
    return Moved(status.but(candidate=again, hold=None), (note,))


def _go_on(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    routed = candidate.routed or is_open(turn, status, candidate)
    located, notes = _located(turn, status, candidate.but(routed=routed))
    moved = Moved(status.but(candidate=located), notes)
    if not is_paused(turn, status):
        resumed = holds.waited(turn, moved.status, located)
        moved = resumed.after(*moved.notes)
    here = moved.status.candidate or located
    if is_paused(turn, status) and here.stage not in {Stage.STARTING, Stage.WAITING}:
        return holds.hold_paused(turn, moved.status).after(*moved.notes)
    return STAGES[here.stage](turn, moved.status, here).after(*moved.notes)


def _located(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> tuple[Candidate, tuple[Note, ...]]:
    """The step's index, which moves when the steps are edited; the weight stays."""
    planned = stops_of(turn, status)
    step = plan.position(planned, candidate.weight)
    lower = planned[step]
    edited_away = plan.is_edited_away(turn.spec, max(1, status.size), candidate.weight)
    if candidate.stage is Stage.STARTING and edited_away and lower.weight < candidate.weight:
        # Its traffic has not moved to that weight yet.
        message = f"the steps were edited: weight {lower.weight} instead of {candidate.weight}"
        return candidate.but(step=step, weight=lower.weight), (Note("StepsEdited", message),)
    if step == candidate.step:
        return candidate, ()
    located = candidate.but(step=step)
    following = plan.above(planned, candidate.weight)
    if turn.spec.strategy.canary is None or not following:
        return located, ()
    message = f"the steps were edited: weight {candidate.weight} stays, the next is {following[0].weight}"
    return located, (Note("StepsEdited", message),)


def _stand_still(turn: Turn, status: ModelRolloutStatus, candidate: Candidate, finding: faults.Standstill) -> Moved:
    """Nobody is to blame yet: hold, unless the decision deadline is over and the spec says to go back then."""
    rolls_back = turn.spec.on_inconclusive is OnInconclusive.ROLL_BACK
    if rolls_back and candidate.stage in {Stage.JUDGING, Stage.BAKING} and is_overdue(turn, candidate):
        why = faults.Rejection(holds.INCONCLUSIVE, f"no decision in time: {finding.message}")
        return endings.reject(turn, status, Outcome.REJECTED, why)
    moved = holds.hold(turn, status, finding.reason, finding.message)
    fault_lasts = finding.reason == holds.STABLE_UNHEALTHY and watched_for(turn, candidate) >= _window_of(turn, status)
    if not fault_lasts:
        return moved
    # Evidence of the fault would drown a recovery for long: look at a new window.
    anew = candidate.but(since=turn.now, round=candidate.round + 1, restarts=restarts_of(turn, candidate))
    return Moved(moved.status.but(candidate=anew), moved.notes)


def _window_of(turn: Turn, status: ModelRolloutStatus) -> timedelta:
    """The longer the fault lasts, the longer the window after it."""
    lasted = turn.now - status.hold.since if status.hold is not None else timedelta(0)
    return window(turn, min(LONGEST_WINDOW, int(lasted / window(turn))).bit_length())


def _is_recovering(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> bool:
    """Both arms were bad a moment ago: nothing passes before one window without a finding."""
    hold = status.hold
    if hold is None or hold.reason != holds.STABLE_UNHEALTHY or candidate.stage is Stage.STARTING:
        return False
    return watched_for(turn, candidate) < window(turn)


def _again(turn: Turn, status: ModelRolloutStatus, candidate: Candidate, why: str) -> Moved:
    """Pass the step anew, from stable alone.

    It is the same step, so what its containers restarted counts on: a model that is killed each time that it has all
    of the traffic would otherwise go round for ever.
    """
    again = candidate.but(
        stage=Stage.STARTING,
        since=turn.now,
        step_since=turn.now,
        routing=Routing.STABLE,
        routed=False,
        asked=False,
        round=candidate.round + 1,
    )
    message = f"{why}; {place(candidate.weight)} has to be passed again"
    return Moved(status.but(candidate=again, hold=None), (Note("StepRepeated", message, warning=True),))


def _limits_edited(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> bool:
    """Whether the evidence that was gathered so far was judged by other limits than the spec has now."""
    checkpoint = status.checkpoint
    if checkpoint is None or candidate.forced or not checkpoint.epoch.startswith(f"{candidate.revision}."):
        return False
    gathers = candidate.stage in {Stage.JUDGING, Stage.PAUSED, Stage.BAKING, Stage.DRAINING}
    known = checkpoint.epoch == of_candidate(turn, candidate)
    return gathers and not known and terms_of(checkpoint.epoch) != terms(turn.spec.health)


def _anew(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Moved:
    """Evidence under other limits is worth nothing: the step, or the bake, gathers it anew."""
    baking = candidate.stage in {Stage.BAKING, Stage.DRAINING}
    anew = candidate.but(stage=Stage.BAKING if baking else Stage.JUDGING, since=turn.now, round=candidate.round + 1)
    message = f"the limits were edited; {place(candidate.weight)} gathers its evidence anew"
    return Moved(status.but(candidate=anew, hold=None), (Note("EvidenceRestarted", message),))
