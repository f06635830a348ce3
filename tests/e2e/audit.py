"""What the API server's audit log says was written, on the self-built cluster."""

import json
from dataclasses import dataclass
from pathlib import Path

from stage.programs import Programs

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Write:
    verb: str
    resource: str
    name: str
    user: str


class AuditLog:
    """The log from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin = path.stat().st_size

    @classmethod
    def of(cls, tools: Programs) -> "AuditLog":
        return cls(tools.places.node.audit_log)

    def writes(self, namespace: str, resource: str = "") -> list[Write]:
        """Writes to objects of a namespace, of one kind or of all, since the log was opened; subresources count too."""
        with self._path.open("rb") as file:
            file.seek(self._begin)
            entries = [json.loads(line) for line in file if line.endswith(b"\n")]
        found = []
        for entry in entries:
            target = entry.get("objectRef") or {}
            kind = target.get("resource", "")
            if kind != (resource or kind) or target.get("namespace") != namespace:
                continue
            if entry["verb"] in WRITES and entry["stage"] == "ResponseComplete":
                found.append(Write(entry["verb"], kind, target.get("name", ""), entry["user"]["username"]))
        return found


def by_operator(writes: list[Write]) -> list[Write]:
    return [one for one in writes if one.user.startswith("system:serviceaccount:modelrollout-system:")]
