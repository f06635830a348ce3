"""How the demo ends: a short table of what was measured, and where to look next."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from modelrollout.traffic.records import Kind, Record
from modelrollout.traffic.summary import BadSpan, bad_span, losses, summarise

REASON = 90
NEXT = (
    ("kubectl get mr -n demo", "phase, versions, step, weights, verdict"),
    ("kubectl describe mr churn -n demo", "conditions and Events with their numbers"),
    ("kubectl explain mr.spec --recursive", "every field, with its default"),
    ("examples/", "one folder for each thing that can go well or wrong"),
    ("docs/architecture.md", "how it works, in one picture"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo has seen."""

    good: Sequence[Record]
    """Requests from the start to the promotion."""
    good_seconds: float
    """From the new spec to the promotion."""
    bad: Sequence[Record]
    """Requests from the bad model's spec to the end."""
    why: str
    """What the status says about the bad model."""


def close(console: Console, outcome: Outcome) -> bool:
    """Print the table; gives whether everything was as it should be."""
    fresh = bad_span(one for one in outcome.bad if one.fresh)
    kept = bad_span(one for one in outcome.bad if not one.fresh)
    lost = losses([*outcome.good, *outcome.bad])
    table = Table(title="What was seen", title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    table.add_row("better model", f"promoted after {outcome.good_seconds:.0f} s, {len(outcome.good):,} requests")
    table.add_row("", f"{sum(one.bad for one in outcome.good)} failed, p95 {_p95(outcome.good):.1f} ms")
    table.add_row("bad model", f"taken back by itself: {outcome.why}")
    table.add_row("first to last bad answer", f"{_seconds(fresh)} on fresh connections, {_seconds(kept)} on kept ones")
    failed = Counter(one.kind for one in outcome.bad)[Kind.EXPECTED]
    table.add_row("requests that failed", f"{failed} of {len(outcome.bad):,}: {_why(outcome.bad)}")
    table.add_row("requests lost otherwise", f"{len(lost)} of {len(outcome.good) + len(outcome.bad):,}")
    console.print()
    console.print(table)
    _where_next(console)
    return not lost and failed > 0


def _where_next(console: Console) -> None:
    table = Table(title="Where to look next", title_justify="left", show_header=False, box=None, padding=(0, 2))
    for where, what in NEXT:
        table.add_row(where, what)
    console.print()
    console.print(table)


def _p95(records: Sequence[Record]) -> float:
    return summarise(records).p95_ms


def _seconds(span: BadSpan | None) -> str:
    return "none" if span is None else f"{span.seconds:.2f} s"


def _why(records: Sequence[Record]) -> str:
    words = Counter(one.words for one in records if one.kind is Kind.EXPECTED)
    return words.most_common(1)[0][0][:REASON] if words else "nothing"
