"""`modelrollout load`: an open-loop load on a server, what became of each request, and whether that was good enough."""

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from modelrollout.cli.answers import Output, console, print_json, refusing

if TYPE_CHECKING:
    from modelrollout.traffic.load import Load

BROKEN = 1
GONE = 3
_NEWS_SECONDS = 0.5


def load(  # noqa: PLR0917  # typer hands options over by name
    url: Annotated[str, typer.Option(help="Where to send requests, such as http://127.0.0.1:8080 (/v1/predict).")],
    rps: Annotated[float, typer.Option(min=0.1, max=100_000, help="Requests per second, whatever the answers do.")],
    rows: Annotated[
        str,
        typer.Option(
            help='File with rows such as {"features": [1.0, 2.0]}, one a line or in a JSON list; - is standard input.'
        ),
    ] = "",
    features: Annotated[str, typer.Option(help="One row's features instead: [1.0, 2.0] or an object by name.")] = "",
    seconds: Annotated[float, typer.Option(min=0.1, max=86_400, help="How long to send.")] = 10,
    kept: Annotated[int, typer.Option(min=0, max=10_000, help="Connections that are kept open.")] = 20,
    fresh_share: Annotated[
        float, typer.Option(min=0, max=1, help="Part of the requests that get a connection of their own.")
    ] = 0.2,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds until a request is given up.")] = 5,
    gone_after: Annotated[
        float, typer.Option(min=0.1, help="Seconds without any connection after which the load ends.")
    ] = 10,
    max_p95_ms: Annotated[float | None, typer.Option(min=0, help="Objective: p95 of answered requests.")] = None,
    max_error_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Objective: requests that were not answered, per request.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")] = Output.TABLE,
) -> None:
    """Send requests at a fixed rate and count what becomes of each; no request is sent twice.

    Open loop: a request is due at its time and its latency counts from
    there, so a slow server hides nothing. A 4xx counts as not answered.
    Control-C ends it early, with the report. Exit code 1 means that an
    objective was missed, 3 that the server was gone: it took no
    connection for --gone-after seconds, so the load ended early.
    """
    from modelrollout.cli.inputs import rows_of, target_of  # noqa: PLC0415  # --help answers at once
    from modelrollout.cli.objectives import Objectives, Result  # noqa: PLC0415
    from modelrollout.traffic.load import Load, Shape  # noqa: PLC0415
    from modelrollout.traffic.rows import Rows  # noqa: PLC0415

    with refusing():
        target, asked = target_of(url), Rows(rows_of(rows, features))
    most = max(1, round(rps * seconds))
    running = Load(target, asked, Shape(rps, min(kept, most), fresh_share, timeout, most, gone_after))
    asyncio.run(_run(running, shown=output is Output.TABLE))
    result = Result(url, rps, tuple(running.records), Objectives(max_p95_ms, max_error_rate))
    if output is Output.JSON:
        print_json(result.to_json())
    else:
        result.show(console())
    if running.gone:
        typer.echo(f"error: {running.gone}; no more requests are sent", err=True)
        raise typer.Exit(GONE)
    if result.missed:
        raise typer.Exit(BROKEN)


async def _run(running: "Load", *, shown: bool) -> None:
    """Until all requests have ended; a signal ends the sending."""
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(sign, running.stop)
    task = asyncio.create_task(running.run())
    if shown and sys.stderr.isatty():
        await _tell(running, task)
    await task


async def _tell(running: "Load", task: "asyncio.Task[None]") -> None:
    """One line on the terminal, written over and over."""
    while not task.done():
        lost = sum(one.lost for one in running.records)
        typer.echo(f"\r{len(running.records):,} requests, {lost:,} not answered", nl=False, err=True)
        await asyncio.wait({task}, timeout=_NEWS_SECONDS)
    typer.echo("\r\033[K", nl=False, err=True)
