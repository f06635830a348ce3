"""The registries that an administrator has declared: a name, an address, and a folder with credentials.

No ModelRollout can add to them: a spec gives a name and gets what was declared under it, or a refusal.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from modelrollout.registered import REGISTRY


class BadRegistry(ValueError):  # noqa: N818  # named for the fact
    """A declaration cannot be read; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One registry."""

    name: str
    url: str
    """Without a slash at its end."""
    folder: Path | None = None
    """Where its Secret is mounted: `token`, or `username` and `password`; `ca.crt`. Read anew for each request."""


def declared(options: Iterable[str], folder: str = "") -> tuple[Declared, ...]:
    """Registries from options such as "prod=https://mlflow.example.com", each with its own folder below `folder`.

    Raises:
        BadRegistry: naming the option.

    """
    found: dict[str, Declared] = {}
    for option in options:
        one = _declared(option, folder)
        if one.name in found:
            raise BadRegistry(f'the registry "{one.name}" is declared twice; give each a name of its own')
        found[one.name] = one
    return tuple(found.values())


def _declared(option: str, folder: str) -> Declared:
    name, _, url = option.partition("=")
    parts = urlsplit(url)
    if not re.fullmatch(REGISTRY, name) or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadRegistry(f'the registry "{option}" cannot be read; write NAME=https://HOST, with a lower-case name')
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise BadRegistry(
            f'the address of the registry "{name}" holds more than host and path; put credentials into its Secret'
        )
    return Declared(name, url.rstrip("/"), Path(folder) / name if folder else None)
