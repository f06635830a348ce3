"""What people hand to the tools, read and refused in one sentence: samples of rows, and promises about columns."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from modelserver.manifest import Column

Numbers = NDArray[np.float64]


class Unusable(Exception):  # noqa: N818 - what was given, not a mistake of ours
    """Input that nothing can be done with, as a sentence."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows by column; cells are as they were written, since not every column has to be numbers."""

    name: str
    rows: tuple[Mapping[str, Any], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.rows[0])

    def numbers(self, columns: Sequence[str]) -> Numbers:
        """These columns of all rows, in this order.

        Raises:
            Unusable: naming the row and the column that has no finite number.
        """
        found = np.empty((len(self.rows), len(columns)))
        for index, row in enumerate(self.rows):
            for place, column in enumerate(columns):
                found[index, place] = self._number(index, row, column)
        return found

    def _number(self, index: int, row: Mapping[str, Any], column: str) -> float:
        if column not in row:
            raise Unusable(f'{self.name}, row {index + 1}: there is no column "{column}"')
        try:
            number = float(row[column])
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise Unusable(f'{self.name}, row {index + 1}: column "{column}" is "{row[column]}", not a finite number')
        return number


def sample(path: Path) -> Sample:
    """Rows of a CSV file with a header, or of JSON: objects by column, in a list or one a line.

    Raises:
        Unusable: the file cannot be read, or holds no rows.
    """
    text = _text(path)
    rows = _csv(path, text) if path.suffix.lower() == ".csv" else _json_rows(path, text)
    if not rows:
        raise Unusable(f"{path} holds no rows")
    return Sample(str(path), tuple(rows))


def promised(path: Path | None) -> dict[str, Column]:
    """Types and ranges of columns by name, such as {"age": {"type": "integer", "min": 0, "max": 120}}.

    Raises:
        Unusable: naming the column that is not in order.
    """
    if path is None:
        return {}
    asked = _json(path, _text(path))
    if not isinstance(asked, dict) or not all(isinstance(one, dict) for one in asked.values()):
        raise Unusable(f'{path} has to be an object such as {{"age": {{"type": "integer", "min": 0}}}}')
    try:
        whole = json.dumps({name: {"name": name, **one} for name, one in asked.items()})
        return TypeAdapter(dict[str, Column]).validate_json(whole)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in found["loc"])
        raise Unusable(f"{path}: {place}: {found['msg'].removeprefix('Value error, ')}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Unusable(f"{path} is no text in UTF-8") from None
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error


def _csv(path: Path, text: str) -> list[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", restval="")
    names = list(reader.fieldnames or ())
    if len(set(names)) != len(names):
        raise Unusable(f"{path}: its header has a column twice")
    rows = list(reader)
    for number, row in enumerate(rows, start=1):
        if "" in row and "" not in names:
            raise Unusable(f"{path}, row {number}: it has more values than the header has columns")
    return list(rows)


def _json_rows(path: Path, text: str) -> list[Mapping[str, Any]]:
    whole = text.lstrip().startswith("[")
    found = _json(path, text) if whole else [_json(path, line) for line in text.splitlines() if line.strip()]
    return [_row(path, number, row) for number, row in enumerate(found, start=1)]


def _row(path: Path, number: int, row: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON
    inner = row.get("features", row) if isinstance(row, dict) else row  # as `modelrollout load` takes them
    if isinstance(inner, list):
        return {str(place): value for place, value in enumerate(inner)}
    if isinstance(inner, dict) and inner:
        return inner
    raise Unusable(f'{path}, row {number}: a row is an object of numbers by column, such as {{"age": 41}}')


def _json(path: Path, text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{path} is not JSON: {error}; a sample is .csv, or JSON with an object for each row") from error
