"""Durations as people write them in manifests: "500ms", "5s", "10m", "1h30m"."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

PATTERN = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
_UNITS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = re.compile(r"([0-9]+)(ms|h|m|s)")


def parse(text: str) -> timedelta:
    """Read "1h30m" and the like.

    Raises:
        ValueError: when the text is empty or has anything but whole numbers with h, m, s or ms, largest unit first.
    """
    if not text or not re.match(PATTERN, text):
        raise ValueError(f'"{text}" is not a duration; write for instance 30s, 5m or 1h30m')
    return timedelta(milliseconds=sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def show(value: timedelta) -> str:
    """The shortest text that `parse` reads back."""
    left = round(value.total_seconds() * 1000)
    parts = []
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def _coerce(value: object) -> object:
    return parse(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_coerce),
    PlainSerializer(show, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "minLength": 1, "maxLength": 24}),
]
