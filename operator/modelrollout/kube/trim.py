"""Pods without what nobody here reads: a thousand rollouts of three pods fit into memory without their specs."""

from modelrollout import names
from modelrollout.kube.resources import Object

_META = ("name", "namespace", "uid", "resourceVersion", "labels", "creationTimestamp", "deletionTimestamp")
_SPEC = ("nodeName", "schedulingGates", "readinessGates", "volumes")
_CONTAINER = ("name", "resources", "startupProbe")
_INIT = ("name", "restartPolicy")


def pod(obj: Object) -> Object:
    """A pod's identity, status, node, volumes and gates, and the server container's limits and startup probe."""
    spec = obj.get("spec") or {}
    servers = [one for one in spec.get("containers") or [] if one.get("name") == names.SERVER_CONTAINER]
    first = [{key: one[key] for key in _INIT if key in one} for one in spec.get("initContainers") or []]
    return {
        "metadata": {key: obj["metadata"][key] for key in _META if key in obj["metadata"]},
        "spec": {
            **{key: spec[key] for key in _SPEC if spec.get(key)},
            "containers": [{key: one[key] for key in _CONTAINER if key in one} for one in servers],
            **({"initContainers": first} if first else {}),
        },
        "status": obj.get("status") or {},
    }
