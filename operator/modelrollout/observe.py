"""From objects as the API server has them to the facts that `decide` reads. Pure, in small functions.

Everything comes in as plain dicts from the reflectors' stores, and as the ledger that the scraper fills. Nothing here
asks anybody anything. An object of one of our names that is not ours is somebody else's: it is shown, never used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modelrollout import names
from modelrollout.builders import deployment as deployments
from modelrollout.builders.record import source_from_record
from modelrollout.core.facts import (
    AliasSeen,
    DeploymentSeen,
    PodSeen,
    PodTrouble,
    RevisionSource,
    Rollout,
    Seen,
    ServiceSeen,
)
from modelrollout.kube.resources import is_leftover
from modelrollout.ledger import Ledger, Scrapes
from modelrollout.troubles import condition_of, is_ready, server_of, time_of, trouble_of

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Around:
    """The objects around one rollout, as the stores have them."""

    deployments: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    revisions: tuple[Object, ...] = ()
    """ControllerRevisions."""
    budgets: tuple[Object, ...] = ()
    autoscalers: tuple[Object, ...] = ()
    taken: Object | None = None
    """An object that has one of our names without being ours, found when we tried to create ours."""
    refused: str = ""
    """The write that the API server refuses, in its words."""
    registries: Mapping[str, str] = field(default_factory=dict)
    """Addresses of the declared registries by name."""
    alias: AliasSeen | None = None
    """What is known of the alias that the spec names."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What a look at the world needs beside the world."""

    now: datetime
    default_image: str


def seen(rollout: Rollout, around: Around, ledger: Ledger, glance: Glance) -> Seen:
    """The world around one rollout at one moment."""
    found = tuple(_deployments(rollout, around.deployments))
    return Seen(
        default_image=glance.default_image,
        deployments=found,
        pods=tuple(_pods(around.pods, ledger, glance.now)),
        service=_service(rollout, around, names.service(rollout.name)),
        preview=_service(rollout, around, names.preview_service(rollout.name)),
        sources=tuple(_sources(rollout, around.revisions)),
        taken=_taken(rollout, around),
        refused=around.refused,
        verdict=ledger.verdict,
        epoch=ledger.epoch,
        watched=ledger.watched,
        traffic=ledger.traffic,
        packed=ledger.kept.packed,
        compared=ledger.kept.compared,
        report=ledger.kept.report,
        predicted=ledger.predicted,
        tested=ledger.steady.tested,
        registries=around.registries,
        alias=around.alias,
    )


