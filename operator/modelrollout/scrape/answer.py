"""What a pod's /health has to say before anybody believes it, and how it becomes a `Sample`.

A pod runs somebody else's code. What does not parse, contradicts itself, is beyond what any server can have counted, or
comes from another pod than the one that was asked (addresses are used again) is a failed scrape with a reason, never an
exception. The bounds hold through every later sum: over pods and rounds no count leaves the whole numbers of a float.
"""

import asyncio
from functools import lru_cache
from itertools import pairwise
from typing import Annotated

from msgspec import DecodeError, Meta, Struct, ValidationError
from msgspec.json import Decoder

from modelrollout.judge.samples import NO_PREDICTIONS, Baseline, Latency, Predictions, Sample
from modelrollout.ledger import Failure
from modelrollout.printable import printable
from modelrollout.scrape.target import Target

BODY_LIMIT = 96 * 2**10
"""Bytes. The longest honest answer, with 512 edges everywhere and every number at its longest, has 50 KB."""
OK = 200
MOST_EDGES = 512
MOST_COUNTED = 2**40
"""Of anything, by one process: 10,000 a second for three years. 8,192 such pods together are 2**53."""
MOST_MS = 1e12
MOST_SECONDS = 1e9
MOST_BYTES = 2**50
LARGEST = 1e100
"""Of a prediction, so that its square is a number, too."""
ROUNDING = 1e-3
"""Of a sum of a million million numbers."""
REASON_LENGTH = 200

Count = Annotated[int, Meta(ge=0, le=MOST_COUNTED)]
Edge = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Milliseconds = Annotated[float, Meta(ge=0, le=MOST_MS)]
Counts = Annotated[tuple[Count, ...], Meta(max_length=MOST_EDGES + 1)]
Edges = Annotated[tuple[Edge, ...], Meta(max_length=MOST_EDGES)]


def _ascends(edges: tuple[float, ...]) -> bool:
    return all(one < other for one, other in pairwise(edges))


def _check_buckets(edges: tuple[float, ...], counts: tuple[int, ...]) -> None:
    if edges and counts and len(counts) != len(edges) + 1:
        raise ValueError("counts has to be one longer than edges")
    if not edges and counts:
        raise ValueError("counts needs edges")
    if not _ascends(edges):
        raise ValueError("edges has to ascend")


class Buckets(Struct, frozen=True):
    edges_ms: Annotated[tuple[Milliseconds, ...], Meta(max_length=MOST_EDGES)]
    counts: Counts

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.edges_ms) + 1:
            raise ValueError("counts has to be one longer than edges_ms")
        if not _ascends(self.edges_ms):
            raise ValueError("edges_ms has to ascend")


class Predicted(Struct, frozen=True):
    """Values on edges; both lists are empty where no edges are known."""

    count: Count = 0
    sum: float | None = 0.0
    sum_squares: float | None = 0.0
    """May be beyond counting for huge predictions (null), which is no reason not to hear what else a pod says."""
    edges: Edges = ()
    counts: Counts = ()

    def __post_init__(self) -> None:
        _check_buckets(self.edges, self.counts)
        if sum(self.counts) > self.count:
            raise ValueError(f"counts has {sum(self.counts)} predictions, and count is {self.count}")
        _check_squares(self)


def _check_squares(seen: "Predicted") -> None:
    """The mean of squares is never less than the square of the mean, but for rounding."""
    total, squares = seen.sum, seen.sum_squares
    if total is None or squares is None or max(abs(total), abs(squares)) > LARGEST:
        return
    if squares < 0 or (not seen.count and (total or squares)):
        raise ValueError(f"no {seen.count} predictions have the sum {total:g} and the sum of squares {squares:g}")
    if total * total > squares * seen.count * (1 + ROUNDING):
        raise ValueError(f"no {seen.count} predictions have the sum {total:g} and the sum of squares {squares:g}")


