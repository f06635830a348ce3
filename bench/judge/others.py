"""Fixed thresholds as users of other tools write them, on the same simulated requests.

- Argo Rollouts, as in its documentation: success rate at least 95 %, a measurement a round, more than 3 failures abort.
- Argo Rollouts, tightened so that a doubling from 1 to 2 % shows: at least 98.5 %, more than 3 failures abort.
- Flagger, as in its documentation: request success rate at least 99 %, 5 failed checks roll back.
- A sliding window of the last 200 canary requests: more than 5 % errors after at least 20, looked at 8 times as often.
"""

from dataclasses import dataclass

import numpy as np

from bench.judge.worlds import Array, Counts


@dataclass(frozen=True, slots=True)
class Threshold:
    """So many measurements below a success rate end a rollout."""

    name: str
    success: float
    failures: int

    def alarms(self, counts: Counts) -> Array:
        """Whether the rollout has ended, by round and rollout."""
        rate = 1 - counts.candidate_hits / np.maximum(1.0, counts.candidate)
        failed = (rate < self.success) & (counts.candidate > 0)
        ended: Array = np.cumsum(failed, axis=0) >= self.failures
        return ended


ARGO = Threshold("Argo Rollouts: success >= 95 %, failureLimit 3", 0.95, 4)
ARGO_TIGHT = Threshold("Argo Rollouts: success >= 98.5 %, failureLimit 3", 0.985, 4)
FLAGGER = Threshold("Flagger: success >= 99 %, threshold 5", 0.99, 5)


def window_alarms(failed: Array, limit: float = 0.05, width: int = 200, least: int = 20) -> Array:
    """A sliding window over single requests (0 or 1, by request and rollout), looked at every 25 requests."""
    summed = np.concatenate((np.zeros((1, failed.shape[1])), np.cumsum(failed, axis=0)))
    looks = np.arange(25, len(failed) + 1, 25)
    begins = np.maximum(0, looks - width)
    trials = looks - begins
    shares = (summed[looks] - summed[begins]) / trials[:, None]
    fired: Array = (shares > limit) & (trials >= least)[:, None]
    return fired
