"""`modelrollout judge`: a log of strata read from a file, judged, and said as JSON or as a table."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelrollout.api.spec import Compare
from modelrollout.judge.comparing import comparing
from modelrollout.judge.replay import BadStratum, document, replay
from modelrollout.settings import OutputFormat

STANDARD_INPUT = Path("-")


class BadLog(Exception):  # noqa: N818  # says what is wrong with a file
    """A log that cannot be judged; the text names the file."""


def judged(strata: Path, asked: Compare, output: OutputFormat) -> str:
    """What the log says.

    Raises:
        BadLog: for a file that cannot be read or has a line that is no stratum.

    """
    try:
        text = sys.stdin.read() if strata == STANDARD_INPUT else strata.read_text(encoding="utf-8")
        found = document(replay(text.splitlines(), comparing(asked)))
    except (OSError, UnicodeDecodeError) as error:
        raise BadLog(f"cannot read {strata}: {error}") from error
    except BadStratum as error:
        raise BadLog(f"{strata}, {error}") from error
    return json.dumps(found, indent=2) if output is OutputFormat.JSON else _table(found)


def _table(found: Mapping[str, Any]) -> str:
    rows = [("METRIC", "VERDICT", "LOG E", "P", "RATIO", "LOW", "HIGH", "LOG E NO WORSE")]
    for metric, one in found["metrics"].items():
        numbers = (one.get(key) for key in ("log_e", "p", "risk_ratio", "low", "high", "log_e_noninferior"))
        rows.append((metric, one["verdict"], *("-" if number is None else f"{number:.4g}" for number in numbers)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join((*lines, f"verdict: {found['verdict']} after {found['strata']} strata"))
