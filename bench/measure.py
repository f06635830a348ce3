"""From what was seen in a round to its figures. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelrollout.traffic.records import Record
from modelrollout.traffic.summary import BadSpan, bad_span
from stage.endpoints import Sample


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything from one fault's beginning to its end."""

    began: float
    records: tuple[Record, ...]
    """All records of the load, also those from before: they tell which process a connection ends at."""
    processes: Mapping[str, str]
    """Pods by process."""
    signalled: Mapping[str, float]
    """When each pod of the bad revision got its SIGTERM."""
    samples: tuple[Sample, ...]
    others: frozenset[str]
    """Revisions that should serve all the time."""


@dataclass(frozen=True, slots=True)
class Spans:
    """The figures of one round."""

    first: float
    """The first bad answer over any connection; the spans of both sorts count from here."""
    fresh: BadSpan | None
    kept: BadSpan | None
    requests: int
    """All requests that were due from the fault's beginning on."""
    lost: int
    """Requests that ended badly in another way than the model's own answer."""
    most_after_signal: int
    """Most bad answers that one kept connection got to requests sent after its pod's SIGTERM."""
    bad_connections: int
    """Kept connections with bad answers."""
    unknown: int
    """Of them, those whose pod is not known (never a good answer); the earliest SIGTERM of all counts for them."""
    signals: tuple[float, float] | None
    """First and last SIGTERM."""
    samples: int
    short_samples: int
    """Samples in which the revisions that should serve did not have exactly N ready endpoints."""

    @property
    def fresh_seconds(self) -> float:
        return self.fresh.last - self.first if self.fresh else 0.0

    @property
    def kept_seconds(self) -> float:
        return self.kept.last - self.first if self.kept else 0.0

    @property
    def failed(self) -> int:
        return sum(span.count for span in (self.fresh, self.kept) if span)


def measured(seen: Seen, replicas: int) -> Spans | None:
    """The figures; None where there was no bad answer at all."""
    since = [one for one in seen.records if one.due >= seen.began]
    bad = [one for one in since if one.bad]
    if not bad:
        return None
    pods = _pods(seen)
    kept = [one for one in bad if not one.fresh and one.connection]
    connections = {one.connection for one in kept}
    return Spans(
        first=min(one.answered for one in bad),
        fresh=bad_span(one for one in bad if one.fresh),
        kept=bad_span(one for one in bad if not one.fresh),
        requests=len(since),
        lost=sum(one.lost for one in since),
        most_after_signal=max(_after_signal(kept, pods, seen.signalled).values(), default=0),
        bad_connections=len(connections),
        unknown=len(connections - pods.keys()),
        signals=(min(seen.signalled.values()), max(seen.signalled.values())) if seen.signalled else None,
        samples=len(seen.samples),
        short_samples=sum(sum(one.behind.get(each, 0) for each in seen.others) != replicas for one in seen.samples),
    )


def _pods(seen: Seen) -> Mapping[int, str]:
    """The pod at the end of each connection that ever got a good answer."""
    return {one.connection: seen.processes[one.process] for one in seen.records if one.process in seen.processes}


def _after_signal(bad: Iterable[Record], pods: Mapping[int, str], signalled: Mapping[str, float]) -> Counter[int]:
    """Bad answers by connection, of requests that were due after the pod's SIGTERM."""
    earliest = min(signalled.values(), default=float("inf"))
    return Counter(one.connection for one in bad if one.due >= signalled.get(pods.get(one.connection, ""), earliest))
