"""What all manifests have in common: labels and annotations that come from the rollout, the owner, the applied hash.

A mutating webhook may change what we write. Comparing the live object with ours would then find a difference for
ever, so each manifest carries a hash of itself, and a live object that carries the same hash needs no write. It also
carries the names of the keys that came from people, so that one that they take back is taken away from the child, too,
and what somebody else has put there stays.
"""

import hashlib
import json
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
_PARTS = ("labels", "annotations")
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
    """The manifest with the keys it passes on and with its own hash, each in an annotation."""
    manifest = _recorded(manifest)
    meta = manifest["metadata"]
    kept = meta["annotations"] | {names.APPLIED_ANNOTATION: applied_hash(manifest)}
    return manifest | {"metadata": meta | {"annotations": kept}}


def _recorded(manifest: Manifest) -> Manifest:
    """The manifest with the keys that came from people; without any there is nothing to record."""
    meta = manifest["metadata"]
    passed_on = {part: sorted(key for key in meta[part] if not _is_ours(key)) for part in _PARTS}
    if not any(passed_on.values()):
        return manifest
    kept = meta["annotations"] | {names.PASSED_ON_ANNOTATION: revisions.canonical(passed_on)}
    return manifest | {"metadata": meta | {"annotations": kept}}


def repaired_metadata(live: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The live object's metadata with the manifest's labels and annotations, without what it passed on before."""
    known, wanted = live["metadata"], manifest["metadata"]
    former = _passed_on_before(known)
    return {**known, **{part: _kept(known, part, former) | wanted[part] for part in _PARTS}}


def _kept(known: Mapping[str, Any], part: str, former: Mapping[str, list[Any]]) -> dict[str, str]:
    gone = [names.PASSED_ON_ANNOTATION, *former.get(part, ())]
    return {key: value for key, value in (known.get(part) or {}).items() if key not in gone}


def _passed_on_before(known: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The keys recorded on a live object; a record that somebody has edited by hand is none."""
    try:
        found = json.loads((known.get("annotations") or {}).get(names.PASSED_ON_ANNOTATION, "{}"))
    except ValueError:
        return {}
    recorded = found if isinstance(found, dict) else {}
    return {part: keys for part, keys in recorded.items() if isinstance(keys, list)}


def is_applied(manifest: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether the live object was last written from this sealed manifest, so that there is nothing to write."""
    found = live.get("metadata", {}).get("annotations") or {}
    return bool(found.get(names.APPLIED_ANNOTATION) == manifest["metadata"]["annotations"][names.APPLIED_ANNOTATION])


def _passed_on(keys: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in sorted(keys.items()) if key not in _OURS and not _is_a_tools(key)}


def _is_ours(key: str) -> bool:
    return key in _OURS or key.partition("/")[0] == names.GROUP


def _is_a_tools(key: str) -> bool:
    domain = key.partition("/")[0] if "/" in key else ""
    return any(domain == one or domain.endswith(f".{one}") for one in _TOOL_DOMAINS)
