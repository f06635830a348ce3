"""The few fields of a live object that are the operator's own, compared with what it wrote: whom a hand has changed.

Nothing else is compared. Webhooks, meshes and older releases may have written whatever else differs.
"""

import copy
from collections.abc import Mapping
from typing import Any

from modelrollout import names
from modelrollout.builders.container import server_container
from modelrollout.builders.manifests import Manifest
from modelrollout.core.facts import RevisionSource, Rollout

_PORT_FIELDS = ("port", "targetPort", "protocol")
_VARIABLES = ("MODEL_URI", "MODEL_NAME", "MODEL_VERSION", "MODEL_REVISION", "MODEL_SHA256")
"""Which model a server loads, and as what it counts."""


def of_service(manifest: Manifest, live: Mapping[str, Any]) -> str:
    """What differs in a Service that was last written from this manifest, as a phrase; empty when nothing."""
    ours, found = manifest["spec"]["ports"][0], live["spec"].get("ports") or []
    port = next((one for one in found if one.get("name") == ours["name"]), None)
    if port is None and len(found) == 1:
        port = found[0]
    if port is None:
        return f"has no port {ours['name']}"
    for field in _PORT_FIELDS:
        if field in port and port[field] != ours[field]:
            return f"has {field} {port[field]} in place of {ours[field]}"
    kind, wanted = live["spec"].get("type", "ClusterIP"), manifest["spec"]["type"]
    return f"has type {kind} in place of {wanted}" if kind != wanted else ""


def of_deployment(rollout: Rollout, source: RevisionSource, live: Mapping[str, Any]) -> str:
    """What differs in the server container of a revision's Deployment, as a phrase; empty when nothing."""
    found, ours = _server(live), server_container(rollout, source)
    if found is None:
        return ""
    if found.get("image") != ours["image"]:
        return f"has image {found.get('image')} in place of {ours['image']}"
    wanted, there = _variables(ours), _variables(found)
    for name, value in wanted.items():
        if there.get(name, "") != value:
            return f"has {name}={there.get(name, '')} in place of {value}"
    return ""


def mended(rollout: Rollout, source: RevisionSource, live: Mapping[str, Any]) -> dict[str, Any]:
    """The live Deployment with our image and variables again; everything else stays."""
    put_back = copy.deepcopy(dict(live))
    found, ours = _server(put_back), server_container(rollout, source)
    if found is None:
        return put_back
    wanted = _variables(ours)
    kept = [one for one in found.get("env") or () if one.get("name") not in wanted]
    found["image"] = ours["image"]
    found["env"] = [*({"name": name, "value": value} for name, value in wanted.items()), *kept]
    return put_back


def _server(deployment: Mapping[str, Any]) -> dict[str, Any] | None:
    containers = deployment["spec"]["template"].get("spec", {}).get("containers") or ()
    return next((one for one in containers if one.get("name") == names.SERVER_CONTAINER), None)


def _variables(container: Mapping[str, Any]) -> dict[str, str]:
    env = container.get("env") or ()
    return {one["name"]: str(one.get("value") or "") for one in env if one.get("name") in _VARIABLES}
