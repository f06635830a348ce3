"""The Job that asks a registry of the rollout's own namespace which version an alias names.

It runs where the rollout's pods run and as what they run: the service account, the variables and the Secrets that the
spec names. Its image is the operator's default one, since not every server that a spec names can resolve. What only a
server needs is left out: other containers, probes, claims of storage, rules of spreading.
"""

from collections.abc import Mapping
from typing import Any

from modelrollout import names, registered
from modelrollout.builders.container import confined, environment
from modelrollout.builders.deployment import RESTRICTED
from modelrollout.builders.manifests import Manifest, labels, metadata, sealed
from modelrollout.builders.pod_template import merge
from modelrollout.core.facts import Rollout

DEADLINE_SECONDS = 300
"""A node may have to pull the image first."""
KEPT_SECONDS = 60
"""Where nobody takes the answer, as after a crash."""
RESOURCES = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}

_POD = frozenset(
    {
        "automountServiceAccountToken",
        "dnsConfig",
        "dnsPolicy",
        "hostAliases",
        "imagePullSecrets",
        "nodeSelector",
        "priorityClassName",
        "runtimeClassName",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "tolerations",
    }
)
_SERVER = frozenset({"env", "envFrom", "securityContext"})
_FILES = frozenset({"configMap", "downwardAPI", "emptyDir", "projected", "secret"})
"""Kinds of volumes that any number of pods may mount at the same time."""


def resolver(rollout: Rollout, image: str) -> Manifest:
    """The Job, which is one pod and is not tried again: its end is an answer.

    Raises:
        ForbiddenTemplate: when the spec's pod template touches what belongs to the operator.

    """
    return sealed(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata(rollout, names.resolver(rollout.name)),
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": DEADLINE_SECONDS,
                "ttlSecondsAfterFinished": KEPT_SECONDS,
                "template": merge(_ours(rollout, image), _theirs(rollout.server.get("podTemplate") or {})),
            },
        }
    )


def _ours(rollout: Rollout, image: str) -> Manifest:
    return {
        "metadata": {"labels": labels(rollout)},
        "spec": {
            "containers": [_container(rollout, image)],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": RESTRICTED,
        },
    }


def _container(rollout: Rollout, image: str) -> dict[str, Any]:
    """Called as a server is, so that the same is merged over it, and the same is read from its end."""
    asked = {"MODEL_URI": str(rollout.model.get("uri", "")), "MODEL_REGISTRY": registered.own(rollout.model)}
    container = {
        "name": names.SERVER_CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["resolve"],
        "env": environment(asked, rollout.server.get("env") or ()),
        "resources": RESOURCES,
        "securityContext": confined(rollout.server),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    env_from = rollout.server.get("envFrom")
    return container | {"envFrom": list(env_from)} if env_from else container


def _theirs(template: Mapping[str, Any]) -> Manifest:
    """What of the user's pod template concerns a pod that only asks."""
    spec = template.get("spec") or {}
    volumes = [one for one in spec.get("volumes") or () if _FILES & one.keys()]
    kept = {key: value for key, value in spec.items() if key in _POD}
    servers = [one for one in spec.get("containers") or () if one.get("name") == names.SERVER_CONTAINER]
    theirs = kept | {"volumes": volumes, "containers": [_asking(one, volumes) for one in servers]}
    return {"metadata": template.get("metadata") or {}, "spec": theirs}


def _asking(server: Mapping[str, Any], volumes: list[dict[str, Any]]) -> dict[str, Any]:
    mounted = {one["name"] for one in volumes}
    mounts = [one for one in server.get("volumeMounts") or () if one.get("name") in mounted]
    kept = {key: value for key, value in server.items() if key in _SERVER}
    return kept | {"name": names.SERVER_CONTAINER, "volumeMounts": mounts}
