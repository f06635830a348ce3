"""When the writes of a rollback reached the API server, from its audit log: where the time between them goes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

BACKWARDS = 32 * 2**20
"""Bytes at the log's end that are read: much more than a round makes."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write that succeeded."""

    time: float
    """When it was received, in seconds since the epoch."""
    verb: str
    what: str
    """Resource, with its subresource: "modelrollouts/status"."""


@dataclass(frozen=True, slots=True)
class Writes:
    """The writes that carry out a rollback, in seconds since the epoch; None for one that was not seen."""

    status: float | None
    """The status that says so: the verdict is there."""
    route: float | None
    """The Service's selector."""
    endpoints: float | None
    """The first EndpointSlice after it: from here on kube-proxy knows."""
    scale: float | None
    """The bad Deployment's size."""
    delete: float | None
    """The first pod's deletion."""


def writes_since(log: Path, namespace: str, began: float) -> Writes:
    """The first move of the Service's selector after a moment, and the writes around it."""
    seen = [one for one in _writes(log, namespace) if one.time >= began]
    route = _first(seen, "services", "patch")
    after = [one for one in seen if route is not None and one.time >= route]
    statuses = [
        one.time for one in seen if one.what == "modelrollouts/status" and route is not None and one.time <= route
    ]
    return Writes(
        status=max(statuses, default=None),
        route=route,
        endpoints=_first(after, "endpointslices", "update"),
        scale=_first(after, "deployments", "patch"),
        delete=_first(after, "pods", "delete"),
    )


def _first(writes: list[Write], what: str, verb: str) -> float | None:
    return min((one.time for one in writes if (one.what, one.verb) == (what, verb)), default=None)


def _writes(log: Path, namespace: str) -> Iterator[Write]:
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - BACKWARDS))
        for line in file:
            if namespace.encode() not in line or b'"verb":"get"' in line or b'"verb":"watch"' in line:
                continue
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the first line may be cut
            if _is_done(event, namespace):
                yield _write(event)


def _is_done(event: Mapping[str, Any], namespace: str) -> bool:
    done = event.get("stage") == "ResponseComplete" and event.get("responseStatus", {}).get("code", 500) < 300  # noqa: PLR2004  # success
    return done and event.get("objectRef", {}).get("namespace") == namespace


def _write(event: Mapping[str, Any]) -> Write:
    ref = event["objectRef"]
    what = f"{ref['resource']}/{ref['subresource']}" if "subresource" in ref else ref["resource"]
    return Write(datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(), event["verb"], what)
