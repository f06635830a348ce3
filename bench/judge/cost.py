"""What the judge costs an operator with 1,000 rollouts under way: `python -m bench.judge.cost`.

Each rollout has 2 canary pods and 4 of stable, 40 requests/s, a round every 5 s. The time is that of this process's
CPU, from scraped counters to the ledger that the decision reads, with everything that is packed for the status. Rounds
are timed in blocks of two minutes of a rollout; beside the median stands the least block, which is what it takes when
nobody else uses the machine's caches.
"""

import argparse
import cProfile
import pstats
import statistics
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np

from bench.judge.latencies import EDGES_MS, as_fast, cells, drawn
from modelrollout.api.spec import Health
from modelrollout.core.decision import Watch
from modelrollout.judge import Latency, Sample
from modelrollout.ledger import Ledger, Look, Looks, after, rules_of, under

ROLLOUTS, INTERVAL = 1_000, 5.0
BLOCK = 24
_TERMS: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("limits alone", {}, 0.005),
    ("compared with stable", {"compare": {}}, 0.005),
    ("compared, one of fifty requests fails", {"compare": {}}, 0.02),
)
"""What is asked of the judge, and the share of requests that fail in both arms: few rounds wait where many do."""
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
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    asked = parser.parse_args()
    for name, compare, failing in _TERMS:
        health = Health.model_validate({"interval": "5s"} | compare)
        watch = Watch(timedelta(seconds=INTERVAL), "canary", "stable", epoch="canary.50.1.judging.ab", shared=True)
        rounds = list(looks(asked.rounds, failing))
        profile = cProfile.Profile() if asked.profile else None
        ledger, rules = under(Ledger(), watch), rules_of(health, watch)
        blocks = []
        if profile is not None:
            profile.enable()
        for first in range(0, len(rounds), BLOCK):
            begun = time.process_time()
            for seen in rounds[first : first + BLOCK]:
                ledger = after(ledger, seen, watch, rules)
            blocks.append((time.process_time() - begun) / len(rounds[first : first + BLOCK]))
        if profile is not None:
            profile.disable()
        print(f"{name}: median {_said(statistics.median(blocks))}, least {_said(min(blocks[1:] or blocks))}")
        if profile is not None:
            pstats.Stats(profile).sort_stats("tottime").print_stats(12)


def _said(seconds: float) -> str:
    core = seconds * ROLLOUTS / INTERVAL
    return f"{seconds * 1e6:.0f} us a round, {core:.1%} of a core for {ROLLOUTS:,} rollouts every {INTERVAL:g} s"


if __name__ == "__main__":
    main()
