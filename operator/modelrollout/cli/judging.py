"""`modelrollout judge` and `modelrollout selftest`: logs of strata, judged by the code that judges a rollout."""

from pathlib import Path
from typing import Annotated

import typer

from modelrollout.cli.answers import Output, refusing


def judge(  # noqa: PLR0917  # typer hands options over by name
    strata: Annotated[Path, typer.Option(help="Log of strata, one JSON object a line; - reads standard input.")],
    alpha: Annotated[float, typer.Option(min=1e-9, max=0.5, help="Probability of a false rollback.")] = 0.01,
    beta: Annotated[float, typer.Option(min=1e-9, max=0.5, help="Probability of a false pass.")] = 0.05,
    margin: Annotated[
        float, typer.Option(min=1.001, max=16, help="At most so many times stable's error rate passes.")
    ] = 2.0,
    tolerance: Annotated[
        float, typer.Option(min=1, max=16, help="At most so many times stable's latency passes.")
    ] = 1.2,
    tolerated_errors: Annotated[
        float, typer.Option(min=1, max=16, help="More than so many times stable's errors are rolled back.")
    ] = 1.0,
    tolerated_latency: Annotated[
        float, typer.Option(min=1, max=16, help="More than so many times stable's latency is rolled back.")
    ] = 1.0,
    output: Annotated[Output, typer.Option("--output", "-o", help="json or table.")] = Output.TABLE,
) -> None:
    """Judge a log of strata offline, by the code that judges a rollout."""
    from modelrollout.api.spec import Compare  # noqa: PLC0415
    from modelrollout.cli.strata import judged  # noqa: PLC0415  # --help answers at once

    asked = Compare(
        false_rollback_rate=alpha,
        false_promotion_rate=beta,
        error_ratio=margin,
        latency_ratio=tolerance,
        tolerated_error_ratio=tolerated_errors,
        tolerated_latency_ratio=tolerated_latency,
    )
    with refusing():
        typer.echo(judged(strata, asked, output))


def selftest(
    strata: Annotated[
        Path, typer.Option(help="Log of strata of one rollout, with stable's pods; - reads standard input.")
    ],
    alpha: Annotated[float, typer.Option(min=1e-9, max=0.5, help="Promised probability of a false rollback.")] = 0.01,
    halvings: Annotated[int, typer.Option(min=1, max=1000, help="At most so many ways to split stable's pods.")] = 40,
    output: Annotated[Output, typer.Option("--output", "-o", help="json or table.")] = Output.TABLE,
) -> None:
    """Judge stable against itself on real traffic: every alarm is a false one.

    Stable's pods are split in halves, and one half is judged as a canary.
    Also says how much requests fail in bursts, by which evidence is divided.
    """
    from modelrollout.cli.strata import selftested  # noqa: PLC0415  # --help answers at once

    with refusing():
        typer.echo(selftested(strata, alpha, halvings, output))
