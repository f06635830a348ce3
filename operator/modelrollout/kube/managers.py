"""Who else wrote an object's spec last: all that is kept of managedFields, which would be half of the memory."""

from collections.abc import Mapping
from typing import Any

from modelrollout.kube.resources import Object
from modelrollout.printable import said

FIELD_MANAGER = "modelrollout"
"""The name under which the API server notes what the operator writes."""
_KEPT = ("manager", "time")


def keep_last_writer(metadata: dict[str, Any]) -> None:
    """Cut managedFields down to the entry of the last writer of the spec but the operator; drop all without one."""
    found = [one for one in metadata.pop("managedFields", None) or () if _writes_the_spec(one)]
    if found:
        last = max(found, key=lambda one: str(one.get("time") or ""))
        metadata["managedFields"] = [{key: last[key] for key in _KEPT if key in last}]


def last_writer(obj: Mapping[str, Any]) -> str:
    """The name of who wrote it last, as kubectl or a controller calls itself; empty where only the operator has."""
    kept = obj["metadata"].get("managedFields") or ()
    return said(str(kept[0].get("manager") or "")) if kept else ""


def without_managers(obj: Object) -> Object:
    """The object as it may be sent: the API server keeps managedFields itself."""
    if "managedFields" not in obj["metadata"]:
        return obj
    return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


def _writes_the_spec(entry: Any) -> bool:  # noqa: ANN401  # any server may answer anything
    """Status and scale are written through subresources."""
    if not isinstance(entry, dict) or entry.get("manager") == FIELD_MANAGER or entry.get("subresource"):
        return False
    fields = entry.get("fieldsV1")
    return isinstance(fields, dict) and "f:spec" in fields
