"""One small function for each kind of action: from a value to reach to the write that reaches it, or to no write.

What is reached already is not written: a settled system writes nothing. Moves that are risky carry what was seen and
are compare-and-swaps; the move to stable is unconditional.
"""

import copy
from dataclasses import dataclass

from modelrollout import names
from modelrollout.builders import deployment as deployments
from modelrollout.builders.autoscaler import autoscaler
from modelrollout.builders.controller_revision import controller_revision
from modelrollout.builders.disruption_budget import disruption_budget
from modelrollout.builders.manifests import is_applied, repaired_metadata
from modelrollout.builders.service import preview_service, service
from modelrollout.core.decision import (
    Action,
    Create,
    EnsureAutoscaler,
    EnsureService,
    Forget,
    Preview,
    Protect,
    Regroup,
    Remember,
    ReplacePod,
    Restart,
    Route,
    Scale,
)
from modelrollout.core.facts import Rollout
from modelrollout.kube.resources import (
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    PODS,
    SERVICES,
    Object,
    Resource,
)
from modelrollout.kube.writer import NameTaken, Writer
from modelrollout.observe import is_leftover_of, is_ours


@dataclass(frozen=True, slots=True)
class Scene:
    """Whose actions, and who writes them."""

    rollout: Rollout
    writer: Writer

    def known(self, resource: Resource, name: str) -> Object | None:
        """An object of ours as it was last seen.

        Raises:
            NameTaken: it is somebody else's.
        """
        obj = self.writer.known(resource, self.rollout.namespace, name)
        if obj is None or is_leftover_of(self.rollout, obj):
            return None
        if not is_ours(self.rollout, obj):
            raise NameTaken(obj)
        return obj

    def named(self, name: str) -> tuple[str, str]:
        return self.rollout.namespace, name


async def carry_out(action: Action, scene: Scene) -> None:  # noqa: C901  # one line for each kind
    """Write what an action asks for, unless it is so already."""
    match action:
        case Route():
            await _route(action, scene)
        case EnsureService():
            await _ensure_service(action, scene)
        case Remember():
            await _remember(action, scene)
        case Create():
            await scene.writer.create(
                DEPLOYMENTS, deployments.deployment(scene.rollout, action.source, action.replicas)
            )
        case Regroup():
            await _regroup(action, scene)
        case Scale():
            await _scale(action, scene)
        case Restart():
            await _restart(action, scene)
        case ReplacePod():
            await _replace_pod(action, scene)
        case Preview():
            await _preview(action, scene)
        case Protect():
            await _protect(action, scene)
        case Forget():
            await _forget(action, scene)
        case EnsureAutoscaler():
            manifest = autoscaler(scene.rollout)
            await _ensure(scene, AUTOSCALERS, names.autoscaler(scene.rollout.name), manifest)


async def _route(action: Route, scene: Scene) -> None:
    name = names.service(scene.rollout.name)
    known = scene.known(SERVICES, name)
    wanted = dict(action.selector)
    if known is None or known["spec"].get("selector") == wanted:
        return
    # "add" replaces the whole value; a merge would leave the old selector's keys beside the new ones.
    steps: list[Object] = [{"op": "add", "path": "/spec/selector", "value": wanted}]
    if action.expected is not None:
        steps.insert(0, {"op": "test", "path": "/spec/selector", "value": dict(action.expected)})
    await scene.writer.json_patch(SERVICES, scene.named(name), steps)


async def _ensure_service(action: EnsureService, scene: Scene) -> None:
    manifest = service(scene.rollout, action.selector)
    known = scene.known(SERVICES, manifest["metadata"]["name"])
    if known is None:
        await scene.writer.create(SERVICES, manifest)
        return
    if is_applied(manifest, known) and _has_labels(known, manifest):
        return
    await scene.writer.replace(SERVICES, _repaired_service(known, manifest))


def _repaired_service(known: Object, manifest: Object) -> Object:
    """The Service as it is, with our ports, type, labels and annotations; its selector is not touched here."""
    repaired = _with_our_metadata(known, manifest)
    repaired["spec"] |= {key: manifest["spec"][key] for key in ("type", "ports")}
    return repaired


