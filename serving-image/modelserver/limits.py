"""What one client, and all of them together, may take of a port; what is beyond is refused, no model's fault.

The settings say most of it; what depends on the model or on the process is decided here.
"""

import resource
from dataclasses import dataclass

from modelserver.bodies import MAX_ROWS, Columns
from modelserver.settings import KIB, MIB, Bounds, Settings

MOST_BODY_BYTES = 4 * MIB
"""The largest body of any model, unless MODEL_LIMITS says otherwise."""
SPARE_BODY_BYTES = 256 * KIB
VALUE_BYTES = 64
"""Of one value of a row: 17 digits with sign, exponent, separators and indentation, several times over."""
FREE_BYTES = 16 * KIB
"""A connection that holds less is not looked at."""
DESCRIPTORS = 65_536
OTHER_DESCRIPTORS = 256
"""Kept for the health port, files and the loops themselves."""
MOST_BACKLOG = 2048
"""Connections that the kernel keeps for us: a loop accepts all of them at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one port, as `settings.Bounds` has them; `body_bytes` and `connections` are decided."""

    body_bytes: int
    connections: int
    backlog: int
    bounds: Bounds


def of_health_port(settings: Settings) -> Limits:
    """Nobody but the kubelet, the operator and a Prometheus has business there."""
    small = settings.bounds.model_copy(update={"head_bytes": 16 * KIB, "pipelined": 8, "held_bytes": 4 * MIB})
    return Limits(16 * KIB, 64, 64, small)


def of_serving_port(settings: Settings, columns: Columns) -> Limits:
    bounds, spare = settings.bounds, max(32, _descriptors() - OTHER_DESCRIPTORS)
    return Limits(
        body_bytes=bounds.body_bytes or body_bytes(columns),
        connections=min(bounds.connections, spare * 3 // 4),
        backlog=min(MOST_BACKLOG, spare // 4),
        bounds=bounds,
    )


def body_bytes(columns: Columns) -> int:
    """Bytes of the longest body that a model of this width has a use for: 30 columns -> 450 KiB, 500 -> 4 MiB."""
    row = columns.width * VALUE_BYTES + sum(2 * len(name.encode()) for name in columns.names)
    return min(MOST_BODY_BYTES, SPARE_BODY_BYTES + MAX_ROWS * row)


def _descriptors() -> int:
    """Open files that this process may have, after asking for as many as it is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return min(soft, DESCRIPTORS) if soft != resource.RLIM_INFINITY else DESCRIPTORS
