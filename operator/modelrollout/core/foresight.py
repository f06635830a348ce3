"""Whether the present step can decide before its deadline at the traffic it really gets, while there is time to act.

The same sentence that `modelrollout plan` warns with, from live requests instead of assumed ones. It decides nothing:
a step without evidence holds anyway.
"""

from dataclasses import replace
from datetime import timedelta

from modelrollout.api.status import Candidate, ConditionStatus, ModelRolloutStatus, Routing, Stage
from modelrollout.core import plan
from modelrollout.core.decision import Note
from modelrollout.core.epochs import watched_for
from modelrollout.core.turn import Moved, Turn, is_paused, stop_of
from modelrollout.forecast import Arms, Expected, expected, late
from modelrollout.forecast.expected import ALONE, aims_of

TOO_FEW_REQUESTS = "TooFewRequests"
"""The condition, and its reason."""
LOOKED_AT = timedelta(minutes=1)
"""How long a step is watched before its traffic is taken for what it will be."""
_STEADY = 0.8
"""Part of the deadline that a step has to fit into before the warning goes away again: traffic wavers."""
_MOST_ERRORS = 0.5


def too_few_requests(turn: Turn, status: ModelRolloutStatus) -> str:
    """Why the present step cannot decide in time, with the remedy; empty when it can, or too early to say."""
    candidate = status.candidate
    if candidate is None or candidate.stage is not Stage.JUDGING or is_paused(turn, status):
        return ""
    stop, watched = stop_of(turn, status, candidate), watched_for(turn, candidate)
    if not stop.samples or stop.preview or watched <= LOOKED_AT:
        return ""
    share, traffic = _share(stop), turn.seen.traffic
    found = replace(_expected(turn, stop, share), doubled=None)  # a fault that shows too late holds nothing up
    if turn.seen.report is not None and turn.seen.report.expected_requests is not None:
        known = (traffic.candidate + turn.seen.report.expected_requests) / share
        found = replace(found, passes=min(found.passes, known))
    rate = float(f"{(traffic.candidate + traffic.stable) / watched.total_seconds():.2g}")
    deadline = turn.spec.decision_deadline
    said = late(found, rate, share, deadline)
    if not said and _is_said(turn, candidate):
        return late(found, rate, share, deadline * _STEADY)
    return said


def foretell(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """An Event when the warning begins."""
    said = too_few_requests(turn, status)
    if not said or (status.candidate is not None and _is_said(turn, status.candidate)):
        return Moved(status)
    return Moved(status, (Note(TOO_FEW_REQUESTS, said, warning=True),))


def _share(stop: plan.Stop) -> float:
    if stop.routing is Routing.CANDIDATE:
        return ALONE
    return stop.pods.candidate / max(1, stop.pods.candidate + stop.pods.stable)


def _expected(turn: Turn, stop: plan.Stop, share: float) -> Expected:
    """By stable's error rate so far, to one digit: what is expected is remembered by it."""
    report = turn.seen.report
    rate = report.stable_error_rate if report is not None else 0.0
    return expected(Arms(share, min(_MOST_ERRORS, float(f"{rate:.1g}")), stop.samples), aims_of(turn.spec.health))


def _is_said(turn: Turn, candidate: Candidate) -> bool:
    """Whether the condition is there already, for this candidate."""
    before = turn.rollout.status
    same = before.candidate is not None and before.candidate.revision == candidate.revision
    return same and any(
        one.type == TOO_FEW_REQUESTS and one.status is ConditionStatus.TRUE for one in before.conditions
    )
