"""The demo's last words: a short table, why requests failed, and where to look next."""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from modelrollout.traffic.records import Kind, Record
from modelrollout.traffic.summary import BadSpan, bad_span

MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One stretch of the demo."""

    name: str
    seconds: float
    requests: int
    fresh: BadSpan | None
    kept: BadSpan | None
    reasons: tuple[tuple[str, int], ...]
    """Why requests failed, the most frequent first."""

    @property
    def failed(self) -> int:
        return sum(span.count for span in (self.fresh, self.kept) if span)

    @property
    def bad_seconds(self) -> float | None:
        """From the first bad answer to the last one."""
        spans = [span for span in (self.fresh, self.kept) if span]
        return max(span.last for span in spans) - min(span.first for span in spans) if spans else None


def row(name: str, records: Sequence[Record], stretch: tuple[float, float]) -> Row:
    """What became of the requests that were due in a stretch of time, in seconds since the epoch."""
    began, ended = stretch
    within = [one for one in records if began <= one.due < ended]
    return Row(
        name=name,
        seconds=ended - began,
        requests=len(within),
        fresh=bad_span(one for one in within if one.fresh),
        kept=bad_span(one for one in within if not one.fresh),
        reasons=tuple(Counter(_reason(one) for one in within if one.bad).most_common(MOST_REASONS)),
    )


def _reason(record: Record) -> str:
    """In the model's own words where it has some."""
    if record.kind in {Kind.EXPECTED, Kind.FAILED, Kind.REFUSED}:
        return f"{record.status} {_detail(record.words)}"
    return f"{record.kind}: {record.words}" if record.words else str(record.kind)


def _detail(words: str) -> str:
    """The answer's `detail`; the start of the text where it was too long to be kept whole."""
    try:
        return str(json.loads(words)["detail"])
    except (ValueError, KeyError, TypeError):
        return words.partition('"detail":"')[2] or words


def tell(console: Console, rows: Sequence[Row], stable: str) -> None:
    """Print all of it; `stable` is the revision that serves at the end."""
    console.print(_table(rows))
    for one in rows:
        _explain(console, one)
    _where_next(console, stable)


def _table(rows: Iterable[Row]) -> Table:
    table = Table(title="What became of the requests (100 a second, none sent twice)", title_justify="left")
    table.add_column("")
    for name in ("seconds", "requests", "failed", "bad answers for"):
        table.add_column(name, justify="right")
    for one in rows:
        bad = "-" if one.bad_seconds is None else f"{one.bad_seconds:.2f} s"
        table.add_row(one.name, f"{one.seconds:.1f}", f"{one.requests:,}", f"{one.failed:,}", bad)
    return table


def _explain(console: Console, one: Row) -> None:
    if not one.failed:
        return
    console.print(f"\n[bold]{one.name}[/]: from the first bad answer to the last one")
    console.print(f"  fresh connections       {_span(one.fresh)}")
    console.print(f"  keep-alive connections  {_span(one.kept)}")
    console.print("Why they failed:")
    for reason, count in one.reasons:
        console.print(f"  {count} x {reason}", markup=False, overflow="ellipsis", no_wrap=True)


def _span(span: BadSpan | None) -> str:
    return "none was bad" if span is None else f"{span.seconds:.2f} s, {span.count} requests failed"


def _where_next(console: Console, stable: str) -> None:
    console.print("\n[bold]Where to look next[/]")
    console.print("  README.md              install it, commands, what `kubectl get mr` shows")
    console.print("  docs/architecture.md   how a decision is made, in one picture")
    console.print("  examples/              one folder for each story, with its manifests and its Events")
    console.print("\nWith [bold]KEEP=1 make demo[/] the cluster stays, and so does this rollout. Try:")
    for command in _commands(stable):
        console.print(f"  {command}", markup=False, soft_wrap=True)


def _commands(stable: str) -> Iterator[str]:
    yield "export KUBECONFIG=$(make -s kubeconfig)"
    if shutil.which("kubectl") is None:
        yield "alias kubectl=$(python3 local-cluster/cluster.py tool kubectl)"
    yield "kubectl -n demo get mr,pods"
    yield "kubectl -n demo describe mr churn"
    yield "kubectl -n demo annotate mr churn --overwrite \\"
    yield f'  modelrollout.dev/command="rollback {stable} $(date +%s)"'
    yield "kubectl -n demo apply -f examples/demo/02-v2.yaml"
