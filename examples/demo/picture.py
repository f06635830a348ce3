"""A view as a picture for a terminal: pods per revision, weights, requests, Events. Pure but for rich itself."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from views import Arm, Traffic, View

from stage.rollout import Happening

COLOURS = ("cyan", "green", "magenta", "yellow")
FAILED = "red"
BAR_CELLS = 22
DOTS = {"ready": ("●", ""), "starting": ("○", "dim"), "ending": ("✕", "dim")}
ROLES = {"stable": "bold", "canary": "bold", "first": "bold", "previous": "dim", "leaving": "dim"}
MOST_ARMS = 4
EVENT_LINES = 10


@dataclass(frozen=True, slots=True)
class Heading:
    """Which act is on, and for how long the demo has run."""

    act: int
    acts: int
    title: str
    seconds: float


def picture(heading: Heading, view: View | None) -> RenderableType:
    """The whole screen; its Events take the room that is left."""
    screen = Layout()
    screen.split_column(
        Layout(_heading(heading), size=1),
        Layout(name="rollout", size=6),
        Layout(name="middle", size=10),
        Layout(name="events", minimum_size=5),
    )
    if view is None:
        screen["rollout"].update(Panel(Text("waiting for the operator to see it", style="dim"), title="churn"))
        screen["middle"].update(Panel("", title="pods"))
        screen["events"].update(Panel("", title="Events"))
        return screen
    colours = {arm.version: COLOURS[_major(arm.version) % len(COLOURS)] for arm in view.arms}
    screen["rollout"].update(_rollout(view))
    screen["middle"].split_row(Layout(_pods(view, colours), ratio=11), Layout(_traffic(view), ratio=9))
    screen["events"].update(_Events(view.events))
    return screen


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) - 1 if head.isdigit() else 0


def colour_of(version: str) -> str:
    return FAILED if version == "failed" else COLOURS[_major(version) % len(COLOURS)]


def _heading(heading: Heading) -> Table:
    line = Table.grid(expand=True)
    line.add_column()
    line.add_column(justify="right")
    title = Text.assemble(
        (" modelrollout ", "bold reverse"), f"  {heading.act} of {heading.acts}  ", (heading.title, "bold")
    )
    minutes, seconds = divmod(int(heading.seconds), 60)
    line.add_row(title, f"{minutes}:{seconds:02} ")
    return line


def _rollout(view: View) -> Panel:
    facts = Table.grid(padding=(0, 1))
    facts.add_column(style="dim", width=8)
    facts.add_column(no_wrap=False)
    step = f", step {view.step}" if view.step else ""
    facts.add_row("phase", Text(f"{view.phase}{step}", style=_phase_style(view.phase)))
    facts.add_row("verdict", view.verdict or "-")
    facts.add_row("message", view.message or "-")
    return Panel(facts, title="kubectl get mr churn", title_align="left", padding=(0, 1))


def _phase_style(phase: str) -> str:
    if phase in {"RollingBack", "RolledBack", "GoingBack", "Invalid"}:
        return "bold red"
    return "bold green" if phase == "Stable" else "bold yellow"


def _pods(view: View, colours: dict[str, str]) -> Panel:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim")
    for name in ("version", "revision", "role", "ready"):
        table.add_column(name, no_wrap=True)
    table.add_column("pods", no_wrap=True, ratio=1)
    for arm in view.arms[:MOST_ARMS]:
        style = ROLES[arm.role]
        table.add_row(
            Text(arm.version, style=f"{colours[arm.version]} {style}"),
            arm.revision,
            Text(arm.role, style=style),
            f"{arm.ready}/{len(arm.pods) - arm.pods.count('ending')}",
            _dots(arm, colours[arm.version]),
        )
    legend = Text("● ready  ○ starting  ✕ ending", style="dim")
    return Panel(Group(table, Text(), legend), title="pods", title_align="left", padding=(0, 1))


def _dots(arm: Arm, colour: str) -> Text:
    dots = Text()
    for state in arm.pods:
        sign, style = DOTS[state]
        dots.append(f"{sign} ", style=style or colour)
    return dots


def _traffic(view: View) -> Panel:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", width=8)
    table.add_column(justify="right", width=5)
    table.add_column()
    canary = next((arm.version for arm in view.arms if arm.role == "canary"), "")
    for name, weight in (("asked", view.asked), ("by pods", view.by_pods), ("served", view.served)):
        if not canary or weight is None:
            table.add_row(name, "-", "")
        else:
            table.add_row(name, f"{weight:.0f} %", _bar(weight / 100, colour_of(canary)))
    table.add_row("answers", "", _shares(view.traffic))
    table.add_row("", "", "")
    return Panel(
        Group(table, *_counts(view.traffic)),
        title="the canary's weight, and our requests",
        title_align="left",
        padding=(0, 1),
    )


def _bar(share: float, colour: str) -> Text:
    filled = round(share * BAR_CELLS)
    return Text.assemble(("━" * filled, colour), ("━" * (BAR_CELLS - filled), "grey23"))


def _shares(traffic: Traffic) -> Text:
    """Who answered in the last seconds; whatever failed has at least one cell."""
    total = sum(count for _, count in traffic.shares)
    bar = Text()
    for version, count in traffic.shares:
        cells = math.ceil if version == "failed" else round
        bar.append("█" * cells(count / total * BAR_CELLS), style=colour_of(version))
    bar.truncate(BAR_CELLS)
    return bar


def _counts(traffic: Traffic) -> Iterator[Text]:
    failed = traffic.failed_fresh + traffic.failed_kept
    yield Text(f"{traffic.requests:,} requests, {traffic.per_second:.0f} per second")
    yield Text(
        f"{failed:,} failed: {traffic.failed_fresh} fresh, {traffic.failed_kept} keep-alive",
        style="bold red" if failed else "green",
    )
    yield Text(f"p50 {traffic.p50_ms:.1f} ms, p99 {traffic.p99_ms:.1f} ms", style="dim")


class _Events:
    """The newest Events, as many as fit with their lines folded; the last one below."""

    def __init__(self, events: tuple[Happening, ...]) -> None:
        self._events = events

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        height = options.height or EVENT_LINES
        width = options.max_width - 4
        shown: list[Text] = []
        for one in reversed(self._events):
            folded = _told(one).wrap(console, width)
            if len(shown) + len(folded) > height - 2:
                break
            shown = [*folded, *shown]
        yield Panel(Group(*shown), title="Events", title_align="left", padding=(0, 1), height=height)


def _told(event: Happening) -> Text:
    style = "bold yellow" if event.type == "Warning" else "bold"
    return Text.assemble((f"{event.reason}: ", style), event.message)
