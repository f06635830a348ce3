"""Whole rollouts whose numbers are kept in golden/: so that a faster judge is still the same judge.

`PYTHONPATH=operator:tests python -m judge.recorded` writes the files anew; a difference is then a change of the judge.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from judge.rounds import rules_of

from modelrollout import judge

FOLDER = Path(__file__).parent / "golden"
GROWN = tuple(float(f"{0.05 * 1.1**i:.6g}") for i in range(153))
WITH_OWN_LIMIT = tuple(sorted({*GROWN, 27.0}))
SHOWN_EVERY = 12


@dataclass(frozen=True)
class Story:
    """A rollout of two canary pods and four of stable, in three steps."""

    name: str
    seed: int
    errors: float = 0.01
    refusals: float = 0.0
    slower: float = 1.0
    edges: tuple[float, ...] = GROWN
    predicts: float | None = None
    """Mean of the canary's predictions; its baseline's is .5. None for a model without a baseline."""
    bad_pod: bool = False
    """Whether only the first canary pod is bad."""


STORIES = (
    Story("healthy", 1),
    Story("fails twice as often", 2, errors=0.04),
    Story("slower, other edges", 3, slower=1.3, edges=WITH_OWN_LIMIT),
    Story("refuses", 4, refusals=0.1),
    Story("drifts", 5, predicts=0.75),
    Story("one bad pod", 6, errors=0.1, bad_pod=True),
)
_OWN_EDGES = (0.2, 0.4, 0.6, 0.8)


class Server:
    """One process with its counters."""

    def __init__(self, pod: str, story: Story, draw: random.Random, *, bad: bool) -> None:
        self._pod, self._story, self._draw, self._bad = pod, story, draw, bad
        self._edges = story.edges if pod.startswith("churn-c") else GROWN
        self.started(1)

    def started(self, number: int) -> None:
        self._instance = f"{self._pod}:{number}"
        self._counts = [0, 0, 0]
        self._buckets = [0] * (len(self._edges) + 1)
        self._predicted: list[float] = []

    def serves(self, requests: int) -> None:
        story, draw = self._story, self._draw
        errors, refusals, slower = (story.errors, story.refusals, story.slower) if self._bad else (0.01, 0.0, 1.0)
        for _ in range(requests):
            self._counts[0] += 1
            luck = draw.random()
            self._counts[1] += luck < errors
            self._counts[2] += errors <= luck < errors + refusals
            took = 20.0 * draw.lognormvariate(0.0, 0.5) * slower
            self._buckets[sum(edge < took for edge in self._edges)] += 1
            if story.predicts is not None and self._bad:
                self._predicted.append(min(1.0, max(0.0, draw.gauss(story.predicts, 0.2))))

    def sample(self) -> judge.Sample:
        requests, errors, refusals = self._counts
        latency = judge.Latency(self._edges, tuple(self._buckets))
        known = judge.Sample(self._pod, self._instance, requests, errors, refusals, latency)
        if self._story.predicts is None or not self._pod.startswith("churn-c"):
            return known
        values, counts = self._predicted, [0] * (len(_OWN_EDGES) + 1)
        for value in values:
            counts[sum(edge < value for edge in _OWN_EDGES)] += 1
        sums = len(values), sum(values), sum(value * value for value in values)
        baseline = judge.Baseline(2_000, 0.5, 0.2, _OWN_EDGES, (134, 483, 766, 483, 134))
        return replace(known, predictions=judge.Predictions(*sums, _OWN_EDGES, tuple(counts)), baseline=baseline)


def rounds(story: Story) -> Iterator[judge.Round]:
    """A round every 5 s. A process is started anew once, and one scrape of stable fails."""
    draw = random.Random(story.seed)  # noqa: S311  # for a story
    canary = [Server(f"churn-c{i}", story, draw, bad=i == 0 or not story.bad_pod) for i in range(2)]
    stable = [Server(f"churn-s{i}", story, draw, bad=False) for i in range(4)]
    for one in stable:
        one.serves(150)
    for number in range(36):
        for one in canary:
            one.serves(5 + number)
        for one in stable:
            one.serves(40 - number // 2)
        if number == 20:
            canary[1].started(2)
        seen = tuple(one.sample() for one in stable)
        yield judge.Round(tuple(one.sample() for one in canary), seen[1:] if number == 9 else seen)


def told(story: Story) -> list[dict[str, Any]]:
    """What the judge says every minute."""
    rules = rules_of({"compare": {}})
    evidence, origins = judge.fresh(), judge.Origins()
    found: list[dict[str, Any]] = []
    for number, seen in enumerate(rounds(story), start=1):
        if number in {13, 25}:
            evidence = judge.onward(evidence, is_new_step=True)
        evidence, origins = judge.observe(evidence, origins, seen, rules)
        if number % SHOWN_EVERY == 0:
            shown = judge.report(evidence, rules)
            verdict = judge.verdict(evidence, rules)
            only = evidence.trial.only_pod if evidence.trial is not None else ""
            numbers = asdict(shown) if shown is not None else None
            found.append({"verdict": asdict(verdict), "report": numbers, "only_pod": only})
    kept: list[dict[str, Any]] = json.loads(json.dumps(found))
    return kept


def file_of(story: Story) -> Path:
    return FOLDER / f"{story.name.replace(' ', '-').replace(',', '')}.json"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for story in STORIES:
        file_of(story).write_text(json.dumps(told(story), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
