"""Figures as people read them: a line per round, the distribution over rounds, and the project's own lines."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from bench.rounds import Round

FRESH_SECONDS = 2.0
KEPT_SECONDS = 3.0
MOST_AFTER_SIGNAL = 1

Figure = Callable[[Round], float | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One of the project's own lines, and whether the measurement keeps it."""

    kept: bool
    text: str


def line(name: str, one: Round) -> str:
    spans = one.spans
    disturbed = "" if one.same_operator else "; the operator's pod was replaced meanwhile"
    return (
        f"{name}: bad for {spans.fresh_seconds:.2f} s on fresh connections, {spans.kept_seconds:.2f} s on kept ones; "
        f"{spans.failed} of {spans.requests} requests failed, {spans.lost} lost; {spans.bad_connections} kept "
        f"connections had bad answers (pod of {spans.unknown} unknown), at most {spans.most_after_signal} after SIGTERM"
        f"{disturbed}"
    )


def tables(title: str, rounds: Sequence[Round]) -> list[Table]:
    return [
        _table(f"{title}: {len(rounds)} rounds", FIGURES, rounds),
        _table("Where the time goes: seconds after the first bad answer", MOMENTS, rounds),
    ]


def _table(title: str, figures: Sequence[tuple[str, Figure]], rounds: Sequence[Round]) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold")
    table.add_column("")
    for name in ("min", "median", "max"):
        table.add_column(name, justify="right")
    for name, figure in figures:
        table.add_row(name, *_distribution([value for one in rounds if (value := figure(one)) is not None]))
    return table


def _distribution(values: Sequence[float]) -> Iterator[str]:
    if not values:
        yield from ("-", "-", "-")
        return
    for value in (min(values), statistics.median(values), max(values)):
        yield f"{value:.2f}" if isinstance(value, float) and not value.is_integer() else f"{value:.0f}"


FIGURES: tuple[tuple[str, Figure], ...] = (
    ("last bad answer, fresh connections (s after the first)", lambda one: one.spans.fresh_seconds),
    ("last bad answer, kept connections (s after the first)", lambda one: one.spans.kept_seconds),
    ("failed requests, fresh connections", lambda one: one.spans.fresh.count if one.spans.fresh else 0),
    ("failed requests, kept connections", lambda one: one.spans.kept.count if one.spans.kept else 0),
    ("requests lost otherwise (reset, time-out, refused)", lambda one: one.spans.lost),
    ("bad answers on one connection after its pod's SIGTERM", lambda one: one.spans.most_after_signal),
)


def _after(moment: Callable[[Round], float | None]) -> Figure:
    def since(one: Round) -> float | None:
        found = moment(one)
        return None if found is None else found - one.spans.first

    return since


MOMENTS: tuple[tuple[str, Figure], ...] = (
    ("the verdict is in the status", _after(lambda one: one.writes.status)),
    ("the Service selects the good pods", _after(lambda one: one.writes.route)),
    ("the EndpointSlice is written", _after(lambda one: one.writes.endpoints)),
    ("last bad answer, fresh", _after(lambda one: one.spans.fresh.last if one.spans.fresh else None)),
    ("the bad Deployment is scaled to 0", _after(lambda one: one.writes.scale)),
    ("the first bad pod is deleted", _after(lambda one: one.writes.delete)),
    ("the first bad pod gets SIGTERM", _after(lambda one: one.spans.signals[0] if one.spans.signals else None)),
    ("the last bad pod gets SIGTERM", _after(lambda one: one.spans.signals[1] if one.spans.signals else None)),
    ("last bad answer, kept", _after(lambda one: one.spans.kept.last if one.spans.kept else None)),
)


def verdicts(rounds: Sequence[Round]) -> list[Verdict]:
    """The lines for a fault at 50 %."""
    fresh = statistics.median(one.spans.fresh_seconds for one in rounds)
    kept = statistics.median(one.spans.kept_seconds for one in rounds)
    most = max(one.spans.most_after_signal for one in rounds)
    short = sum(one.spans.short_samples for one in rounds)
    looks = sum(one.spans.samples for one in rounds)
    return [
        _verdict(fresh < FRESH_SECONDS, f"fresh connections: median {fresh:.2f} s (line: below {FRESH_SECONDS:g} s)"),
        _verdict(kept < KEPT_SECONDS, f"kept connections: median {kept:.2f} s (line: below {KEPT_SECONDS:g} s)"),
        _verdict(
            most <= MOST_AFTER_SIGNAL,
            f"bad answers on one connection after its pod's SIGTERM: {most} (line: at most {MOST_AFTER_SIGNAL})",
        ),
        _verdict(short == 0, f"stable had all its ready endpoints in {looks - short} of {looks} samples (line: all)"),
    ]


def _verdict(kept: bool, text: str) -> Verdict:  # noqa: FBT001  # the fact itself
    return Verdict(kept, f"{'[green]kept[/]  ' if kept else '[red]missed[/]'}  {text}")
