"""The Service in front of the model, and the preview Service of a blue-green rollout.

The builders only ever set the selector at creation; afterwards it is moved by decisions of its own and is not part of
the applied hash.
"""

from collections.abc import Mapping
from typing import Any

from modelrollout import names
from modelrollout.api.spec import Service, ServiceType
from modelrollout.builders.manifests import Manifest, metadata, sealed
from modelrollout.core.facts import Rollout

_DESCRIBING = "app.kubernetes.io"
"""The domain of the labels that Kubernetes recommends, which say what an application is."""


def service(rollout: Rollout, selector: Mapping[str, str]) -> Manifest:
    """The Service that clients use."""
    asked = rollout.spec.service if rollout.spec else Service()
    meta = _metadata(rollout, names.service(rollout.name))
    meta["annotations"] |= dict(sorted(asked.annotations.items()))
    return sealed(_manifest(meta, asked, selector))


def preview_service(rollout: Rollout, selector: Mapping[str, str]) -> Manifest:
    """The Service that people and tests reach the new model by before clients do; never open to the outside."""
    asked = rollout.spec.service if rollout.spec else Service()
    inside = asked.but(type=ServiceType.CLUSTER_IP)
    return sealed(_manifest(_metadata(rollout, names.preview_service(rollout.name)), inside, selector))


def _metadata(rollout: Rollout, name: str) -> dict[str, Any]:
    """Of the rollout's own annotations a Service gets those that are allowed: some open it to the outside.

    Labels of a tool's domain do so, too (a mesh exports a Service by one); ours and those without a domain do not.
    """
    meta, allows = metadata(rollout, name), rollout.exposure.allows
    labels = {key: value for key, value in meta["labels"].items() if _means_nothing(key) or allows(key)}
    return meta | {
        "labels": labels,
        "annotations": {key: one for key, one in meta["annotations"].items() if allows(key)},
    }


def _means_nothing(label: str) -> bool:
    domain, slash, _ = label.partition("/")
    return not slash or domain in {names.GROUP, _DESCRIBING}


def _manifest(meta: dict[str, Any], asked: Service, selector: Mapping[str, str]) -> Manifest:
    port = {"name": "http", "port": asked.port, "targetPort": names.SERVING_PORT, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"type": asked.type.value, "selector": dict(selector), "ports": [port]},
    }
