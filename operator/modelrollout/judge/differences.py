"""How two scrapes of one process become one: everything the judge sees is a difference of counters.

A process that was not seen in the round before has nothing to be compared with: its counters are an origin and count
nothing. So are counters that fell (a restart under the same name) and buckets that changed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import sub
from struct import Struct

import numpy as np

from modelrollout.judge.samples import NO_PREDICTIONS, Predictions, Round, Sample
from modelrollout.judge.strata import NO_BUCKETS, ArmStratum, Buckets, Edges, alike, columns

Process = tuple[str, str]
"""Pod and instance."""
_SUMS = 3
"""Counters in a row before its buckets: requests, errors and refusals."""


@dataclass(frozen=True, slots=True)
class Origins:
    """The last round's counters. Only kept in memory: after a restart every process is an origin."""

    samples: Mapping[Process, Sample] = field(default_factory=dict)
    table: Buckets | None = field(default=None, compare=False)
    """A row for each: requests, errors, refusals, then requests per bucket. None where they have different edges."""
    edges: Edges = field(default=(), compare=False)
    """Those of all of them, where there is a table."""
    since: Mapping[Process, float] = field(default_factory=dict, compare=False)
    """When each was first scraped, in seconds of the monotonic clock: after a restart of the operator all are young."""
    at: float | None = None
    """When the last round was."""

    def row(self, process: Process) -> Buckets:
        """The same of one process."""
        found: Buckets = _table([self.samples[process]])[0]
        return found


def origins_of(samples: Iterable[Sample]) -> Origins:
    """What the next round is compared with."""
    found = {(one.pod, one.instance): one for one in samples}
    rows = list(found.values())
    edges, width = (rows[0].latency.edges_ms, len(rows[0].latency.counts)) if rows else ((), 0)
    for one in rows:
        if len(one.latency.counts) != width or not alike(one.latency.edges_ms, edges):
            return Origins(found)
    return Origins(found, _table(rows), edges)


def aged(now: Origins, before: Origins, at: float | None) -> Origins:
    """With the times at which processes came."""
    if at is None:
        return now
    return replace(now, since={key: before.since.get(key, at) for key in now.samples}, at=at)


def _table(samples: Sequence[Sample]) -> Buckets:
    """The counters as an array, by way of their bytes: half of the time of telling numpy one after the other."""
    width = _SUMS + len(samples[0].latency.counts) if samples else 0
    pack = _words(width).pack
    packed = [pack(one.requests, one.errors, one.refusals, *one.latency.counts) for one in samples]
    return np.frombuffer(b"".join(packed), np.int64).reshape(len(samples), width)


@lru_cache(maxsize=64)
def _words(count: int) -> Struct:
    return Struct(f"={count}q")


def strata(seen: Round, before: Origins, now: Origins) -> tuple[ArmStratum, ArmStratum]:
    """What the processes of canary and stable counted between two rounds; origins are left out."""
    moved, first = _moved_at_once(before, now), len(seen.candidate)
    if moved is None or len(moved) != first + len(seen.stable):
        return arm_stratum(seen.candidate, before, now), arm_stratum(seen.stable, before, now)
    keys = list(now.samples)  # most rounds: nothing came and nothing went
    arms = Grown(keys[:first], now.edges, moved[:first]), Grown(keys[first:], now.edges, moved[first:])
    return _stratum(arms[0], before, now), _stratum(arms[1], before, now)


def _moved_at_once(before: Origins, now: Origins) -> Buckets | None:
    """What all rows have grown by, where they are those of the same processes with the same edges."""
    then, later = before.table, now.table
    if then is None or later is None or then.shape != later.shape or not alike(before.edges, now.edges):
        return None
    if list(before.samples) != list(now.samples):
        return None
    moved: Buckets = later - then
    return moved


