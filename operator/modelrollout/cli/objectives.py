"""What a load came to, as numbers and as a verdict: the objectives that were kept and those that were missed."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from modelrollout.traffic.records import LOSSES, Record
from modelrollout.traffic.summary import Summary, summarise

_EXAMPLES = 3
_WORDS = 100


@dataclass(frozen=True)
class Objectives:
    """What has to be kept; None is not asked for."""

    max_p95_ms: float | None = None
    max_error_rate: float | None = None


@dataclass(frozen=True)
class Result:
    """One load that is over."""

    url: str
    asked: float
    """Requests per second that were asked for."""
    records: tuple[Record, ...]
    objectives: Objectives

    @cached_property
    def summary(self) -> Summary:
        return summarise(self.records)

    @property
    def error_rate(self) -> float:
        return self.summary.lost / self.summary.requests if self.summary.requests else 0.0

    @property
    def sent_per_second(self) -> float:
        """Requests that were due per second: what was asked for, unless it was ended early or is very short."""
        if len(self.records) < 2:  # noqa: PLR2004  # no time passes between fewer
            return float(len(self.records))
        dues = [one.due for one in self.records]
        return (len(dues) - 1) / (max(dues) - min(dues))

    @cached_property
    def missed(self) -> tuple[str, ...]:
        """Objectives that were not kept, as sentences."""
        return tuple(self._missed())

    def _missed(self) -> Iterator[str]:
        found, objectives = self.summary, self.objectives
        if math.isnan(found.p95_ms):
            yield "nothing was answered"
        elif objectives.max_p95_ms is not None and found.p95_ms > objectives.max_p95_ms:
            yield f"p95 is {found.p95_ms:.1f} ms (objective {objectives.max_p95_ms:g} ms)"
        if objectives.max_error_rate is not None and self.error_rate > objectives.max_error_rate:
            yield (
                f"{found.lost} of {found.requests} requests were not answered, {_percent(self.error_rate)} "
                f"(objective {_percent(objectives.max_error_rate)})"
            )

    @property
    def verdict(self) -> str:
        if self.missed:
            return "MISSED: " + "; ".join(self.missed)
        asked = (self.objectives.max_p95_ms, self.objectives.max_error_rate)
        return "kept all objectives" if any(one is not None for one in asked) else "no objective was given"

    def examples(self) -> list[str]:
        """The commonest ways in which requests were lost, in the server's or the network's words."""
        texts = Counter(_words(one) for one in self.records if one.kind in LOSSES)
        return [f"{count} x {text}" for text, count in texts.most_common(_EXAMPLES)]

    def to_json(self) -> dict[str, Any]:
        found = self.summary
        return {
            "url": self.url,
            "requests": found.requests,
            "requests_per_second": round(self.sent_per_second, 1),
            "connections": found.connections,
            "outcomes": {str(kind): count for kind, count in found.kinds.items()},
            "versions": dict(found.versions),
            "error_rate": self.error_rate,
            "latency_ms": {name: _finite(value) for name, value in _quantiles(found)},
            "examples": self.examples(),
            "missed": list(self.missed),
        }

    def show(self, screen: Console) -> None:
        found = self.summary
        screen.print(
            f"{self.url}: {found.requests:,} requests at {self.sent_per_second:.1f}/s over {found.connections:,} "
            "connections",
            soft_wrap=True,
        )
        screen.print(self._table())
        served = ", ".join(f"{count:,} by {version or 'no version'}" for version, count in found.versions.items())
        if served:
            screen.print(f"answered: {served}")
        for example in self.examples():
            screen.print(f"not answered: {example}")
        screen.print(self.verdict)

    def _table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("OUTCOME")
        table.add_column("REQUESTS", justify="right")
        table.add_column("SHARE", justify="right")
        table.add_column("LATENCY OF ANSWERS")
        latency = [f"{name} {value:.1f} ms" for name, value in _quantiles(self.summary) if not math.isnan(value)]
        for kind, count in self.summary.kinds.items():
            answered = ", ".join(latency) if kind == "answered" else ""
            table.add_row(str(kind), f"{count:,}", _percent(count / self.summary.requests), answered)
        return table


def _words(record: Record) -> str:
    status = f"{record.status} " if record.status else ""
    return f"{record.kind}: {status}{' '.join(record.words.split())[:_WORDS]}".rstrip(": ")


def _quantiles(found: Summary) -> tuple[tuple[str, float], ...]:
    return (("p50", found.p50_ms), ("p95", found.p95_ms), ("p99", found.p99_ms))


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
