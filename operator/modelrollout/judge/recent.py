"""What the pods of each revision have done in the last minute: for people and gauges, it decides nothing.

A few samples of the last minute are kept, and the newest is compared with the oldest of the same process. So a pod
counts from its second kept sample on, and a process that started again counts anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from modelrollout.judge.quantiles import Quantile, mean, quantiles
from modelrollout.judge.samples import Sample

WINDOW, APART = 60.0, 15.0
"""Seconds that are told of, at least, and between the samples that are kept for that."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The samples of one round, by the pod's uid."""

    at: float
    """Seconds of the monotonic clock."""
    samples: Mapping[str, Sample]


@dataclass(frozen=True, slots=True)
class Recent:
    """One revision in about the last minute."""

    revision: str
    pods: int
    """Those that answered, now and before."""
    requests: int
    errors: int
    refusals: int
    mean_ms: float | None
    """None without a timed request."""
    percentiles: tuple[Quantile, ...]
    cpu_cores: float | None
    """Of all its pods together; None where a server does not tell."""
    memory_bytes: int
    """Of the pod that uses most; 0 where no server tells."""


@dataclass(frozen=True, slots=True)
class _Passed:
    """What one process did between two samples."""

    seconds: float
    before: Sample
    now: Sample


def marked(marks: tuple[Mark, ...], at: float, samples: Mapping[str, Sample]) -> tuple[Mark, ...]:
    """The kept samples with these; the same object where the last ones are too young for that."""
    if marks and at - marks[-1].at < APART:
        return marks
    kept = (*marks, Mark(at, samples))
    while len(kept) > 2 and at - kept[1].at >= WINDOW:  # noqa: PLR2004  # two make one difference
        kept = kept[1:]
    return kept


def recent(marks: Sequence[Mark], revisions: Mapping[str, str]) -> tuple[Recent, ...]:
    """What each revision has done since the oldest kept samples; `revisions` has each pod's, by its uid."""
    passed = dict[str, list[_Passed]]()
    for uid, now in marks[-1].samples.items() if marks else ():
        before = next((one for one in marks[:-1] if _is_same(one.samples.get(uid), now)), None)
        if before is not None and uid in revisions:
            seconds = marks[-1].at - before.at
            passed.setdefault(revisions[uid], []).append(_Passed(seconds, before.samples[uid], now))
    return tuple(_recent(revision, passed[revision]) for revision in sorted(passed))


def _is_same(before: Sample | None, now: Sample) -> bool:
    return before is not None and before.instance == now.instance


def _recent(revision: str, passed: Sequence[_Passed]) -> Recent:
    edges, counts = _latency(passed)
    return Recent(
        revision=revision,
        pods=len(passed),
        requests=_more(one.now.requests - one.before.requests for one in passed),
        errors=_more(one.now.errors - one.before.errors for one in passed),
        refusals=_more(one.now.refusals - one.before.refusals for one in passed),
        mean_ms=mean(edges, counts),
        percentiles=quantiles(edges, list(accumulate(counts))),
        cpu_cores=_cores(passed),
        memory_bytes=max(one.now.memory_bytes for one in passed),
    )


def _more(differences: Iterable[int]) -> int:
    """A counter that fell contradicts itself, and says nothing."""
    return sum(max(0, one) for one in differences)


def _latency(passed: Sequence[_Passed]) -> tuple[Sequence[float], list[int]]:
    """Requests by bucket, of the pods that count on the same edges as the first one."""
    edges = passed[0].now.latency.edges_ms
    counts = [0] * len(passed[0].now.latency.counts)
    for one in passed:
        now, before = one.now.latency, one.before.latency
        if now.edges_ms == edges == before.edges_ms:
            more = [max(0, new - old) for new, old in zip(now.counts, before.counts, strict=True)]
            counts = [count + other for count, other in zip(counts, more, strict=True)]
    return edges, counts


def _cores(passed: Sequence[_Passed]) -> float | None:
    if not all(one.now.cpu_seconds for one in passed):
        return None
    return sum(max(0.0, one.now.cpu_seconds - one.before.cpu_seconds) / one.seconds for one in passed)
