"""The absolute error limit on healthy rollouts: the operator's sequential test beside its `limits.rule: window`."""

import numpy as np

from bench.judge.worlds import Draw
from modelrollout.api.spec import Health, Limits
from modelrollout.judge.alarms import limit_alarm, window_alarm
from modelrollout.judge.evidence import fresh
from modelrollout.judge.limits import rules
from modelrollout.judge.tallies import Tally

LOOK = 25


def healthy(rate: float, rollouts: int, draw: Draw, requests: int = 5_000) -> tuple[float, float]:
    """The share of rollouts with a true error rate of `rate` that a limit of 5 % takes back: ours, and a window's."""
    failed = (draw.random((requests, rollouts)) < rate).astype(float)
    by_look = failed.reshape(-1, LOOK, rollouts).sum(axis=1).astype(int)
    looks = [by_look[:, one].tolist() for one in range(rollouts)]
    return float(np.mean([_fires(one) for one in looks])), float(np.mean([_fires_in_a_window(one) for one in looks]))


def _fires(hits: list[int]) -> bool:
    asked = rules(Health(limits=Limits(p95_latency_ms=None)))
    arm = fresh().candidate
    for errors in hits:
        arm = arm.plus(Tally(requests=LOOK, errors=errors), {})
        alarm = limit_alarm(arm, _errors, 0.05, asked.limit_threshold)
        if alarm is not None and arm.total.requests >= asked.min_samples:
            return True
    return False


def _fires_in_a_window(hits: list[int]) -> bool:
    arm = fresh().candidate
    for errors in hits:
        arm = arm.in_window(Tally(requests=LOOK, errors=errors))
        if window_alarm(arm, _errors, 0.05) is not None:
            return True
    return False


def _errors(tally: Tally) -> tuple[int, int]:
    return tally.errors, tally.requests
