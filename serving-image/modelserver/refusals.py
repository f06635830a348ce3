"""Why a body is refused: slow and exact, and run only for bodies that are.

Problems have the shape of FastAPI's own 422 (`detail`: a list of {type, loc, msg}), so that clients need one reader.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from modelserver.bodies import MAX_ROWS, Columns
from modelserver.shown import printable, shown

UNPROCESSABLE, NOT_FOUND, TOO_LARGE = 422, 404, 413
MAX_PROBLEMS = 10
LATEST = "latest"

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where."""

    type: str
    loc: Location
    msg: str

    def told(self) -> dict[str, object]:
        loc = [printable(part) if isinstance(part, str) else part for part in self.loc]
        return {"type": self.type, "loc": loc, "msg": printable(self.msg)}


class RefusedError(Exception):
    """A 4xx, ready to be sent."""

    def __init__(self, status: int, detail: str | list[Problem]) -> None:
        super().__init__(status)
        self.status = status
        told = printable(detail) if isinstance(detail, str) else [problem.told() for problem in detail]
        self.body = json.dumps({"detail": told}).encode()


class OtherVersionError(RefusedError):
    """A 404 that says nothing about the model: the request is meant for another one."""


@dataclass(frozen=True, slots=True)
class Served:
    """The one version of a model that this pod has."""

    name: str
    version: str

    def check(self, asked: object) -> None:
        """Tell requests that are meant for another version; none and "latest" are answered.

        Raises:
            OtherVersionError: naming the version that is served.
        """
        if isinstance(asked, str) and asked not in {self.version, LATEST}:
            sentence = f'this pod serves {self.name} version "{self.version}", not "{shown(asked)}"'
            raise OtherVersionError(NOT_FOUND, sentence)


def too_large(limit: int) -> RefusedError:
    return RefusedError(TOO_LARGE, f"the body has more than {limit} bytes")


def explain(body: bytes, columns: Columns, field: str, served: Served) -> RefusedError:
    """Name what is wrong with a body whose rows are under `field` ("features" for one, "rows" for a batch).

    Raises:
        OtherVersionError: it asks for a version that is not served; what it holds is of no interest then.
    """
    try:
        parsed = json.loads(body)
    except RecursionError:
        return RefusedError(UNPROCESSABLE, [Problem("json_invalid", ("body",), "the JSON is nested too deeply")])
    except ValueError as error:
        return RefusedError(UNPROCESSABLE, [Problem("json_invalid", ("body",), f"the body is not JSON: {error}")])
    if isinstance(parsed, dict):
        served.check(parsed.get("model_version"))
    found: list[Problem] = []
    for problem in _problems(parsed, columns, field):
        found.append(problem)
        if len(found) == MAX_PROBLEMS:
            break
    return RefusedError(UNPROCESSABLE, found or [Problem("invalid", ("body",), "the body cannot be read")])


def _problems(parsed: Any, columns: Columns, field: str) -> Iterator[Problem]:  # noqa: ANN401 - any JSON
    if not isinstance(parsed, dict):
        yield Problem("object_type", ("body",), f'the body has to be an object like {{"{field}": ...}}')
        return
    for name in parsed:
        if name not in {field, "model_version"}:
            yield Problem(
                "extra_forbidden", ("body", shown(name)), f"unknown field; known are {field} and model_version"
            )
    if not isinstance(parsed.get("model_version"), str | None):
        yield Problem("string_type", ("body", "model_version"), "has to be a string")
    if field not in parsed:
        yield Problem("missing", ("body", field), "is missing")
    elif field == "rows":
        yield from _problems_of_rows(parsed["rows"], columns)
    else:
        yield from _problems_of_row(parsed[field], columns, ("body", field))


def _problems_of_rows(rows: Any, columns: Columns) -> Iterator[Problem]:  # noqa: ANN401
    if not isinstance(rows, list):
        yield Problem("list_type", ("body", "rows"), "has to be a list of rows")
        return
    if not 1 <= len(rows) <= MAX_ROWS:
        yield Problem("too_long", ("body", "rows"), f"1 to {MAX_ROWS} rows are taken at once, not {len(rows)}")
        return
    for number, row in enumerate(rows):
        yield from _problems_of_row(row, columns, ("body", "rows", number))


def _problems_of_row(row: Any, columns: Columns, loc: Location) -> Iterator[Problem]:  # noqa: ANN401
    if isinstance(row, dict):
        yield from _problems_of_names(row, columns, loc)
        values: Any = row.items()
    elif isinstance(row, list):
        if len(row) != columns.width:
            yield Problem("wrong_length", loc, f"the model takes {columns.width} values, not {len(row)}")
        values = enumerate(islice(row, columns.width))  # what is too long is told already
    else:
        yield Problem("features_type", loc, "has to be a list of numbers or an object of numbers by column")
        return
    for key, value in values:
        place = (*loc, shown(key) if isinstance(key, str) else key)
        if message := wrong_number(value, columns.largest):
            yield Problem("finite_number", place, message)
        elif message := columns.problem(key, value):
            yield Problem("out_of_range", place, message)


def _problems_of_names(row: Mapping[str, Any], columns: Columns, loc: Location) -> Iterator[Problem]:
    if not columns.names:
        yield Problem("names_unknown", loc, f"this model has no column names; send a list of {columns.width} numbers")
        return
    for name in columns.names:
        if name not in row:
            yield Problem("missing", (*loc, name), "this column is missing")
    known = set(columns.names)
    for name in row:
        if name not in known:
            yield Problem("extra_forbidden", (*loc, shown(name)), "the model has no such column")


def wrong_number(value: Any, largest: float) -> str | None:  # noqa: ANN401
    """What is wrong with a number; None where nothing is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "has to be a number"
    if value != value:  # noqa: PLR0124 - true for NaN alone
        return "has to be finite, not NaN"
    if not -largest <= value <= largest:
        return f"has to be finite and at most {largest:.3g} in size"
    return None
