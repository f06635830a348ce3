"""What the judge costs an operator with 1,000 rollouts under way: `python -m bench.judge.cost`.

Each rollout has 2 canary pods and 4 of stable, 40 requests/s, a round every 5 s. The time is that of this process's
CPU, from scraped counters to the ledger that the decision reads, with everything that is packed for the status. The
same step is judged several times, the kinds of rollout in turn. The least of a round's times is what it takes when
nobody else uses the machine's caches; below the mean of those stands that of the middle passage, disturbed or not.
"""

import argparse
import cProfile
import pstats
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import numpy as np

from bench.judge.latencies import EDGES_MS, as_fast, cells, drawn
from modelrollout.api.spec import Health
from modelrollout.core.decision import Watch
from modelrollout.judge import Latency, Rules, Sample
from modelrollout.ledger import Ledger, Look, Looks, after, rules_of, under

ROLLOUTS, INTERVAL = 1_000, 5.0
OLD = 60
"""Rounds after which a step has gone on for five minutes."""
_TERMS: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("limits alone", {}, 0.005),
    ("compared with stable", {"compare": {}}, 0.005),
    ("compared, one of fifty requests fails", {"compare": {}}, 0.02),
)
"""What is asked of the judge, and the share of requests that fail in both arms: few rounds wait where many do."""
WATCH = Watch(timedelta(seconds=INTERVAL), "canary", "stable", epoch="canary.50.1.judging.ab", shared=True)
PODS = (("canary", 2), ("stable", 4))


def looks(rounds: int, failing: float) -> Iterator[Looks]:
    """One rollout's rounds: every pod answers 33 requests in each, and fails this share of them."""
    draw = np.random.default_rng(1)
    shares = cells(as_fast)
    names = [f"churn-{revision}-{number}" for revision, count in PODS for number in range(count)]
    sums = {name: (0, 0, np.zeros(len(EDGES_MS) + 1)) for name in names}
    for number in range(rounds):
        found = []
        for name in names:
            requests, errors, buckets = sums[name]
            buckets = buckets + drawn(np.array([33]), shares, draw)[0]
            sums[name] = (requests + 33, errors + int(draw.binomial(33, failing)), buckets)
            latency = Latency(EDGES_MS, tuple(int(count) for count in buckets))
            sample = Sample(name, f"{name}:1", sums[name][0], sums[name][1], 0, latency)
            found.append(Look(name, name.split("-")[1], sample))
        yield Looks(number * INTERVAL, tuple(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400, help="of a step")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    asked = parser.parse_args()
    steps = {name: Step.of(compare, tuple(looks(asked.rounds, failing))) for name, compare, failing in _TERMS}
    times: dict[str, list[list[float]]] = {name: [] for name in steps}
    for _ in range(asked.repeats):
        for name, step in steps.items():
            times[name].append(step.judged())
    for name, passages in times.items():
        least = [min(one) for one in zip(*passages, strict=True)]
        middle = sorted(passages, key=sum)[asked.repeats // 2]
        print(f"{name}: {_said(least)}; after five minutes {_said(least[OLD:])}")
        print(f"  middle one of {asked.repeats} passages: {_said(middle)}; after five minutes {_said(middle[OLD:])}")
        if asked.profile:
            with cProfile.Profile() as profile:
                steps[name].judged()
            pstats.Stats(profile).sort_stats("tottime").print_stats(12)


@dataclass(frozen=True, slots=True)
class Step:
    """A rollout's step, as it is scraped."""

    rules: Rules
    rounds: tuple[Looks, ...]

    @classmethod
    def of(cls, compare: dict[str, Any], rounds: tuple[Looks, ...]) -> Self:
        return cls(rules_of(Health.model_validate({"interval": "5s"} | compare), WATCH), rounds)

    def judged(self) -> list[float]:
        """Seconds of CPU that each round takes."""
        ledger, times = under(Ledger(), WATCH), []
        for seen in self.rounds:
            begun = time.process_time()
            ledger = after(ledger, seen, WATCH, self.rules)
            times.append(time.process_time() - begun)
        return times


def _said(times: Sequence[float]) -> str:
    seconds = statistics.fmean(times)
    return f"{seconds * 1e6:.0f} us a round, {seconds * ROLLOUTS / INTERVAL:.1%} of a core"


if __name__ == "__main__":
    main()
