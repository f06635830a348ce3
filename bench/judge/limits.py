"""The absolute error limit on healthy rollouts: the operator's sequential test beside the classic sliding window."""

import numpy as np

from bench.judge.others import window_alarms
from bench.judge.worlds import Draw
from modelrollout.api.spec import Health, Limits
from modelrollout.judge.alarms import limit_alarm
from modelrollout.judge.evidence import Arm, fresh
from modelrollout.judge.limits import rules
from modelrollout.judge.tallies import Tally

LOOK = 25


def healthy(rate: float, rollouts: int, draw: Draw, requests: int = 5_000) -> tuple[float, float]:
    """The share of rollouts with a true error rate of `rate` that a limit of 5 % takes back: ours, and a window's."""
    failed = (draw.random((requests, rollouts)) < rate).astype(float)
    window = float(window_alarms(failed).any(axis=0).mean())
    by_look = failed.reshape(-1, LOOK, rollouts).sum(axis=1).astype(int)
    return float(np.mean([_fires(by_look[:, one].tolist()) for one in range(rollouts)])), window


def _fires(hits: list[int]) -> bool:
    asked = rules(Health(limits=Limits(p95_latency_ms=None)))
    arm: Arm = fresh().candidate
    for errors in hits:
        arm = arm.plus(Tally(requests=LOOK, errors=errors), {})
        alarm = limit_alarm(arm, lambda tally: (tally.errors, tally.requests), 0.05, asked.limit_threshold)
        if alarm is not None and arm.total.requests >= asked.min_samples:
            return True
    return False
