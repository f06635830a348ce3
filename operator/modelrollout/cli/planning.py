"""`modelrollout plan`: what a manifest will do to its traffic, and whether that traffic suffices to decide."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelrollout.cli.answers import Output, console, print_json, refusing

if TYPE_CHECKING:
    from rich.table import Table

    from modelrollout.itinerary import Itinerary, Leg


def plan(
    manifest: Annotated[
        str, typer.Option("--manifest", "-f", help="File with one ModelRollout; - reads standard input.")
    ],
    rps: Annotated[float, typer.Option(min=0, help="Requests per second that the Service gets.")],
    error_rate: Annotated[
        float,
        typer.Option(
            min=0, max=0.5, help="Errors per request of stable, and of a healthy candidate. 0.01 is one in a hundred."
        ),
    ] = 0.01,
    output: Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")] = Output.TABLE,
) -> None:
    """Show each step of a rollout before it is begun: its pods, its weight, and how long a decision takes.

    Requests are medians and count both arms. A step is looked at by itself,
    as if nothing were known before it. How soon a slowdown shows depends on
    how latencies are spread; they are taken as log-normal with a p95 of 2.7
    times the median.
    """
    from modelrollout.cli.manifests import read_spec  # noqa: PLC0415  # --help answers at once
    from modelrollout.itinerary import Traffic, itinerary  # noqa: PLC0415

    with refusing():
        name, spec = read_spec(manifest)
    way = itinerary(spec, Traffic(rps, error_rate))
    if output is Output.JSON:
        print_json({"name": name} | _as_json(way))
        return
    screen = console()
    screen.print(f"{name}: {_heading(way)}", soft_wrap=True)
    screen.print(_table(way.legs, rps))
    for line in _closing(way):
        screen.print(line)


def _heading(way: "Itinerary") -> str:
    from modelrollout.core import plan as plans  # noqa: PLC0415
    from modelrollout.core.words import pods  # noqa: PLC0415
    from modelrollout.itinerary import size_of  # noqa: PLC0415

    traffic = way.traffic
    rate = f"{traffic.requests_per_second:g} requests/s with {traffic.error_rate * 100:g} % errors"
    return f"{plans.name(way.spec.strategy)}, stable has {pods(size_of(way.spec))}, {rate}"


def _table(legs: "tuple[Leg, ...]", rps: float) -> "Table":
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("STEP", no_wrap=True)
    for title in ("ASKED", "MADE"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("CANARY\n+ STABLE", no_wrap=True)
    for title in ("ERRORS x2\nSEEN AFTER", "1.2x SLOWER\nSEEN AFTER", "HEALTHY\nPASSES AFTER"):
        table.add_column(title, justify="right")
    for leg in legs:
        table.add_row(f"{leg.number}/{len(legs)}", *_cells(leg, rps))
    return table


def _cells(leg: "Leg", rps: float) -> tuple[str, ...]:
    pods = f"{leg.stop.pods.candidate} + {leg.stop.pods.stable}"
    where = (f"{leg.stop.weight} %", f"{leg.made} %", pods)
    if leg.expected is None:
        return (*where, "-", "-", "-")
    found = leg.expected
    return (*where, _cell(found.doubled, rps), _cell(found.slower, rps), _cell(found.passes, rps))


def _cell(requests: float | None, rps: float) -> str:
    from modelrollout.forecast.bets import NEVER  # noqa: PLC0415
    from modelrollout.forecast.deadlines import spoken  # noqa: PLC0415

    if requests is None:
        return "-"
    if requests == NEVER:
        return "never"
    time = spoken(requests / rps) if rps > 0 else "never"
    return f"{time}\n{rounded(requests):,} req." if requests else "at once"


def rounded(requests: float) -> int:
    """Two digits that mean something: 18,605.09 -> 19,000."""
    whole = round(requests)
    return round(whole, 2 - len(str(whole))) if whole >= 100 else whole  # noqa: PLR2004  # three digits


def _closing(way: "Itinerary") -> list[str]:
    from modelrollout.forecast.deadlines import spoken  # noqa: PLC0415

    remarks = [f"step {leg.number}: {leg.remark}" for leg in way.legs if leg.remark]
    warnings = [f"warning: step {leg.number}: {leg.warning}" for leg in way.legs if leg.warning]
    total = way.promoted_after
    if total is None:
        return [*remarks, *warnings]
    end = f"A healthy model is promoted after about {spoken(total.total_seconds())}, bake and pauses included."
    return [*remarks, *warnings, end]


def _as_json(way: "Itinerary") -> dict[str, Any]:
    from modelrollout.itinerary import size_of  # noqa: PLC0415

    total, rps = way.promoted_after, way.traffic.requests_per_second
    return {
        "replicas": size_of(way.spec),
        "requests_per_second": rps,
        "error_rate": way.traffic.error_rate,
        "steps": [_leg_as_json(leg, rps) for leg in way.legs],
        "promoted_after_seconds": None if total is None else round(total.total_seconds()),
        "warnings": [f"step {leg.number}: {leg.warning}" for leg in way.legs if leg.warning],
    }


def _leg_as_json(leg: "Leg", rps: float) -> dict[str, Any]:
    found = leg.expected
    return {
        "step": leg.number,
        "weight_asked": leg.stop.weight,
        "weight_made": leg.made,
        "pods": {"candidate": leg.stop.pods.candidate, "stable": leg.stop.pods.stable},
        "errors_doubled": _wait(found.doubled if found else None, rps),
        "slower_1_2x": _wait(found.slower if found else None, rps),
        "healthy_passes": _wait(found.passes if found else None, rps),
        "remark": leg.remark,
        "warning": leg.warning,
    }


def _wait(requests: float | None, rps: float) -> dict[str, float | bool | None] | None:
    """None where nothing looks for it; numbers that are None where it never happens."""
    from modelrollout.forecast.bets import NEVER  # noqa: PLC0415

    if requests is None:
        return None
    happens = requests != NEVER and rps > 0
    return {
        "happens": happens,
        "requests": round(requests) if requests != NEVER else None,
        "minutes": round(requests / rps / 60, 2) if happens else None,
    }
