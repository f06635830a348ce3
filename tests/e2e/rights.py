"""What a service account asked the API server for, by the audit log, beside what its roles let it do."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

Right = tuple[str, str]
"""Kind of object ("deployments.apps", "modelrollouts.modelrollout.dev/status") and verb."""

FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Asked:
    """All that one user asked for."""

    allowed: frozenset[Right]
    refused: frozenset[Right]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where rights and needs differ."""

    too_few: frozenset[Right]
    """Asked for and refused."""
    too_many: frozenset[Right]
    """Granted, never asked for, and not known as rare."""
    from_elsewhere: frozenset[Right]
    """Asked for and allowed, but not by the chart: somebody has bound another role to the account."""


def asked(lines: Iterable[str | bytes], user: str) -> Asked:
    """Read an audit log; lines that are cut off, and requests for no object (/version), are passed over."""
    allowed: set[Right] = set()
    refused: set[Right] = set()
    for line in lines:
        entry = _parsed(line)
        target = entry.get("objectRef") or {}
        if entry.get("user", {}).get("username") != user or not target.get("resource"):
            continue
        code = (entry.get("responseStatus") or {}).get("code", 0)
        (refused if code == FORBIDDEN else allowed).add(_right(entry["verb"], target))
    return Asked(frozenset(allowed), frozenset(refused - allowed))


def compared(granted: Iterable[Right], done: Asked, rare: Iterable[Right] = ()) -> Comparison:
    """What a chart grants beside what was asked for; `rare` are rights that a quiet run does not need."""
    rights = frozenset(granted)
    return Comparison(
        too_few=done.refused,
        too_many=rights - done.allowed - done.refused - frozenset(rare),
        from_elsewhere=done.allowed - rights,
    )


def _parsed(line: str | bytes) -> dict[str, dict[str, str]]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _right(verb: object, target: dict[str, str]) -> Right:
    group, sub = target.get("apiGroup", ""), target.get("subresource", "")
    kind = f"{target['resource']}.{group}" if group else target["resource"]
    return (f"{kind}/{sub}" if sub else kind), str(verb)
