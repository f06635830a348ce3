"""One round of a fault: a candidate at half of the requests begins to fail, and how long that is felt.

The fault begins at a definite moment without any hook in the server: from then on clients send rows that the
candidate's model fails on and stable's does not.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from modelrollout.traffic.load import Load, Shape
from modelrollout.traffic.records import Kind, Record
from modelrollout.traffic.summary import BadSpan, bad_per_connection, bad_span, losses
from stage.endpoints import Samples, sampled
from stage.kube import Object
from stage.models import COARSE, rows_that, uri
from stage.rollout import Rollout, is_true, of

PODS = 2
LOADS_SLOWLY = "slow-load-"
"""Example models that take 20 s to load."""
SHAPE = Shape(rate=100, kept=20, fresh_share=0.2)
MOVED = 50
"""Answers of the candidate on kept connections, which stay with stable until they are old (15-45 s)."""
AFTERMATH_SECONDS = 5.0
"""For so long requests are still watched after the last candidate pod is gone."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one fault cost."""

    fresh: BadSpan | None
    kept: BadSpan | None
    requests: int
    """From the first bad answer to the end of the round."""
    failed: int
    lost: Sequence[Record]
    """Requests that ended badly for another reason than the model."""
    most_after_sigterm: int
    """Most bad answers that one kept connection got after its pod was told to end."""
    endpoints: tuple[int, ...]
    """Numbers of stable's ready endpoints that were seen, ascending; (2,) says that it always had both."""
    samples: int


def first_spec() -> Object:
    """The stable of all rounds: two pods that load for 20 s, a look every second, and a step at one half."""
    return {
        "replicas": PODS,
        "model": {"uri": uri(f"{LOADS_SLOWLY}v1"), "version": "1.0.0"},
        "server": {"resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}},
        "strategy": {"canary": {"steps": [{"weight": 50, "pause": {}}]}},
        "health": {"interval": "1s"},
    }


async def one_round(churn: Rollout, load: Load, number: int) -> Round:
    """Bring a candidate to one half, break it, and measure until everything is as before.

    `load` runs already and sends rows that nobody fails on.
    """
    await churn.change({"model": {"uri": uri(f"{LOADS_SLOWLY}{COARSE}"), "version": f"2.0.{number}"}})
    obj = await churn.until("the candidate has half of the requests", _waits_at_half)
    stable, candidate = obj["status"]["stable"]["revision"], obj["status"]["candidate"]["revision"]
    await churn.until("kept connections have come to the candidate", lambda _: _kept_answers(load, candidate) >= MOVED)
    begun = load.now()
    first = len(load.records)
    async with sampled(churn) as samples:
        load.rows.use(rows_that(fail=True))
        await churn.until("the rollout is taken back", lambda one: is_true(one, "Stalled"))
        await churn.until_pods("the candidate's pods are gone", lambda pods: not of(candidate, pods))
        ended = time.monotonic() + AFTERMATH_SECONDS
        await churn.until("the aftermath is over", lambda _: time.monotonic() > ended)
    load.rows.use(rows_that(fail=False))
    return _measured(load.records[first:], samples, stable, (candidate, begun))


def _kept_answers(load: Load, candidate: str) -> int:
    return sum(not one.fresh and one.revision == candidate for one in load.records)


def _waits_at_half(obj: Object) -> bool:
    one = obj["status"].get("candidate") or {}
    return (one.get("weight"), one.get("stage")) == (50, "Paused")


def _measured(records: Sequence[Record], samples: Samples, stable: str, candidate: tuple[str, float]) -> Round:
    revision, begun = candidate
    since = [one for one in records if one.due >= begun]
    kept = [one for one in since if not one.fresh]
    told = next((one.time for one in samples.all if one.ending.get(revision)), None)
    after = bad_per_connection(kept, told) if told is not None else {}
    return Round(
        fresh=bad_span(one for one in since if one.fresh),
        kept=bad_span(kept),
        requests=len(since),
        failed=sum(one.kind is Kind.EXPECTED for one in since),
        lost=losses(since),
        most_after_sigterm=max(after.values(), default=0),
        endpoints=tuple(sorted({one.behind.get(stable, 0) for one in samples.all})),
        samples=len(samples.all),
    )
