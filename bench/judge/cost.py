"""What the judge costs an operator with 1,000 rollouts under way: `python -m bench.judge.cost`.

Each rollout has 2 canary pods and 4 of stable, 40 requests/s, a round every 5 s. A thousand of them are judged in turn,
as an operator does: each finds the processor's caches full of the others, and what Python's collector takes counts,
too. The time is that of this process's CPU, from scraped counters to the ledger that the decision reads, with all that
is packed for the status. It is told by the minute: in each of them everything is packed and reported once.

A core of a virtual machine is often half of one, since others compute on its other half, and a process's clock does not
know. So a piece of fixed work is timed among the rollouts; its least time over its mean is the speed that this core
had, and the cost at full speed is the measured one times that.
"""

import argparse
import cProfile
import pstats
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from bench.judge.latencies import EDGES_MS, as_fast, cells
from modelrollout.api.spec import Health
from modelrollout.core.decision import Watch
from modelrollout.judge import Latency, Rules, Sample
from modelrollout.ledger import Ledger, Look, Looks, after, rules_of, under
from modelrollout.shell.collector import collect_seldom

ROLLOUTS, INTERVAL = 1_000, 5.0
REQUESTS = 33
"""Of each pod in a round, in the mean."""
MINUTE, OLD = round(60 / INTERVAL), 5
"""Rounds of a minute, and minutes after which a step is watched for what lasts."""
_TERMS: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("limits alone", {}, 0.005),
    ("compared with stable", {"compare": {}}, 0.005),
    ("compared, one of fifty requests fails", {"compare": {}}, 0.02),
)
"""What is asked of the judge, and the share of requests that fail in both arms: few rounds wait where many do."""
WATCH = Watch(timedelta(seconds=INTERVAL), "canary", "stable", epoch="canary.50.1.judging.ab", shared=True)
REVISIONS = ("canary", "canary", "stable", "stable", "stable", "stable")


def fixed_work() -> float:
    """Seconds of CPU that some arithmetic takes."""
    begun, total = time.process_time(), 0
    for number in range(1000):
        total += number * number
    return time.process_time() - begun


class Pods:
    """The counters of all pods, which fail this share of their requests."""

    def __init__(self, rollouts: int, failing: float) -> None:
        self._draw = np.random.default_rng(1)
        self._failing, self._shares = failing, cells(as_fast)
        self._names = [
            [f"churn-{one}-{revision}-{at}" for at, revision in enumerate(REVISIONS)] for one in range(rollouts)
        ]
        shape = (rollouts, len(REVISIONS))
        self._sums = np.zeros((*shape, 2), dtype=int)
        self._buckets = np.zeros((*shape, len(EDGES_MS) + 1), dtype=int)

    def round(self, at: float) -> Iterator[Looks]:
        """Each rollout's next round, scraped one after the other over the interval."""
        requests = self._draw.poisson(REQUESTS, self._sums.shape[:2])
        self._sums += np.stack((requests, self._draw.binomial(requests, self._failing)), axis=-1)
        self._buckets += self._draw.multinomial(requests, self._shares)
        for number, names in enumerate(self._names):
            found = zip(REVISIONS, names, self._sums[number].tolist(), self._buckets[number].tolist(), strict=True)
            looks = [
                Look(name, revision, Sample(name, f"{name}:1", sums[0], sums[1], 0, Latency(EDGES_MS, tuple(buckets))))
                for revision, name, sums, buckets in found
            ]
            yield Looks(at + number * INTERVAL / len(self._names), tuple(looks))


@dataclass(slots=True)
class Operator:
    """What the judge keeps of all rollouts."""

    rules: Rules
    ledgers: list[Ledger]
    minutes: list[float] = field(default_factory=list)
    """Seconds of CPU in each."""
    fixed: list[float] = field(default_factory=list)
    """Seconds that fixed work took among them."""

    def judge(self, pods: Pods, minutes: int) -> None:
        """A step of so many minutes."""
        for number in range(minutes * MINUTE):
            if number % MINUTE == 0:
                self.minutes.append(0.0)
            for one, seen in enumerate(pods.round(number * INTERVAL)):
                begun = time.process_time()
                self.ledgers[one] = after(self.ledgers[one], seen, WATCH, self.rules)
                self.minutes[-1] += time.process_time() - begun
                if one % 10 == 0:
                    self.fixed.append(fixed_work())

    @property
    def speed(self) -> float:
        """The part of its full speed that the core had."""
        return min(self.fixed) / statistics.fmean(self.fixed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=12, help="of a step")
    parser.add_argument("--rollouts", type=int, default=ROLLOUTS)
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    asked = parser.parse_args()
    collect_seldom()
    for name, compare, failing in _TERMS:
        rules = rules_of(Health.model_validate({"interval": "5s"} | compare), WATCH)
        operator = Operator(rules, [under(Ledger(), WATCH) for _ in range(asked.rollouts)])
        with cProfile.Profile() if asked.profile else nullcontext() as profile:
            operator.judge(Pods(asked.rollouts, failing), asked.minutes)
        scale = ROLLOUTS / asked.rollouts / 60
        print(f"{name}, measured at {operator.speed:.0%} of the core's full speed:")
        print(f"  {_said([one * scale for one in operator.minutes])}")
        print(f"  at full speed {_said([one * scale * operator.speed for one in operator.minutes])}", flush=True)
        if profile is not None:
            pstats.Stats(profile).sort_stats("tottime").print_stats("modelrollout", 12)


def _said(parts: Sequence[float]) -> str:
    """Parts of a core, by minute."""
    first, later = parts[:OLD], parts[OLD:] or parts
    return (
        f"{statistics.fmean(parts):.1%} of a core over the whole step: {statistics.fmean(first):.1%} in its first five "
        f"minutes, then {statistics.median(later):.1%} ({min(later):.1%} to {max(later):.1%} by minute)"
    )


if __name__ == "__main__":
    main()
