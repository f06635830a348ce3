"""Whether one pod is to blame, and not the model: a candidate with several pods of which only one fails.

Leave-one-pod-out says it first: without that pod nothing would speak against the candidate beside stable. Since a pod
that had most of the requests has most of the errors, too, two things more are asked: the others keep the absolute
limit, and errors that fall on requests by chance would not fall on one pod like that. So a model that fails on all of
its pods is never taken for a sick pod, however its requests are spread.
"""

import math

from modelrollout.judge.absences import Failed
from modelrollout.judge.evidence import Evidence
from modelrollout.judge.limits import Rules
from modelrollout.judge.proofs import abstains
from modelrollout.judge.verdicts import Suspect

BLAMED = frozenset({"errorRate", "errorRatio"})
"""What is counted by pod, so that it can be put on one."""
CHANCE = 0.01
"""Probability at which the errors of a model that fails on all of its pods alike are put on one of them."""


def suspect(evidence: Evidence, rules: Rules) -> Suspect | None:
    """The one pod that all evidence is on; None where the model is to blame, or nobody can tell."""
    trial, compare = evidence.trial, rules.compare
    if trial is None or compare is None or trial.last is None or abstains(evidence, compare):
        return None
    pod, here = trial.only_pod, len(set(trial.last.canary.pods) - {trial.only_pod})
    if not pod or not here:
        return None
    own, others = trial.without.apart(pod)
    if _breaks(others, rules) or not _is_apart(own, others, len(trial.without.pods)):
        return None
    return Suspect(pod, f"{pod} failed {own[0]} of {own[1]} requests, {_the_others(others, here)}")


def _breaks(others: Failed, rules: Rules) -> bool:
    return rules.error_rate is not None and others[0] > rules.error_rate * others[1]


def _is_apart(own: Failed, others: Failed, pods: int) -> bool:
    """Chernoff's bound for the number of errors on this pod, were they spread like the requests; over all pods."""
    errors, requests = own[0] + others[0], own[1] + others[1]
    if not errors or not others[1]:
        return False
    hit, asked = own[0] / errors, own[1] / requests
    if hit <= asked:
        return False
    rest = (1 - hit) * math.log((1 - hit) / (1 - asked)) if hit < 1 else 0.0
    return errors * (hit * math.log(hit / asked) + rest) >= math.log(pods / CHANCE)


def _the_others(others: Failed, pods: int) -> str:
    whose = "the other one" if pods == 1 else f"the other {pods}"
    return f"{whose} {others[0] or 'none'} of {others[1]}"