async def _remember(action: Remember, scene: Scene) -> None:
    manifest = controller_revision(scene.rollout, action.source)
    if scene.known(CONTROLLER_REVISIONS, manifest["metadata"]["name"]) is None:
        await scene.writer.create(CONTROLLER_REVISIONS, manifest)


async def _regroup(action: Regroup, scene: Scene) -> None:
    known = scene.known(DEPLOYMENTS, names.deployment(scene.rollout.name, action.source.revision))
    if known is None or deployments.groups(known) == {action.source.revision, action.source.against}:
        return
    patch = deployments.regrouped(action.source, deployments.groups(known))
    # With the version that was seen without pods: rewriting the template of running pods would restart them.
    patch["metadata"]["resourceVersion"] = known["metadata"]["resourceVersion"]
    await scene.writer.merge(DEPLOYMENTS, scene.named(known["metadata"]["name"]), patch)


async def _scale(action: Scale, scene: Scene) -> None:
    name = names.deployment(scene.rollout.name, action.revision)
    known = scene.known(DEPLOYMENTS, name)
    if known is None or known["spec"].get("replicas") == action.replicas:
        return
    steps: list[Object] = [{"op": "replace", "path": "/spec/replicas", "value": action.replicas}]
    if action.expected is not None:
        steps.insert(0, {"op": "test", "path": "/spec/replicas", "value": action.expected})
    await scene.writer.json_patch(DEPLOYMENTS, scene.named(name), steps)


async def _restart(action: Restart, scene: Scene) -> None:
    name = names.deployment(scene.rollout.name, action.revision)
    known = scene.known(DEPLOYMENTS, name)
    if known is None or deployments.restart_mark(known) == action.mark:
        return
    await scene.writer.merge(DEPLOYMENTS, scene.named(name), deployments.restarted(action.mark))


async def _replace_pod(action: ReplacePod, scene: Scene) -> None:
    """The pod's controller is a ReplicaSet; that it is the one that was judged, its uid says."""
    known = scene.writer.known(PODS, *scene.named(action.pod))
    if known is not None and known["metadata"]["uid"] == action.uid:
        await scene.writer.end(PODS, known)


async def _preview(action: Preview, scene: Scene) -> None:
    name = names.preview_service(scene.rollout.name)
    manifest = preview_service(scene.rollout, action.selector) if action.selector is not None else None
    known = scene.known(SERVICES, name)
    if known is None or manifest is None:
        await _ensure(scene, SERVICES, name, manifest)
        return
    if is_applied(manifest, known) and known["spec"].get("selector") == manifest["spec"]["selector"]:
        return
    repaired = _repaired_service(known, manifest)
    repaired["spec"]["selector"] = manifest["spec"]["selector"]
    await scene.writer.replace(SERVICES, repaired)


async def _protect(action: Protect, scene: Scene) -> None:
    manifest = disruption_budget(scene.rollout, action.selector) if action.selector is not None else None
    await _ensure(scene, DISRUPTION_BUDGETS, names.disruption_budget(scene.rollout.name), manifest)


async def _forget(action: Forget, scene: Scene) -> None:
    name = names.deployment(scene.rollout.name, action.revision)
    await _ensure(scene, DEPLOYMENTS, name, None)
    if action.entirely:
        await _ensure(scene, CONTROLLER_REVISIONS, name, None)


async def _ensure(scene: Scene, resource: Resource, name: str, manifest: Object | None) -> None:
    """Make an object be as its manifest says, or not be."""
    known = scene.known(resource, name)
    if manifest is None:
        if known is not None:
            await scene.writer.delete(resource, known)
        return
    if known is None:
        await scene.writer.create(resource, manifest)
        return
    same_selector = known["spec"].get("selector") == manifest["spec"].get("selector")
    if is_applied(manifest, known) and same_selector and _has_labels(known, manifest):
        return
    repaired = _with_our_metadata(known, manifest)
    repaired["spec"] = manifest["spec"]
    await scene.writer.replace(resource, repaired)


def _with_our_metadata(known: Object, manifest: Object) -> Object:
    return copy.deepcopy(known) | {"metadata": repaired_metadata(known, manifest)}


def _has_labels(known: Object, manifest: Object) -> bool:
    labels: names.Labels = manifest["metadata"]["labels"]
    return labels.items() <= (known["metadata"].get("labels") or {}).items()