def arm_stratum(arm: Iterable[Sample], before: Origins, now: Origins) -> ArmStratum:
    """The same of one arm."""
    keys = _known(arm, before, now)
    edges = _edges(keys, now)
    return _stratum(Grown(keys, edges, _moved(keys, before, now, edges)), before, now)


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """The processes of one arm, and what their rows have grown by."""

    keys: list[Process]
    edges: Edges
    moved: Buckets


def _known(arm: Iterable[Sample], before: Origins, now: Origins) -> list[Process]:
    """The processes whose counters can follow on those of the round before, as far as their shape tells."""
    keys = [(one.pod, one.instance) for one in arm]
    return [key for key in keys if key in before.samples and _follows(before.samples[key], now.samples[key])]


def _edges(keys: Iterable[Process], now: Origins) -> Edges:
    """The edges that an arm is compared at: those of its first process that has any."""
    return next((edges for key in keys if (edges := now.samples[key].latency.edges_ms)), ())


def _stratum(arm: Grown, before: Origins, now: Origins) -> ArmStratum:
    keys, moved = arm.keys, arm.moved
    if moved.size and moved.item(moved.argmin()) < 0:  # a counter fell: the process is an origin
        kept = np.flatnonzero(moved.min(axis=1) >= 0).tolist()
        keys, moved = [keys[at] for at in kept], moved[kept]
    if not keys:
        return ArmStratum()
    return ArmStratum(
        pods=tuple([pod for pod, _ in keys]),
        counts=tuple([_consistent(*sums) for sums in moved[:, :_SUMS].tolist()]),
        edges_ms=arm.edges,
        upto=moved[:, _SUMS:].cumsum(axis=1),
        ages=tuple([now.at - now.since[key] if now.at is not None and key in now.since else math.inf for key in keys]),
        predictions=tuple([_predicted(before.samples[key].predictions, now.samples[key].predictions) for key in keys]),
    )


def served_before(arm: Iterable[Sample], before: Origins, edges: Edges) -> Buckets:
    """Requests up to each edge that the processes which follow on had counted until the round before."""
    keys = [key for one in arm if (key := (one.pod, one.instance)) in before.samples]
    rows = [before.row(key)[_SUMS:] for key in keys if alike(before.samples[key].latency.edges_ms, edges)]
    return np.array(rows).sum(axis=0).cumsum() if rows else NO_BUCKETS


def _follows(old: Sample, new: Sample) -> bool:
    return alike(old.latency.edges_ms, new.latency.edges_ms) and len(old.latency.counts) == len(new.latency.counts)


def _moved(keys: Sequence[Process], before: Origins, now: Origins, edges: Edges) -> Buckets:
    """What rows have grown by, with buckets at these edges; some below 0 where a counter fell."""
    own = [now.samples[key].latency.edges_ms for key in keys]
    later, earlier = [now.row(key) for key in keys], [before.row(key) for key in keys]
    if all(alike(one, edges) for one in own) and len(set(map(len, later))) <= 1:
        moved: Buckets = np.array(later) - np.array(earlier)
        return moved
    return np.array([_at(edges, *one) for one in zip(own, map(sub, later, earlier), strict=True)])


def _at(edges: Edges, own: Edges, moved: Buckets) -> Buckets:
    """A row with the buckets at these edges, of a process that has others."""
    sums, buckets = moved[:_SUMS], moved[_SUMS:]
    if buckets.size and buckets.min() < 0:
        return np.concatenate((sums, np.full(len(edges) + 1, -1)))
    if not own or not edges:
        return np.concatenate((sums, np.zeros(len(edges), dtype=np.int64), [buckets.sum()]))
    return np.concatenate((sums, np.diff(buckets.cumsum()[list(columns(own, edges))], prepend=0)))


def _consistent(requests: int, errors: int, refusals: int) -> tuple[int, int, int]:
    """A scrape can fall between two counters of one request, so there are at least as many requests as failures."""
    return (max(requests, errors + refusals), errors, refusals)


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