class Own(Struct, frozen=True):
    """The baseline of predictions that the model's artefact carries."""

    count: Count
    mean: Edge
    sd: Annotated[float, Meta(ge=0, le=LARGEST)]
    edges: Edges = ()
    counts: Counts = ()

    def __post_init__(self) -> None:
        _check_buckets(self.edges, self.counts)


class Counters(Struct, frozen=True):
    requests: Count
    errors: Count
    refusals: Count
    latency: Buckets
    predictions: Predicted = Predicted()

    def __post_init__(self) -> None:
        failures, timed = self.errors + self.refusals, sum(self.latency.counts)
        if failures > self.requests:
            raise ValueError(f"{failures} errors and refusals are more than {self.requests} requests")
        if timed > self.requests:
            raise ValueError(f"latency.counts has {timed} requests, and requests is {self.requests}")


class Health(Struct, frozen=True):
    """Only what is used; the rest of /health is for people."""

    instance: Annotated[str, Meta(min_length=1, max_length=256)]
    pod_uid: Annotated[str, Meta(max_length=256)]
    counters: Counters
    oldest_inflight_s: Annotated[float, Meta(ge=0, le=MOST_SECONDS)] = 0.0
    memory_bytes: Annotated[float, Meta(ge=0, le=MOST_BYTES)] | None = None
    cpu_seconds: Annotated[float, Meta(ge=0, le=MOST_SECONDS)] | None = None
    baseline: Own | None = None


_DECODER = Decoder(Health)


class Reader:
    """Reads one answer in a turn of the event loop, so that hundreds of long ones hold nothing else up."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def read(self, body: bytes, target: Target) -> Sample | Failure:
        """The sample in an answer, or why there is none in it."""
        async with self._turn:
            found = read(body, target)
            await asyncio.sleep(0)
        return found


def read(body: bytes, target: Target) -> Sample | Failure:
    """The sample in an answer, or why there is none in it."""
    try:
        health = _DECODER.decode(body)
    except RecursionError:
        return unlike("it is nested too deeply")
    except (DecodeError, UnicodeDecodeError) as error:
        return unlike(_words(error))
    if health.pod_uid != target.uid:
        return Failure(
            f"the answer is from another pod (uid {printable(health.pod_uid)[:64] or 'missing'})", heard=True
        )
    counters = health.counters
    return Sample(
        pod=target.name,
        instance=health.instance,
        requests=counters.requests,
        errors=counters.errors,
        refusals=counters.refusals,
        latency=Latency(_shared(counters.latency.edges_ms), counters.latency.counts),
        oldest_inflight_s=health.oldest_inflight_s,
        memory_bytes=int(health.memory_bytes or 0),
        cpu_seconds=health.cpu_seconds or 0.0,
        predictions=_predictions(counters.predictions),
        baseline=_baseline(health.baseline),
    )


def unlike(why: str) -> Failure:
    """Something answered, and not as a serving image does."""
    return Failure(printable(why)[:REASON_LENGTH], heard=True)


def _words(error: Exception) -> str:
    """Where something is wrong, and what: "counters.errors: Expected `int`, got `str`"."""
    if not isinstance(error, ValidationError):
        return f"no JSON: {error}"
    what, _, where = str(error).rpartition(" - at `$.")
    return f"{where.rstrip('`')}: {what}" if what else str(error)


@lru_cache(maxsize=256)
def _shared(edges: tuple[float, ...]) -> tuple[float, ...]:
    """The same edges as one object: all pods of an image have them, and the judge compares them in each round."""
    return edges


def _predictions(seen: Predicted) -> Predictions:
    total, squares = seen.sum, seen.sum_squares
    if not seen.count or total is None or squares is None or max(abs(total), abs(squares)) > LARGEST:
        return NO_PREDICTIONS
    return Predictions(seen.count, total, squares, seen.edges, seen.counts)


def _baseline(own: Own | None) -> Baseline | None:
    return Baseline(own.count, own.mean, own.sd, own.edges, own.counts) if own is not None else None
