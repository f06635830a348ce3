"""One small function for each kind of action: from a value to reach to the write that reaches it, or to no write.

What is reached already is not written: a settled system writes nothing. Moves that are risky carry what was seen and
are compare-and-swaps; the move to stable is unconditional.
"""

import contextlib
import copy
from dataclasses import dataclass, field

from modelrollout import names
from modelrollout.builders import deployment as deployments
from modelrollout.builders import drifts
from modelrollout.builders.autoscaler import autoscaler
from modelrollout.builders.controller_revision import controller_revision
from modelrollout.builders.disruption_budget import disruption_budget
from modelrollout.builders.manifests import is_applied, owner, repaired_metadata
from modelrollout.builders.record import source_from_record
from modelrollout.builders.service import preview_service, service
from modelrollout.core.decision import (
    Action,
    Adopt,
    Create,
    EnsureAutoscaler,
    EnsureService,
    Forget,
    Mend,
    Preview,
    Protect,
    Prove,
    Regroup,
    Remember,
    ReplacePod,
    Restart,
    Route,
    Scale,
)
from modelrollout.core.facts import Rollout
from modelrollout.fights import Fights
from modelrollout.kube.errors import Invalid
from modelrollout.kube.resources import (
    AUTOSCALERS,
    CHILDREN,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    PODS,
    SERVICES,
    Object,
    Resource,
)
from modelrollout.kube.writer import NameTaken, Writer
from modelrollout.observe import belongs, is_leftover_of, is_ours


@dataclass(frozen=True, slots=True)
class Scene:
    """Whose actions, and who writes them."""

    rollout: Rollout
    writer: Writer
    fights: Fights = field(default_factory=Fights)

    def known(self, resource: Resource, name: str) -> Object | None:
        """An object of ours as it was last seen.

        Raises:
            NameTaken: it is somebody else's.
        """
        obj = self.writer.known(resource, self.rollout.namespace, name)
        if obj is None or belongs(self.rollout, obj):
            return obj
        if is_leftover_of(self.rollout, obj):
            return None
        raise NameTaken(obj)

    def named(self, name: str) -> tuple[str, str]:
        return self.rollout.namespace, name


async def carry_out(action: Action, scene: Scene) -> None:  # noqa: C901, PLR0912  # one line for each kind
    """Write what an action asks for, unless it is so already."""
    match action:
        case Route():
            await _route(action, scene)
        case EnsureService():
            await _ensure_service(action, scene)
        case Remember():
            await _remember(action, scene)
        case Create():
            made = deployments.deployment(scene.rollout, action.source, action.replicas)
            await scene.writer.create(DEPLOYMENTS, made)
            scene.fights.begins(_size_of(made["metadata"]["name"]))
        case Regroup():
            await _regroup(action, scene)
        case Scale():
            await _scale(action, scene)
        case Mend():
            await _mend(action, scene)
        case Restart():
            await _restart(action, scene)
        case ReplacePod():
            await _replace_pod(action, scene)
        case Adopt():
            await _adopt(action, scene)
        case Prove():
            await _prove(action, scene)
        case Preview():
            await _preview(action, scene)
        case Protect():
            await _protect(action, scene)
        case Forget():
            await _forget(action, scene)
        case EnsureAutoscaler():
            manifest = autoscaler(scene.rollout, shrinks=action.shrinks)
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
    drifted, written = drifts.of_service(manifest, known), is_applied(manifest, known)
    if written and drifted and not action.edited:
        return  # The edit came after the decision: the next one tells of it, and puts it back.
    if written and _has_labels(known, manifest) and not drifted:
        return
    where, wanted = f"Service {known['metadata']['name']}: ports and type", _ports(manifest)
    if drifted and not scene.fights.may_write(where, wanted):
        return
    await scene.writer.replace(SERVICES, _repaired_service(known, manifest))
    if drifted:
        scene.fights.wrote(where, wanted)


def _ports(manifest: Object) -> str:
    port = manifest["spec"]["ports"][0]
    return f"{manifest['spec']['type']} {port['port']} to {port['targetPort']}"


def _repaired_service(known: Object, manifest: Object) -> Object:
    """The Service as it is, with our ports, type, labels and annotations; its selector is not touched here."""
    repaired = _with_our_metadata(known, manifest)
    repaired["spec"] |= {key: manifest["spec"][key] for key in ("type", "ports")}
    return repaired


async def _remember(action: Remember, scene: Scene) -> None:
    manifest = controller_revision(scene.rollout, action.source)
    if scene.known(CONTROLLER_REVISIONS, manifest["metadata"]["name"]) is None:
        await scene.writer.create(CONTROLLER_REVISIONS, manifest)


async def _adopt(action: Adopt, scene: Scene) -> None:
    """With the version that was seen: whoever else has taken it since is its owner."""
    resource = next(one for one in CHILDREN if one.kind == action.kind)
    known = scene.known(resource, action.name)
    if known is None or is_ours(scene.rollout, known):
        return
    meta = known["metadata"]
    others = [one for one in meta.get("ownerReferences") or [] if not one.get("controller")]
    owners = [*others, owner(scene.rollout)]
    patch = {"metadata": {"resourceVersion": meta["resourceVersion"], "ownerReferences": owners}}
    await scene.writer.merge(resource, scene.named(action.name), patch)


async def _prove(action: Prove, scene: Scene) -> None:
    """The memory first: whether it is written is seen by the Deployment.

    A memory of an operator before 0.2 can never be changed (`kube.encoding`).
    """
    name = names.deployment(scene.rollout.name, action.revision)
    with contextlib.suppress(Invalid):
        await _note_since(CONTROLLER_REVISIONS, name, action.since.isoformat(), scene)
    await _note_since(DEPLOYMENTS, name, action.since.isoformat(), scene)


async def _note_since(resource: Resource, name: str, since: str, scene: Scene) -> None:
    known = scene.known(resource, name)
    if known is None or (known["metadata"].get("annotations") or {}).get(names.STABLE_SINCE_ANNOTATION) == since:
        return
    patch = {"metadata": {"annotations": {names.STABLE_SINCE_ANNOTATION: since}}}
    await scene.writer.merge(resource, scene.named(name), patch)


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
    where = _size_of(name)
    if not scene.fights.may_write(where, action.replicas):
        return
    steps: list[Object] = [{"op": "replace", "path": "/spec/replicas", "value": action.replicas}]
    if action.expected is not None:
        steps.insert(0, {"op": "test", "path": "/spec/replicas", "value": action.expected})
    await scene.writer.json_patch(DEPLOYMENTS, scene.named(name), steps)
    scene.fights.wrote(where, action.replicas)


def _size_of(deployment: str) -> str:
    """Its size, as the field of a fight."""
    return f"Deployment {deployment}: replicas"


async def _mend(action: Mend, scene: Scene) -> None:
    name = names.deployment(scene.rollout.name, action.revision)
    known = scene.known(DEPLOYMENTS, name)
    source = source_from_record(known) if known is not None else None
    where = f"Deployment {name}: image and model"
    if known is None or source is None or not drifts.of_deployment(scene.rollout, source, known):
        return
    if scene.fights.may_write(where, source.version):
        put_back = drifts.mended(scene.rollout, source, known)["spec"]["template"]["spec"]["containers"]
        patch = {
            "metadata": {"resourceVersion": known["metadata"]["resourceVersion"]},
            "spec": {"template": {"spec": {"containers": put_back}}},
        }
        await scene.writer.merge(DEPLOYMENTS, scene.named(name), patch)
        scene.fights.wrote(where, source.version)


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
