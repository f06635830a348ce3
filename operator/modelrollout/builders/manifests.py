"""What all manifests have in common: labels and annotations that come from the rollout, the owner, the applied hash.

A mutating webhook may change what we write. Comparing the live object with ours would then find a difference for
ever, so each manifest carries a hash of itself, and a live object that carries the same hash needs no write.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from modelrollout import names, revisions
from modelrollout.core.facts import Rollout

Manifest = dict[str, Any]

_HASH_DIGITS = 16
_TOOL_DOMAINS = (
    names.GROUP,
    "kubectl.kubernetes.io",
    "deployment.kubernetes.io",
    "argocd.argoproj.io",
    "helm.sh",
    "toolkit.fluxcd.io",
)
"""Keys under these domains tell a tool about the one object they are on. Copied to a child, Argo CD would take the
child for a thing of its own, and kubectl's copy of the last applied manifest would be a wrong one."""

_OURS = frozenset({names.APP_NAME_LABEL, names.APP_VERSION_LABEL, names.APP_MANAGED_BY_LABEL})
_MOVED_BY_DECISIONS = {"Service": "selector", "Deployment": "replicas"}
"""Fields under spec that decisions write on their own, outside the builders."""


def labels(rollout: Rollout, version: str = "") -> names.Labels:
    """The rollout's own labels, and ours; `version` for what belongs to one model version."""
    ours = {
        names.APP_NAME_LABEL: rollout.name,
        names.APP_MANAGED_BY_LABEL: names.MANAGER,
        names.NAME_LABEL: rollout.name,
    }
    if version:
        ours[names.APP_VERSION_LABEL] = version
    return _passed_on(rollout.labels) | ours


def annotations(rollout: Rollout) -> dict[str, str]:
    """The rollout's own annotations, without those that tell tools about the rollout itself."""
    return _passed_on(rollout.annotations)


def owner(rollout: Rollout) -> dict[str, Any]:
    """Reference to the rollout as controller; deleting it deletes the child, and waits for none."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": rollout.name,
        "uid": rollout.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def metadata(rollout: Rollout, name: str, version: str = "") -> dict[str, Any]:
    """Metadata of a child of the rollout."""
    return {
        "name": name,
        "namespace": rollout.namespace,
        "labels": labels(rollout, version),
        "annotations": annotations(rollout),
        "ownerReferences": [owner(rollout)],
    }


def applied_hash(manifest: Mapping[str, Any]) -> str:
    """Hash of a manifest as we would apply it: 16 hexadecimal digits.

    Left out are the annotation that holds it, a Service's selector and a Deployment's replicas: those are moved by
    decisions of their own.
    """
    meta, spec = manifest["metadata"], manifest["spec"]
    kept = _without(meta["annotations"], names.APPLIED_ANNOTATION)
    plain = {
        **manifest,
        "metadata": meta | {"annotations": kept},
        "spec": _without(spec, _MOVED_BY_DECISIONS.get(manifest["kind"], "")),
    }
    return hashlib.sha256(revisions.canonical(plain).encode()).hexdigest()[:_HASH_DIGITS]


def _without(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: one for name, one in value.items() if name != key}


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with its own hash in the applied annotation."""
    meta = manifest["metadata"]
    kept = meta["annotations"] | {names.APPLIED_ANNOTATION: applied_hash(manifest)}
    return manifest | {"metadata": meta | {"annotations": kept}}


def is_applied(manifest: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether the live object was last written from this sealed manifest, so that there is nothing to write."""
    found = live.get("metadata", {}).get("annotations") or {}
    return bool(found.get(names.APPLIED_ANNOTATION) == manifest["metadata"]["annotations"][names.APPLIED_ANNOTATION])


def _passed_on(keys: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in sorted(keys.items()) if key not in _OURS and not _is_a_tools(key)}


def _is_a_tools(key: str) -> bool:
    domain = key.partition("/")[0] if "/" in key else ""
    return any(domain == one or domain.endswith(f".{one}") for one in _TOOL_DOMAINS)
