"""Rows to ask about, each with the statuses that a model under test is known to answer besides success.

A model that fails on purpose does so for rows known beforehand. So what the model does by itself is told apart from
what the rollout did, and a fault can be started at a definite moment by a change of rows.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Features = Sequence[float] | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One request's body."""

    body: bytes
    expected: frozenset[int] = frozenset()
    """Statuses besides 2xx that some model is known to give."""


def row(features: Features, expected: Iterable[int] = ()) -> Row:
    return Row(json.dumps({"features": features}).encode(), frozenset(expected))


class Rows:
    """Rows in a circle; `use` changes them for the requests that come after."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = tuple(rows)
        self._next = 0

    def use(self, rows: Sequence[Row]) -> None:
        self._rows = tuple(rows)

    def take(self) -> Row:
        taken = self._rows[self._next % len(self._rows)]
        self._next += 1
        return taken
