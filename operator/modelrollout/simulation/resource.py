"""The ModelRollout object of the simulated world: spec as people write it, status with compare-and-swap."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import ModelRolloutStatus
from modelrollout.core.facts import Rollout
from modelrollout.salvage import read_spec


class Stale(Exception):  # noqa: N818  # what the API server calls a conflict
    """The object has changed since it was read."""


class Unwritten(Exception):  # noqa: N818  # what became of a write
    """The API server did not take a write of the status."""


@dataclass(slots=True)
class Resource:
    """One ModelRollout in the store."""

    name: str
    written: dict[str, Any] = field(default_factory=dict)
    """spec as the user wrote it."""
    parsed: ModelRolloutSpec | None = None
    invalid: str = ""
    """Why the spec cannot be followed."""
    annotations: dict[str, str] = field(default_factory=dict)
    status: ModelRolloutStatus = field(default_factory=ModelRolloutStatus)
    generation: int = 0
    version: int = 1
    writable: bool = True
    """Whether the API server takes writes of the status now."""
    largest: int = 0
    """Bytes of the largest status ever written."""

    def edit(self, changes: Mapping[str, Any]) -> None:
        """Merge changes into the spec; None takes a field out."""
        self.written = merged(self.written, changes)
        self.parsed, self.invalid = read_spec(self.written)
        self.generation += 1
        self.version += 1

    def annotate(self, key: str, value: str) -> None:
        self.annotations = self.annotations | {key: value}
        self.version += 1

    def erase_status(self) -> None:
        self.status = ModelRolloutStatus()
        self.version += 1

    def commit(self, status: ModelRolloutStatus, version: int) -> None:
        """Write the status as the API server would: as JSON, on the version that was read.

        Raises:
            Stale: another write came first.
            Unwritten: the API server does not take it.

        """
        if not self.writable:
            raise Unwritten
        if version != self.version:
            raise Stale
        written = status.to_json()
        self.largest = max(self.largest, len(json.dumps(written)))
        self.status = ModelRolloutStatus.model_validate(written)
        self.version += 1

    def read(self) -> Rollout:
        return Rollout(
            namespace="default",
            name=self.name,
            uid="uid-of-" + self.name,
            generation=self.generation,
            spec=self.parsed,
            status=self.status,
            model=self.written.get("model", {}),
            server=self.written.get("server", {}),
            annotations=self.annotations,
            invalid=self.invalid,
        )


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` merged in as `kubectl patch --type merge` does."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[key] = value
    return result
