"""The Deployment of one revision, and the few patches that may ever be made to it.

Its pod template is written once. Afterwards only `replicas` changes, the restart annotation, and, while there are no
pods, the group keys: so neither a promotion nor an operator upgrade restarts a healthy pod.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from modelrollout import names
from modelrollout.builders.container import server_container
from modelrollout.builders.manifests import Manifest, labels, metadata
from modelrollout.builders.pod_template import merge
from modelrollout.builders.record import record_text
from modelrollout.core.facts import RevisionSource, Rollout

_NEVER = 2_147_483_647
"""The rollout has deadlines of its own; Kubernetes' must not say ProgressDeadlineExceeded beside them."""
RESTRICTED = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
"""What Pod Security's `restricted` asks of a pod."""
_GRACE_S = 40
"""Longer than the server takes to drain and to finish what is in flight, so that no request is cut off."""


def deployment(rollout: Rollout, source: RevisionSource, replicas: int) -> Manifest:
    """The Deployment of a revision with this many pods.

    Raises:
        ForbiddenTemplate: when the revision's pod template touches what belongs to the operator.

    """
    name = names.deployment(rollout.name, source.revision)
    meta = metadata(rollout, name, source.version)
    meta["labels"] |= {names.REVISION_LABEL: source.revision}
    meta["annotations"] |= {names.RECORD_ANNOTATION: record_text(source)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": names.revision_selector(rollout.name, source.revision)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "minReadySeconds": 0,
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": _NEVER,
            "template": pod_template(rollout, source),
        },
    }


def pod_template(rollout: Rollout, source: RevisionSource) -> Manifest:
    """The pod template of a revision, the user's merged over ours."""
    ours = {
        "metadata": {"labels": labels(rollout, source.version) | _pod_keys(source)},
        "spec": {
            "containers": [server_container(rollout, source)],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": RESTRICTED,
            "terminationGracePeriodSeconds": _GRACE_S,
        },
    }
    return merge(ours, source.server.get("podTemplate") or {})


def group_keys(source: RevisionSource) -> names.Labels:
    """The group keys that the pods of a revision carry: its own and that of the stable it is started against."""
    return {names.group_label(one): names.GROUP_LABEL_VALUE for one in sorted({source.revision, source.against})}


def regrouped(source: RevisionSource, present: Iterable[str]) -> dict[str, Any]:
    """JSON merge patch that gives a revision without pods new group keys in place of those of `present`."""
    gone = {names.group_label(one): None for one in sorted(present)}
    return {
        "metadata": {"annotations": {names.RECORD_ANNOTATION: record_text(source)}},
        "spec": {"template": {"metadata": {"labels": gone | group_keys(source)}}},
    }


def restarted(mark: str) -> dict[str, Any]:
    """JSON merge patch that restarts a revision's pods in place, one after the other; the same mark restarts once."""
    return {"spec": {"template": {"metadata": {"annotations": {names.RESTARTED_ANNOTATION: mark}}}}}


def groups(manifest: Mapping[str, Any]) -> frozenset[str]:
    """The revisions whose group keys a Deployment's pod template carries."""
    found = manifest["spec"]["template"]["metadata"].get("labels") or {}
    prefix = names.GROUP_LABEL_PREFIX
    return frozenset(key.removeprefix(prefix) for key in found if key.startswith(prefix))


def restart_mark(manifest: Mapping[str, Any]) -> str:
    """Value of the restart annotation; empty when the pods were never restarted."""
    found = manifest["spec"]["template"]["metadata"].get("annotations") or {}
    return str(found.get(names.RESTARTED_ANNOTATION, ""))


def _pod_keys(source: RevisionSource) -> names.Labels:
    return {names.REVISION_LABEL: source.revision} | group_keys(source)
