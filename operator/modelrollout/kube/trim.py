"""Pods without what nobody here reads: a thousand rollouts of three pods fit into memory without their specs."""

from modelrollout import names
from modelrollout.kube.resources import Object

_META = ("name", "namespace", "uid", "resourceVersion", "labels", "creationTimestamp", "deletionTimestamp")
_CONTAINER = ("name", "resources", "startupProbe")


def pod(obj: Object) -> Object:
    """A pod's identity, status, node, and the server container's limits and startup probe."""
    spec = obj.get("spec") or {}
    servers = [one for one in spec.get("containers") or [] if one.get("name") == names.SERVER_CONTAINER]
    return {
        "metadata": {key: obj["metadata"][key] for key in _META if key in obj["metadata"]},
        "spec": {
            "nodeName": spec.get("nodeName", ""),
            "containers": [{key: one[key] for key in _CONTAINER if key in one} for one in servers],
        },
        "status": obj.get("status") or {},
    }
