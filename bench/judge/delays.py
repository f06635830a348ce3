"""What it delays that rounds wait: `python -m bench.judge.delays`.

The same rollouts, 2 canary pods and 4 of stable, are judged as an operator does and round by round, until the candidate
is taken back or may pass. Told are the requests of both arms, in the median, and the mean and most of their quotient.
"""

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace

import numpy as np

from bench.judge.cost import REVISIONS, WATCH
from bench.judge.latencies import EDGES_MS, Above, as_fast, cells, slowed, top_decile_doubled
from modelrollout.api.spec import Health
from modelrollout.judge import Latency, Rules, Sample
from modelrollout.judge.waiting import Waiting
from modelrollout.ledger import Ledger, Look, Looks, after, rules_of, under

LONGEST = 3_000
"""Rounds."""


@dataclass(frozen=True, slots=True)
class World:
    """Servers that are healthy for so many rounds, then the canary is like `then`."""

    name: str
    good: int = LONGEST
    then: Above = as_fast
    failing: float = 0.004

    def rounds(self, seed: int, requests: int) -> Iterator[Looks]:
        """Every pod answers so many requests in each, in the mean."""
        draw, pods = np.random.default_rng(seed), len(REVISIONS)
        sums, buckets = np.zeros((pods, 2), dtype=int), np.zeros((pods, len(EDGES_MS) + 1), dtype=int)
        healthy, bad = cells(as_fast), cells(self.then)
        for number in range(LONGEST):
            new = draw.poisson(requests, pods)
            sums += np.stack((new, draw.binomial(new, self.failing)), axis=-1)
            for at, revision in enumerate(REVISIONS):
                is_bad = revision == WATCH.candidate and number >= self.good
                buckets[at] += draw.multinomial(new[at], bad if is_bad else healthy)
            found = zip(REVISIONS, sums.tolist(), buckets.tolist(), strict=True)
            yield Looks(5.0 * number, tuple(_look(at, *one) for at, one in enumerate(found)))


def _look(at: int, revision: str, sums: list[int], buckets: list[int]) -> Look:
    name = f"churn-{revision}-{at}"
    return Look(name, revision, Sample(name, f"{name}:1", sums[0], sums[1], 0, Latency(EDGES_MS, tuple(buckets))))


WORLDS = (
    World("1.2 times slower from the beginning", good=0, then=slowed(1.2)),
    World("1.2 times slower after 60 rounds", good=60, then=slowed(1.2)),
    World("top decile doubled after 60 rounds", good=60, then=top_decile_doubled),
    World("healthy: until it may pass"),
)


@dataclass(frozen=True, slots=True)
class Needed:
    """Requests of both arms since the fault, or the beginning, until there is a verdict."""

    waiting: int
    at_once: int

    @property
    def times(self) -> float:
        return self.waiting / max(1, self.at_once)


def needed(world: World, seed: int, requests: int, rules: Rules) -> Needed:
    """As it waits, and round by round."""
    found = [_until_verdict(world, world.rounds(seed, requests), rules, waits=waits) for waits in (True, False)]
    return Needed(*found)


def _until_verdict(world: World, rounds: Iterator[Looks], rules: Rules, *, waits: bool) -> int:
    ledger, counted, before = under(Ledger(), WATCH), 0, 0
    for number, looks in enumerate(rounds):
        if number == world.good:
            before = counted
        if not waits:
            ledger = replace(ledger, case=replace(ledger.case, waiting=Waiting()))
        ledger = after(ledger, looks, WATCH, rules)
        counted, found = sum(look.sample.requests for look in looks.pods if look.sample is not None), ledger.verdict
        passes = world.then is as_fast and found.enough and not found.unproven and not found.doubt
        if passes or (number >= world.good and found.candidate is not None):
            break
    return counted - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=20)
    asked = parser.parse_args()
    rules = rules_of(Health.model_validate({"interval": "5s", "compare": {}}), WATCH)
    print("| what happens | requests a scrape | needed as it waits | round by round | times as many: mean, most |")
    print("| --- | --- | --- | --- | --- |")
    for world in WORLDS:
        for requests in (8, 33, 300):
            found = [needed(world, seed, requests, rules) for seed in range(asked.rollouts)]
            waiting, at_once = (statistics.median(side) for side in zip(*map(astuple, found), strict=True))
            times = [one.times for one in found]
            cells_shown = (world.name, requests * len(REVISIONS), f"{waiting:,.0f}", f"{at_once:,.0f}")
            print(
                "|",
                " | ".join(map(str, cells_shown)),
                f"| {statistics.fmean(times):.2f}, {max(times):.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
