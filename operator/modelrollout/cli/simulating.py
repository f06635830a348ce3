"""`modelrollout simulate`: a manifest played through a scenario in virtual time, told as its user would see it."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelrollout.cli.answers import Output, Unusable, console, print_json, refusing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from modelrollout.rehearsal import Line, Plot, Rehearsal

_STYLES = {"happening": "bold yellow", "write": "dim"}
_PHASES = {
    "Stable": "green",
    "Baking": "cyan",
    "Promoting": "cyan",
    "Progressing": "cyan",
    "RolledBack": "red",
    "RollingBack": "red",
    "GoingBack": "red",
    "Holding": "yellow",
    "Paused": "yellow",
}


def _list(wanted: bool) -> None:  # noqa: FBT001  # what typer hands over
    if not wanted:
        return
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from modelrollout.rehearsal import PLOTS  # noqa: PLC0415

    table = Table("SCENARIO", "WHAT HAPPENS", box=box.SIMPLE_HEAD, pad_edge=False)
    for plot in PLOTS.values():
        table.add_row(plot.name, plot.says)
    console().print(table)
    raise typer.Exit


def simulate(  # noqa: PLR0917  # typer hands options over by name
    manifest: Annotated[
        str, typer.Option("--manifest", "-f", help="File with one ModelRollout; - reads standard input.")
    ],
    scenario: Annotated[str, typer.Option(help="What happens; --list names them all.")] = "healthy",
    rps: Annotated[int, typer.Option(min=1, max=1000, help="Requests per second that the Service gets.")] = 20,
    output: Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")] = Output.TABLE,
    writes: Annotated[bool, typer.Option("--writes", help="Show each write of the operator, too.")] = False,  # noqa: FBT002
    listed: Annotated[  # noqa: ARG001, FBT002  # done by its callback
        bool, typer.Option("--list", help="Name all scenarios.", is_eager=True, callback=_list)
    ] = False,
) -> None:
    """Play a rollout of this manifest in virtual time: the operator's own decisions in a world that is made up.

    The model that the manifest names takes the place of an earlier one,
    called "previous". Nothing is asked of any cluster. Exit code 1 means
    that the operator broke one of its promises or came to no end, which is
    a bug.
    """
    from modelrollout.cli.manifests import read  # noqa: PLC0415  # --help answers at once
    from modelrollout.rehearsal import rehearse, timeline  # noqa: PLC0415

    with refusing():
        rollout, plot = read(manifest), _plot(scenario)
    began = time.monotonic()
    played = rehearse(rollout, plot, rps)
    lines = [line for line in timeline(played) if writes or line.kind != "write"]
    if output is Output.JSON:
        print_json(_as_json(played, lines))
    else:
        _show(played, lines, time.monotonic() - began)
    if _wrong(played):
        raise typer.Exit(1)


def _plot(name: str) -> "Plot":
    from difflib import get_close_matches  # noqa: PLC0415

    from modelrollout.rehearsal import PLOTS  # noqa: PLC0415

    if name in PLOTS:
        return PLOTS[name]
    near = get_close_matches(name, PLOTS, n=1)
    meant = f"did you mean {near[0]}?" if near else "--list names them all"
    raise Unusable(f'there is no scenario "{name}"; {meant}')


def _wrong(played: "Rehearsal") -> list[str]:
    """Promises that were broken, as sentences."""
    from modelrollout.rehearsal.play import is_endless  # noqa: PLC0415

    endless = ["the rollout goes round in circles and comes to no end"] if is_endless(played) else []
    return [*played.run.broken, *endless]


def _show(played: "Rehearsal", lines: "list[Line]", took: float) -> None:
    screen = console()
    spec = played.spec
    screen.print(f"{played.run.scenario.rollout}, {played.plot.name}: {played.plot.says}", soft_wrap=True)
    if spec.paused:
        screen.print("spec.paused is true in this manifest: the rollout will not go on by itself")
    if screen.is_terminal:
        _show_table(screen, lines)
    else:
        for line in _plain(lines):
            typer.echo(line)
    for line in _ending(played, took):
        screen.print(line, soft_wrap=not screen.is_terminal)


def _show_table(screen: "Console", lines: "Iterable[Line]") -> None:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("TIME", justify="right", no_wrap=True)
    table.add_column("PHASE", no_wrap=True)
    table.add_column("STEP", no_wrap=True)
    table.add_column("ASKED", justify="right", no_wrap=True)
    table.add_column("PODS", justify="right", no_wrap=True)
    table.add_column("WHAT HAPPENED")
    for line in lines:
        at, phase, *where, text = _cells(line)
        table.add_row(at, Text(phase, _PHASES.get(phase, "")), *where, Text(text, _STYLES.get(line.kind, "")))
    screen.print(table)


def _plain(lines: "Iterable[Line]") -> list[str]:
    """The same without a frame, one line each, however long: for files, pipes and grep."""
    return [
        f"{at:>7}  {phase:<11}  {step:<4} {asked:>5} {pods:>5}  {text}".rstrip()
        for at, phase, step, asked, pods, text in map(_cells, lines)
    ]


def _cells(line: "Line") -> tuple[str, str, str, str, str, str]:
    if line.kind in {"happening", "write"}:
        mark = "** " if line.kind == "happening" else "- "
        return _clock(line.seconds), "", "", "", "", mark + line.text
    weights = ["" if one is None else f"{one:g} %" for one in (line.asked, line.pods)]
    return _clock(line.seconds), line.phase, line.step, weights[0], weights[1], line.text


def _clock(seconds: int) -> str:
    """0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _ending(played: "Rehearsal", took: float) -> list[str]:
    status, load = played.run.world.resource.status, played.requests
    flags = [f"{one.type}={one.status}" for one in status.conditions if one.type in {"Ready", "Stalled", "Available"}]
    return [
        f"{status.phase}: {status.message}",
        f"conditions: {', '.join(flags)}",
        f"requests: {load.sent:,} sent, {load.failed:,} not answered well, {load.unserved:,} found no pod",
        *(f"BROKEN PROMISE: {one}" for one in _wrong(played)),
        f"{_clock(played.seconds - played.began)} of virtual time in {took:.1f} s",
    ]


def _as_json(played: "Rehearsal", lines: "list[Line]") -> dict[str, Any]:
    status, load = played.run.world.resource.status, played.requests
    return {
        "name": played.run.scenario.rollout,
        "scenario": played.plot.name,
        "virtual_seconds": played.seconds - played.began,
        "phase": status.phase,
        "message": status.message,
        "stable": status.stable.version if status.stable is not None else None,
        "conditions": {one.type: {"status": one.status, "reason": one.reason} for one in status.conditions},
        "outcomes": {one.version: one.outcome for one in status.history},
        "requests": {"sent": load.sent, "not_answered_well": load.failed, "no_pod": load.unserved},
        "broken_promises": _wrong(played),
        "timeline": [line.to_json() for line in lines],
    }
