"""The live picture: who has pods, who gets requests, what the judge says, what happened."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from showing.facts import Arm, Facts

BAR = 24
EVENTS = 8
COLOURS = {"stable": "green", "candidate": "cyan", "previous": "blue", "going": "dim"}
WORDS = {
    "stable": "stable",
    "candidate": "new",
    "previous": "kept warm",
    "going": "going",
}
PHASES = {"Stable": "green", "RolledBack": "red", "RollingBack": "red"}


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment: where the demo is, and the facts."""

    acts: Sequence[str]
    now: int
    """Index of the present act."""
    doing: str
    facts: Facts | None


def draw(scene: Scene) -> RenderableType:
    parts: list[RenderableType] = [_way(scene), Text(f" {scene.doing}", style="bold")]
    if scene.facts is not None:
        parts += [_arms(scene.facts), _numbers(scene.facts), _events(scene.facts)]
    return Group(*parts)


def _way(scene: Scene) -> Text:
    """All acts in one line: done, present, to come."""
    text = Text(" ")
    for index, act in enumerate(scene.acts):
        if index < scene.now:
            text.append(f"✓ {act}  ", style="green")
        elif index == scene.now:
            text.append(f"▶ {act}  ", style="bold cyan")
        else:
            text.append(f"· {act}  ", style="dim")
    return text


def _arms(facts: Facts) -> Panel:
    table = Table.grid(padding=(0, 2))
    for width in (8, 10, 14, 20, 0):
        table.add_column(min_width=width, no_wrap=True)
    table.add_row(*(Text(word, style="dim") for word in ("model", "", "pods", "Service", "requests, last 2 s")))
    for arm in facts.arms:
        colour = COLOURS[arm.role]
        table.add_row(
            Text(arm.version, style=f"bold {colour}"),
            Text(WORDS[arm.role], style=colour),
            Text("●" * arm.ready + "○" * (arm.pods - arm.ready), style=colour),
            Text("selected" if arm.served else "not selected", style="" if arm.served else "dim"),
            _bar(facts.requests.shares.get(arm.version, 0.0), colour),
        )
    return Panel(table, title="pods", title_align="left", border_style="dim", height=6)


def _bar(share: float, colour: str) -> Text:
    full = round(share * BAR)
    return Text.assemble(("█" * full, colour), ("░" * (BAR - full), "dim"), f" {share:4.0%}")


def _numbers(facts: Facts) -> Table:
    both = Table.grid(expand=True)
    both.add_column(ratio=1)
    both.add_column(ratio=1)
    both.add_row(_rollout(facts), _requests(facts))
    return both


def _rollout(facts: Facts) -> Panel:
    table = _pairs(
        ("phase", Text(facts.phase, style=f"bold {PHASES.get(facts.phase, 'cyan')}")),
        ("step", facts.step or "-"),
        ("weight asked", _percent(facts.asked)),
        ("weight by pods", _percent(facts.pods)),
        ("weight served", _percent(facts.served)),
        ("verdict", facts.verdict or "-"),
    )
    return Panel(table, title="kubectl get mr churn", title_align="left", border_style="dim")


def _requests(facts: Facts) -> Panel:
    told = facts.requests
    failing = "bold red" if told.failing > 0 else "green"
    table = _pairs(
        ("sent", f"{told.sent:,} at {told.rate:.0f}/s"),
        ("p95", f"{told.p95_ms:.1f} ms"),
        ("failing now", Text(f"{told.failing:.0%}", style=failing)),
        ("failed by the model", Text(f"{told.model_failed:,}", style="red" if told.model_failed else "")),
        ("lost by the rollout", Text(f"{told.lost:,}", style="bold red" if told.lost else "green")),
    )
    return Panel(table, title="requests, from outside", title_align="left", border_style="dim", height=8)


def _pairs(*rows: tuple[str, RenderableType]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=19, style="dim")
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, value in rows:
        table.add_row(name, value)
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:g} %"


def _events(facts: Facts) -> Panel:
    lines = [
        Text(f"{one.time[11:19]} {one.reason}: {one.message}", style="red" if one.type == "Warning" else "",
             no_wrap=True, overflow="ellipsis")
        for one in facts.events[-EVENTS:]
    ]  # fmt: skip
    return Panel(Group(*lines), title="Events", title_align="left", border_style="dim", height=EVENTS + 2)


def arm_in_words(arm: Arm) -> str:
    """For lines without a picture: "2.0.0 new 1/2"."""
    return f"{arm.version} {WORDS[arm.role]} {arm.ready}/{arm.pods}"
