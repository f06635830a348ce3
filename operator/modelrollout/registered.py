"""Models by their names in a registry: `models:/churn@champion`, `models:/churn/7`, `models://prod/churn/7`.

The form is MLflow's. What stands between `//` and `/` is the name of a registry that the administrator has declared,
never an address; without it the first declared one is meant, or the registry of its own that a spec gives beside the
address. Pure: nobody is asked anything here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

REGISTRY = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_MODEL = "[A-Za-z0-9_]([A-Za-z0-9 ._-]{0,198}[A-Za-z0-9_])?"
_ALIAS = "[A-Za-z0-9_-]{1,255}"
VERSION = "[1-9][0-9]{0,8}"
PATTERN = f"^models:(//{REGISTRY})?/{_MODEL}(@{_ALIAS}|/{VERSION})$"
"""In the dialect of CEL, so without names for the parts."""
ADDRESS = "^https?://[^@?# ]+$"
"""Of a registry: host and path, no credentials."""

_PARTS = re.compile(
    f"models:(?://(?P<registry>{REGISTRY}))?/(?P<model>{_MODEL})(?:@(?P<alias>{_ALIAS})|/(?P<version>{VERSION}))"
)


@dataclass(frozen=True, slots=True)
class Registered:
    """One model of a registry, by an alias or by a version; the other one is empty."""

    registry: str
    """Empty for the first one that is declared."""
    model: str
    alias: str = ""
    version: str = ""

    def at(self, version: str) -> str:
        """The address of one version of this model."""
        where = f"//{self.registry}" if self.registry else ""
        return f"models:{where}/{self.model}/{version}"


def parsed(uri: object) -> Registered | None:
    """What an address names in a registry; None for any other address."""
    found = _PARTS.fullmatch(uri) if isinstance(uri, str) else None
    if found is None:
        return None
    return Registered(
        registry=found["registry"] or "",
        model=found["model"],
        alias=found["alias"] or "",
        version=found["version"] or "",
    )


def own(model: Mapping[str, Any]) -> str:
    """Address of the registry that a spec's model brings along; empty where it brings none."""
    return str(model.get("registry") or "").rstrip("/")


def is_version(value: object) -> TypeGuard[str]:
    """Whether a registry's answer is a version that can be named."""
    return isinstance(value, str) and re.fullmatch(VERSION, value) is not None


def is_checksum(value: object) -> TypeGuard[str]:
    """Whether it is a SHA-256 as the pods compare it; that there is none is said by an empty text."""
    return isinstance(value, str) and re.fullmatch("([0-9a-f]{64})?", value) is not None


def declared(name: str, urls: Mapping[str, str]) -> str:
    """Name of the declared registry that is meant by a name, which may be empty; empty where there is none."""
    first = next(iter(urls), "")
    return name if name in urls else "" if name else first
