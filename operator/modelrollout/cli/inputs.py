"""What `modelrollout load` is given, read and refused in one sentence: an address, and rows to ask about."""

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from modelrollout.cli.answers import Unusable
from modelrollout.traffic.connection import PREDICT, Target
from modelrollout.traffic.rows import Row, row


def target_of(url: str) -> Target:
    """Where an address points; /v1/predict where it names no path.

    Raises:
        Unusable: no http address, or a host that nobody knows.

    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        raise Unusable(
            f"{url} asks for TLS, which this client does not speak; use http://, through kubectl port-forward"
        )
    if parts.scheme != "http" or not parts.hostname:
        raise Unusable(f'"{url}" is no address of a server; write for instance http://127.0.0.1:8080')
    path = parts.path if parts.path not in {"", "/"} else PREDICT
    return Target(_address(parts), _port(parts), f"{path}?{parts.query}" if parts.query else path, parts.netloc)


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or 80
    except ValueError:
        raise Unusable(f'"{parts.netloc}" has no port between 1 and 65535') from None


def _address(parts: SplitResult) -> str:
    """Resolved once: a resolver is no part of what is measured."""
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, _port(parts), socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise Unusable(f"{host} has no IPv4 address: {(error.strerror or str(error)).lower()}") from error
    return str(found[0][4][0])


def rows_of(file: str, features: str) -> tuple[Row, ...]:
    """The rows of a file, or the one that was given as features.

    Raises:
        Unusable: neither or both, no such file, or a line that is no row.

    """
    if bool(file) == bool(features):
        raise Unusable("give --features '[1.0, 2.0]' or --rows FILE, so that there is something to ask about")
    if features:
        return (row(_checked(_json(features, "--features"), "--features")),)
    found = tuple(_row(fields, place) for place, fields in _objects(file, _text(file)))
    if not found:
        raise Unusable(f'{file} holds no rows; write a line such as {{"features": [1.0, 2.0]}} for each')
    return found


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Unusable(f"{file} is no text in UTF-8") from None
    except OSError as error:
        raise Unusable(f"{file} cannot be read: {(error.strerror or str(error)).lower()}") from error


def _objects(file: str, text: str) -> Iterator[tuple[str, Any]]:
    """Each row with its place: the items of one JSON list, or a line each. No row begins like a list."""
    if text.lstrip().startswith("["):
        for number, fields in enumerate(_json(text, file), start=1):
            yield f"{file}, row {number}", fields
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"{file}, line {number}", _json(line, f"{file}, line {number}")


def _row(fields: Any, place: str) -> Row:  # noqa: ANN401  # JSON of any shape
    if not isinstance(fields, dict) or "features" not in fields:
        raise Unusable(f'{place}: a row is an object with features, such as {{"features": [1.0, 2.0]}}')
    return row(_checked(fields["features"], place))


def _json(text: str, place: str) -> Any:  # noqa: ANN401  # JSON of any shape
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unusable(f"{place} is not JSON: {error}") from error


def _checked(features: Any, place: str) -> Any:  # noqa: ANN401  # JSON of any shape
    if isinstance(features, list | dict) and features:
        return features
    raise Unusable(f"{place}: features are a list of numbers or an object of numbers by name, and not empty")
