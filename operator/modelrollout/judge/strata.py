"""One round as a stratum: what each arm counted since the round before, and nothing about earlier ones.

The same value comes from scrapes, from a log of strata that is replayed, and from a simulation.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import add, sub

from modelrollout.judge.drift import merged
from modelrollout.judge.samples import NO_PREDICTIONS, Baseline, Predictions, Sample


@dataclass(frozen=True, slots=True)
class Counted:
    """What one pod, or one arm, counted in one round."""

    requests: int = 0
    errors: int = 0
    refusals: int = 0
    latency: tuple[int, ...] = ()
    """Timed requests per bucket; empty where the buckets are not those of the stratum."""
    predictions: Predictions = NO_PREDICTIONS


NOTHING_COUNTED = Counted()


@dataclass(frozen=True, slots=True)
class Stratified:
    """One round of both arms, by pod."""

    canary: Mapping[str, Counted] = field(default_factory=dict)
    stable: Mapping[str, Counted] = field(default_factory=dict)
    edges_ms: tuple[float, ...] = ()
    baseline: Baseline | None = None
    """The candidate's own, where its artefact carries one."""
    before: tuple[int, ...] = ()
    """Requests per bucket that stable's processes have counted since they started."""


Pairs = Iterable[tuple[Sample, Sample]]
"""The same process at two scrapes in a row, the older one first; never an origin."""


def stratified(canary: Pairs, stable: Pairs) -> Stratified:
    """The stratum of one round."""
    known = list(stable)
    edges = known[0][1].latency.edges_ms if known else ()
    candidates = list(canary)
    return Stratified(
        canary=_by_pod(candidates, edges),
        stable=_by_pod(known, edges),
        edges_ms=edges,
        baseline=next((new.baseline for _, new in candidates if new.baseline is not None), None),
        before=_added(old.latency.counts for old, _ in known if old.latency.edges_ms == edges),
    )


def together(pods: Iterable[Counted]) -> Counted:
    """The sum of some pods."""
    counted = list(pods)
    if len(counted) == 1:
        return counted[0]
    predictions = NO_PREDICTIONS
    for one in counted:
        predictions = merged(predictions, one.predictions)
    return Counted(
        requests=sum(one.requests for one in counted),
        errors=sum(one.errors for one in counted),
        refusals=sum(one.refusals for one in counted),
        latency=_added(one.latency for one in counted if one.latency),
        predictions=predictions,
    )


def _by_pod(pairs: Pairs, edges: tuple[float, ...]) -> Mapping[str, Counted]:
    return {new.pod: _difference(old, new, edges) for old, new in pairs}


def _difference(old: Sample, new: Sample, edges: tuple[float, ...]) -> Counted:
    errors, refusals = new.errors - old.errors, new.refusals - old.refusals
    return Counted(
        requests=max(new.requests - old.requests, errors + refusals),
        errors=errors,
        refusals=refusals,
        latency=rebinned(tuple(map(sub, new.latency.counts, old.latency.counts)), new.latency.edges_ms, edges),
        predictions=_predicted(old.predictions, new.predictions),
    )


def rebinned(counts: tuple[int, ...], own: tuple[float, ...], edges: tuple[float, ...]) -> tuple[int, ...]:
    """Counts on one set of edges as counts on another: a new model may come with other limits, which are edges.

    A bucket goes where it begins, so an edge that a pod lacks can only make it look faster.
    """
    if own == edges or not edges:
        return counts if edges else ()
    found = [0] * (len(edges) + 1)
    for count, bucket in zip(counts, _places(own, edges), strict=True):
        found[bucket] += count
    return tuple(found)


@lru_cache(maxsize=1024)
def _places(own: tuple[float, ...], edges: tuple[float, ...]) -> tuple[int, ...]:
    return (0, *(bisect_right(edges, begins) for begins in own))


def _predicted(old: Predictions, new: Predictions) -> Predictions:
    if new is NO_PREDICTIONS or new.count < old.count or new.edges != old.edges:
        return NO_PREDICTIONS
    return replace(
        new,
        count=new.count - old.count,
        total=new.total - old.total,
        squares=new.squares - old.squares,
        counts=tuple(map(sub, new.counts, old.counts)),
    )


def _added(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    known = list(rows)
    if not known:
        return ()
    total, *others = known
    for one in others:
        total = tuple(map(add, total, one))
    return total
