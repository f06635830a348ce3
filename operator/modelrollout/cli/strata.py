"""`modelrollout judge` and `selftest`: a log of strata read from a file, judged, and said as JSON or as a table."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelrollout.api.spec import Compare
from modelrollout.cli.answers import Output, Unusable
from modelrollout.judge.comparing import comparing
from modelrollout.judge.replay import BadStratum, document, replay
from modelrollout.judge.selftest import METRICS, NothingToSplit, SelfTest, selftest

STANDARD_INPUT = Path("-")


def judged(strata: Path, asked: Compare, output: Output) -> str:
    """What the log says.

    Raises:
        Unusable: for a file that cannot be read or has a line that is no stratum.

    """
    with _naming(strata):
        found = document(replay(_lines(strata), comparing(asked)))
    return json.dumps(found, indent=2) if output is Output.JSON else _table(found)


def selftested(strata: Path, alpha: float, most: int, output: Output) -> str:
    """How often the judge would take stable back if half of it were a canary.

    Raises:
        Unusable: for a file that cannot be read, has a line that is no stratum, or in which stable has one pod.

    """
    with _naming(strata):
        found = selftest(_lines(strata), comparing(Compare(false_rollback_rate=alpha)), most)
    if output is Output.JSON:
        return json.dumps({"alpha": alpha, "false_alarm_rate": found.rate} | asdict(found), indent=2)
    return _self_told(found, alpha)


def _lines(strata: Path) -> list[str]:
    text = sys.stdin.read() if strata == STANDARD_INPUT else strata.read_text(encoding="utf-8")
    return text.splitlines()


@contextmanager
def _naming(strata: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"cannot read {strata}: {error}") from error
    except (BadStratum, NothingToSplit) as error:
        raise Unusable(f"{strata}, {error}") from error


def _self_told(found: SelfTest, alpha: float) -> str:
    rows = [("METRIC", "FALSE ALARMS", "DISPERSION")]
    rows += [
        (metric, f"{found.alarms[metric]} of {found.halvings}", f"{found.dispersion[metric]:.2f}") for metric in METRICS
    ]
    end = f"{found.any_alarm} of {found.halvings} halvings of stable's {found.pods} pods would have been taken back"
    return "\n".join(
        (*_aligned(rows), f"{end} ({found.rate:.3f}; promised at most {alpha:g}) in {found.strata} strata")
    )


def _table(found: Mapping[str, Any]) -> str:
    rows = [("METRIC", "VERDICT", "LOG E", "P", "RATIO", "LOW", "HIGH", "LOG E NO WORSE")]
    for metric, one in found["metrics"].items():
        numbers = (one.get(key) for key in ("log_e", "p", "risk_ratio", "low", "high", "log_e_noninferior"))
        rows.append((metric, one["verdict"], *("-" if number is None else f"{number:.4g}" for number in numbers)))
    return "\n".join((*_aligned(rows), f"verdict: {found['verdict']} after {found['strata']} strata"))


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
