"""How two scrapes of one process become one: everything the judge sees is a difference of counters.

A process that was not seen in the round before has nothing to be compared with: its counters are an origin and count
nothing. So are counters that fell (a restart under the same name) and buckets that changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain, pairwise
from operator import sub

import numpy as np

from modelrollout.judge.samples import NO_PREDICTIONS, Predictions, Sample
from modelrollout.judge.strata import NO_BUCKETS, ArmStratum, Buckets, columns

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
    found = {(one.pod, one.instance): one for one in samples}
    counts = [one.latency.counts for one in found.values()]
    ends = list(accumulate(map(len, counts), initial=0))
    flat = np.fromiter(chain.from_iterable(counts), np.int64, ends[-1])  # one call for all: it is most of the work
    rows = (flat[begin:end] for begin, end in pairwise(ends))
    return Origins(found, dict(zip(found, rows, strict=True)))


def arm_stratum(arm: Iterable[Sample], before: Origins, now: Origins) -> ArmStratum:
    """What an arm's processes counted between two rounds; origins are left out."""
    known = ((before.samples.get(_key(new)), new) for new in arm)
    pairs = [(old, new) for old, new in known if old is not None and _follows(old, new)]
    if not pairs:
        return ArmStratum()
    edges = next((new.latency.edges_ms for _, new in pairs if new.latency.edges_ms), ())
    rows = [_moved(new, before, now, edges) for _, new in pairs]
    moved = np.array(rows)
    if moved.size and moved.min() < 0:
        kept = [at for at, row in enumerate(rows) if row.min() >= 0]
        pairs, moved = [pairs[at] for at in kept], moved[kept]
    return ArmStratum(
        pods=tuple(new.pod for _, new in pairs),
        counts=tuple(_counted(old, new) for old, new in pairs),
        edges_ms=edges,
        upto=moved.cumsum(axis=1),
        predictions=tuple(_predicted(old.predictions, new.predictions) for old, new in pairs),
    )


def served_before(arm: Iterable[Sample], before: Origins, edges: tuple[float, ...]) -> Buckets:
    """Requests up to each edge that the processes which follow on had counted until the round before."""
    known = ((before.samples.get(_key(one)), before.rows.get(_key(one))) for one in arm)
    rows = [row for old, row in known if old is not None and row is not None and old.latency.edges_ms == edges]
    return np.array(rows).sum(axis=0).cumsum() if rows else NO_BUCKETS


def _key(sample: Sample) -> Process:
    return (sample.pod, sample.instance)


def _follows(old: Sample, new: Sample) -> bool:
    """Whether counters can follow on earlier ones, as far as can be seen without their buckets."""
    if old.latency.edges_ms != new.latency.edges_ms:
        return False
    if len(old.latency.counts) != len(new.latency.counts):
        return False
    return new.requests >= old.requests and new.errors >= old.errors and new.refusals >= old.refusals


def _moved(new: Sample, before: Origins, now: Origins, edges: tuple[float, ...]) -> Buckets:
    """Requests per bucket at these edges; some below 0 where a bucket fell."""
    key, own = _key(new), new.latency.edges_ms
    moved: Buckets = now.rows[key] - before.rows[key]
    if own == edges and len(moved) == len(edges) + 1:
        return moved
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
