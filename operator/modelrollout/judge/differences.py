"""How two scrapes of one process become one: everything the judge sees is a difference of counters.

A process that was not seen in the round before has nothing to be compared with: its counters are an origin and count
nothing. So are counters that fell (a restart under the same name) and buckets that changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import sub
from struct import Struct

import numpy as np

from modelrollout.judge.samples import NO_PREDICTIONS, Predictions, Sample
from modelrollout.judge.strata import NO_BUCKETS, ArmStratum, Buckets, Edges, alike, columns

Process = tuple[str, str]
"""Pod and instance."""


@dataclass(frozen=True, slots=True)
class Origins:
    """The last round's counters. Only kept in memory: after a restart every process is an origin."""

    samples: Mapping[Process, Sample] = field(default_factory=dict)
    rows: Mapping[Process, Buckets] = field(default_factory=dict, compare=False)
    """Their requests per bucket."""


def origins_of(samples: Sequence[Sample]) -> Origins:
    """What the next round is compared with."""
    found = {_key(one): one for one in samples}
    return Origins(found, {key: _row(one.latency.counts) for key, one in found.items()})


def _row(counts: Sequence[int]) -> Buckets:
    """Counts as an array, by way of their bytes: half of the time of telling numpy one after the other."""
    return np.frombuffer(_words(len(counts)).pack(*counts), np.int64)


@lru_cache(maxsize=64)
def _words(count: int) -> Struct:
    return Struct(f"={count}q")


def arm_stratum(arm: Iterable[Sample], before: Origins, now: Origins) -> ArmStratum:
    """What an arm's processes counted between two rounds; origins are left out."""
    keys = [key for new in arm if _follows(before.samples.get(key := _key(new)), new)]
    pairs = [(before.samples[key], now.samples[key]) for key in keys]
    edges = next((new.latency.edges_ms for _, new in pairs if new.latency.edges_ms), ())
    moved = _moved(keys, before, now, edges)
    if moved.size and moved.item(moved.argmin()) < 0:
        kept = np.flatnonzero(moved.min(axis=1) >= 0).tolist()
        pairs, moved = [pairs[at] for at in kept], moved[kept]
    if not pairs:
        return ArmStratum()
    return ArmStratum(
        pods=tuple([new.pod for _, new in pairs]),
        counts=tuple([_counted(old, new) for old, new in pairs]),
        edges_ms=edges,
        upto=moved.cumsum(axis=1),
        predictions=tuple([_predicted(old.predictions, new.predictions) for old, new in pairs]),
    )


def served_before(arm: Iterable[Sample], before: Origins, edges: Edges) -> Buckets:
    """Requests up to each edge that the processes which follow on had counted until the round before."""
    known = ((before.samples.get(_key(one)), before.rows.get(_key(one))) for one in arm)
    rows = [row for old, row in known if old is not None and row is not None and alike(old.latency.edges_ms, edges)]
    return np.array(rows).sum(axis=0).cumsum() if rows else NO_BUCKETS


def _key(sample: Sample) -> Process:
    return (sample.pod, sample.instance)


def _follows(old: Sample | None, new: Sample) -> bool:
    """Whether counters can follow on earlier ones, as far as can be seen without their buckets."""
    if old is None or not alike(old.latency.edges_ms, new.latency.edges_ms):
        return False
    if len(old.latency.counts) != len(new.latency.counts):
        return False
    return new.requests >= old.requests and new.errors >= old.errors and new.refusals >= old.refusals


def _moved(keys: Sequence[Process], before: Origins, now: Origins, edges: Edges) -> Buckets:
    """Requests per bucket at these edges, a row for each process; some below 0 where a bucket fell."""
    buckets = len(edges) + 1
    own = [now.samples[key].latency.edges_ms for key in keys]
    if all(alike(one, edges) for one in own) and all(len(now.rows[key]) == buckets for key in keys):
        moved: Buckets = np.array([now.rows[key] for key in keys]) - np.array([before.rows[key] for key in keys])
        return moved
    rows = (now.rows[key] - before.rows[key] for key in keys)
    return np.array([_at(edges, *one) for one in zip(own, rows, strict=True)])


def _at(edges: Edges, own: Edges, moved: Buckets) -> Buckets:
    """Requests per bucket of a process that has other edges."""
    if moved.size and moved.min() < 0:
        return np.full(len(edges) + 1, -1)
    if not own or not edges:
        return np.append(np.zeros(len(edges), dtype=np.int64), moved.sum())
    return np.diff(moved.cumsum()[list(columns(own, edges))], prepend=0)


def _counted(old: Sample, new: Sample) -> tuple[int, int, int]:
    """A scrape can fall between two counters of one request, so there are at least as many requests as failures."""
    errors, refusals = new.errors - old.errors, new.refusals - old.refusals
    return (max(new.requests - old.requests, errors + refusals), errors, refusals)


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
