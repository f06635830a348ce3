"""How the offline commands answer: tables for people, JSON for programs, one sentence and exit code 2 for bad input."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import typer
from rich.console import Console

BAD_INPUT = 2


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"


class Unusable(Exception):  # noqa: N818  # what was given, not a mistake of ours
    """Input that nothing can be done with, as a sentence."""


@contextmanager
def refusing() -> Iterator[None]:
    """End with one sentence and exit code 2 where the input cannot be used."""
    try:
        yield
    except Unusable as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from None


def print_json(answer: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(answer, indent=2))


def console() -> Console:
    """Colours on a terminal, plain text elsewhere; texts are data, so nothing in them is markup."""
    return Console(highlight=False, markup=False, emoji=False)
