"""Whether the present step can decide before its deadline at the traffic that it gets.

A step without the traffic for a decision is not dangerous, since without evidence nothing is promoted, but it holds
the rollout. It is said as soon as the traffic is known, and not only when the deadline is over.
"""

from datetime import timedelta

from modelrollout.api.status import Candidate, ModelRolloutStatus, Stage
from modelrollout.core import plan
from modelrollout.core.epochs import of_candidate
from modelrollout.core.judged import expected_seconds
from modelrollout.core.turn import Turn, is_paused, stop_of
from modelrollout.forecast import Arms, expected, late
from modelrollout.forecast.expected import aims_of

MEASURED = timedelta(minutes=2)
"""How long a step's traffic is looked at before it is called too little."""
ERRORS = 0.0
"""Of a healthy model: with any at all it takes longer, so what is said is true of each."""


def too_slow(turn: Turn, status: ModelRolloutStatus) -> str:
    """Why the step cannot decide in time, with the remedy; empty when it can, or while nothing can be said."""
    candidate = status.candidate
    if candidate is None or candidate.stage is not Stage.JUDGING or is_paused(turn, status):
        return ""
    stop = stop_of(turn, status, candidate)
    if not stop.samples or stop.preview or not _is_measured(turn, candidate) or _will_pass(turn, candidate):
        return ""
    found = expected(Arms(_share(stop), ERRORS, stop.samples), aims_of(turn.spec.health))
    return late(found, _rate(turn), _share(stop), turn.spec.decision_deadline)


def _is_measured(turn: Turn, candidate: Candidate) -> bool:
    return turn.seen.epoch == of_candidate(turn, candidate) and turn.seen.watched >= MEASURED


def _will_pass(turn: Turn, candidate: Candidate) -> bool:
    """Whether so much is shown that the rest will be in time; past the deadline there is nothing to warn of."""
    left = turn.spec.decision_deadline - (turn.now - candidate.since)
    seconds = expected_seconds(turn)
    return left <= timedelta(0) or (seconds is not None and timedelta(seconds=seconds) <= left)


def _share(stop: plan.Stop) -> float:
    return stop.pods.candidate / (stop.pods.candidate + stop.pods.stable)


def _rate(turn: Turn) -> float:
    """Requests a second of both arms, to one digit: it moves a little with each look."""
    traffic = turn.seen.traffic
    return float(f"{(traffic.candidate + traffic.stable) / turn.seen.watched.total_seconds():.1g}")