def is_ours(rollout: Rollout, obj: Object) -> bool:
    """Whether the rollout, this very one, controls an object."""
    owners = obj["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner.get("uid") == rollout.uid for owner in owners)


def is_leftover_of(rollout: Rollout, obj: Object) -> bool:
    """Whether an object is left of an earlier rollout of this name; the garbage collector takes it soon."""
    owner = {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": rollout.name, "uid": rollout.uid}
    return is_leftover(dict(obj), owner)


def owner_text(obj: Object) -> str:
    """Who has an object, for a message."""
    owners = obj["metadata"].get("ownerReferences") or []
    controller = next((owner for owner in owners if owner.get("controller")), None)
    if controller is not None:
        return f"{controller.get('kind', 'object')} {controller.get('name', '')}"
    manager = (obj["metadata"].get("labels") or {}).get(names.APP_MANAGED_BY_LABEL)
    return f"somebody else (managed by {manager})" if manager else "somebody else"


def _taken(rollout: Rollout, around: Around) -> str:
    foreign = [around.taken] if around.taken is not None else []
    foreign += [
        obj
        for obj in (*around.services, *around.deployments, *around.autoscalers, *around.budgets)
        if not is_ours(rollout, obj) and not _is_ending(obj) and not is_leftover_of(rollout, obj)
    ]
    if not foreign:
        return ""
    obj = foreign[0]
    kind, name = obj.get("kind", "object"), obj["metadata"]["name"]
    return (
        f"{kind} {name} in namespace {rollout.namespace} belongs to {owner_text(obj)} and is left alone; "
        "rename the ModelRollout, or delete that object"
    )


def _service(rollout: Rollout, around: Around, name: str) -> ServiceSeen | None:
    named = [obj for obj in around.services if obj["metadata"]["name"] == name]
    found = [obj for obj in named if not is_leftover_of(rollout, obj)]
    if around.taken is not None and around.taken.get("kind") == "Service" and around.taken["metadata"]["name"] == name:
        found.append(around.taken)
    if not found:
        return None
    service = found[0]
    owned = is_ours(rollout, service)
    return ServiceSeen(
        selector=dict(service.get("spec", {}).get("selector") or {}),
        owned=owned,
        owner="" if owned else owner_text(service),
    )


def _deployments(rollout: Rollout, found: Iterable[Object]) -> Iterable[DeploymentSeen]:
    for obj in found:
        source = source_from_record(obj)
        if source is None or not is_ours(rollout, obj) or _is_ending(obj):
            continue
        yield DeploymentSeen(
            name=obj["metadata"]["name"],
            revision=source.revision,
            replicas=int(obj["spec"].get("replicas", 1)),
            ready=int(obj.get("status", {}).get("readyReplicas") or 0),
            groups=deployments.groups(obj),
            source=source,
            restarted=deployments.restart_mark(obj),
            trouble=_cannot_make_pods(obj),
        )


def _cannot_make_pods(obj: Object) -> str:
    """Why the ReplicaSet cannot make pods, which the Deployment repeats: quota, admission, a service account."""
    failure = condition_of(obj, "ReplicaFailure")
    return str(failure.get("message", "")) if failure.get("status") == "True" else ""


def _sources(rollout: Rollout, found: Iterable[Object]) -> Iterable[RevisionSource]:
    ours = (obj for obj in found if is_ours(rollout, obj))
    for obj in sorted(ours, key=_age_order):
        source = source_from_record(obj)
        if source is not None:
            yield source


def _age_order(obj: Object) -> tuple[int, str, str]:
    meta = obj["metadata"]
    return int(obj.get("revision", 0)), str(meta.get("creationTimestamp", "")), str(meta["name"])


def _is_ending(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def _pods(found: Iterable[Object], ledger: Ledger, now: datetime) -> Iterable[PodSeen]:
    for obj in found:
        revision = (obj["metadata"].get("labels") or {}).get(names.REVISION_LABEL)
        if revision and not _is_ending(obj) and not _is_over(obj, now):
            yield pod_seen(obj, ledger.scrapes(obj["metadata"]["uid"]), now)


def _is_over(obj: Object, now: datetime) -> bool:
    """A finished pod that is left lying about; one that was lost to its node is kept, since it explains a gap."""
    phase = obj.get("status", {}).get("phase")
    if phase not in {"Failed", "Succeeded"}:
        return False
    trouble = trouble_of(obj, now)
    return trouble is None or trouble.kind is not PodTrouble.NODE_LOST


def pod_seen(obj: Object, scrapes: Scrapes, now: datetime) -> PodSeen:
    """One pod, with what Kubernetes and the scraper know about it."""
    server, ready = server_of(obj), is_ready(obj)
    trouble = trouble_of(obj, now)
    return PodSeen(
        name=obj["metadata"]["name"],
        uid=obj["metadata"]["uid"],
        revision=obj["metadata"]["labels"][names.REVISION_LABEL],
        ready=ready,
        ready_since=time_of(condition_of(obj, "Ready").get("lastTransitionTime")) if ready else None,
        restarts=_restarts(server),
        started=ready or has_started(obj),
        trouble=trouble.kind if trouble is not None else None,
        words=trouble.words if trouble is not None else "",
        failed_scrapes=scrapes.failed,
        scraped=scrapes.answered,
        waits=scrapes.waits,
        node=str(obj.get("spec", {}).get("nodeName") or ""),
        peak_bytes=scrapes.peak_bytes,
    )


def has_started(obj: Object) -> bool:
    """Whether the server runs and has passed its startup probe: from then on it has to answer."""
    server = server_of(obj)
    return bool(server.get("started")) and "running" in (server.get("state") or {})


def _restarts(server: Object) -> int:
    return int(server.get("restartCount") or 0)
