"""What a pod's /health has to say before anybody believes it, and how it becomes a `Sample`.

A pod runs somebody else's code. What does not parse, contradicts itself, or comes from another pod than the one that
was asked (addresses are used again) is a failed scrape with a reason, never an exception.
"""

import math
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from modelrollout.judge.samples import NO_PREDICTIONS, Baseline, Latency, Predictions, Sample
from modelrollout.scrape.target import Target

BODY_LIMIT = 2**20
MOST_EDGES = 512

Count = Annotated[int, Field(ge=0, lt=2**63)]
Finite = Annotated[float, Field(ge=0, allow_inf_nan=False)]


Number = Annotated[float, Field(allow_inf_nan=False)]


class Answered(BaseModel):
    """Only what is used; the rest of /health is for people."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Buckets(Answered):
    edges_ms: Annotated[list[Finite], Field(max_length=MOST_EDGES)]
    counts: Annotated[list[Count], Field(max_length=MOST_EDGES + 1)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.counts) != len(self.edges_ms) + 1:
            raise ValueError("counts has to be one longer than edges_ms")
        if any(one >= other for one, other in pairwise(self.edges_ms)):
            raise ValueError("edges_ms has to ascend")
        return self


def _check_buckets(edges: list[float], counts: list[int]) -> None:
    if edges and counts and len(counts) != len(edges) + 1:
        raise ValueError("counts has to be one longer than edges")
    if any(one >= other for one, other in pairwise(edges)):
        raise ValueError("edges has to ascend")


class Bucketed(Answered):
    """Values on edges; both lists are empty where no edges are known."""

    edges: Annotated[list[Number], Field(max_length=MOST_EDGES)] = []
    counts: Annotated[list[Count], Field(max_length=MOST_EDGES + 1)] = []

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_buckets(self.edges, self.counts)
        return self


class Predicted(Bucketed):
    count: Count = 0
    sum: float = 0.0
    sum_squares: float = 0.0
    """May overflow for huge predictions, which is no reason not to hear what else a pod says."""


class Own(Bucketed):
    """The baseline of predictions that the model's artefact carries."""

    count: Count
    mean: Number
    sd: Finite


class Counters(Answered):
    requests: Count
    errors: Count
    refusals: Count
    latency: Buckets
    predictions: Predicted = Predicted()


class Health(Answered):
    instance: Annotated[str, Field(min_length=1, max_length=256)]
    pod_uid: str
    oldest_inflight_s: Finite = 0.0
    memory_bytes: Finite | None = None
    counters: Counters
    baseline: Own | None = None


def read(body: bytes, target: Target) -> Sample | str:
    """The sample in an answer, or why there is none in it."""
    try:
        health = Health.model_validate_json(body)
    except ValidationError as error:
        return f"answered something else than /health: {_first(error)}"
    if health.pod_uid != target.uid:
        return f"the answer is from another pod (uid {health.pod_uid or 'missing'})"
    counters = health.counters
    return Sample(
        pod=target.name,
        instance=health.instance,
        requests=counters.requests,
        errors=counters.errors,
        refusals=counters.refusals,
        latency=Latency(_shared(tuple(counters.latency.edges_ms)), tuple(counters.latency.counts)),
        oldest_inflight_s=health.oldest_inflight_s,
        memory_bytes=int(health.memory_bytes or 0),
        predictions=_predictions(counters.predictions),
        baseline=_baseline(health.baseline),
    )


@lru_cache(maxsize=256)
def _shared(edges: tuple[float, ...]) -> tuple[float, ...]:
    """The same edges as one object: all pods of an image have them, and the judge compares them in each round."""
    return edges


def _predictions(seen: Predicted) -> Predictions:
    if not seen.count or not math.isfinite(seen.sum) or not math.isfinite(seen.sum_squares):
        return NO_PREDICTIONS
    return Predictions(seen.count, seen.sum, seen.sum_squares, tuple(seen.edges), tuple(seen.counts))


def _baseline(own: Own | None) -> Baseline | None:
    return Baseline(own.count, own.mean, own.sd, tuple(own.edges), tuple(own.counts)) if own is not None else None


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in found["loc"])
    return f"{place}: {found['msg']}" if place else found["msg"]
