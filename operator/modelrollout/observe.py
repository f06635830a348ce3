"""From objects as the API server has them to the facts that `decide` reads. Pure, in small functions.

Everything comes in as plain dicts from the reflectors' stores, and as the ledger that the scraper fills. Nothing here
asks anybody anything. An object of one of our names that is not ours is somebody else's: it is shown, never used.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modelrollout import names
from modelrollout.builders import deployment as deployments
from modelrollout.builders import drifts
from modelrollout.builders.manifests import is_applied
from modelrollout.builders.record import source_from_record
from modelrollout.builders.service import service
from modelrollout.core.facts import (
    AliasSeen,
    DeploymentSeen,
    Foreign,
    Orphan,
    PodSeen,
    PodTrouble,
    RevisionSource,
    Rollout,
    Seen,
    ServiceSeen,
)
from modelrollout.kube.managers import last_writer
from modelrollout.kube.resources import is_leftover, owner_of
from modelrollout.ledger import Ledger, Scrapes
from modelrollout.printable import said
from modelrollout.troubles import (
    condition_of,
    containers,
    ended_last,
    is_ready,
    last_run,
    server_of,
    time_of,
    trouble_of,
)

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
    taken: tuple[Object, ...] = ()
    """Objects that have one of our names without being ours, found when we tried to create ours."""
    fights: tuple[str, ...] = ()
    """Fields that do not stay as they are written, as sentences."""
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
        proven=_proven(rollout, around.revisions),
        orphans=tuple(_orphans(rollout, around)),
        taken=tuple(_taken(rollout, around)),
        fights=around.fights,
        refused=around.refused,
        verdict=ledger.verdict,
        epoch=ledger.epoch,
        watched=ledger.watched,
        traffic=ledger.traffic,
        packed=ledger.kept.packed,
        compared=ledger.kept.compared,
        report=ledger.kept.report,
        predicted=ledger.predicted,
        recent=ledger.recent,
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


def is_orphan_of(rollout: Rollout, obj: Object) -> bool:
    """Whether an object carries this rollout's record and has no owner, or one that is no more.

    It was left by `--cascade=orphan`, by a resource that was deleted and made again, or by a backup.
    """
    meta = obj["metadata"]
    labels = meta.get("labels") or {}
    made_here = labels.get(names.NAME_LABEL) == rollout.name and labels.get(names.APP_MANAGED_BY_LABEL) == names.MANAGER
    if not made_here or _is_ending(obj) or (owner_of(dict(obj)) is not None and not is_leftover_of(rollout, obj)):
        return False
    if obj.get("kind") in {"Deployment", "ControllerRevision"}:
        source = source_from_record(obj)
        return source is not None and meta["name"] == names.deployment(rollout.name, source.revision)
    named = _BESIDE.get(str(obj.get("kind")))
    made = named is not None and meta["name"] in named(rollout.name)
    return made and names.APPLIED_ANNOTATION in (meta.get("annotations") or {})


_BESIDE: Mapping[str, Callable[[str], frozenset[str]]] = {
    "Service": lambda name: frozenset({names.service(name), names.preview_service(name)}),
    "PodDisruptionBudget": lambda name: frozenset({names.disruption_budget(name)}),
    "HorizontalPodAutoscaler": lambda name: frozenset({names.autoscaler(name)}),
}
"""The names of a rollout's objects that no revision has."""


def belongs(rollout: Rollout, obj: Object) -> bool:
    """Whether an object is the rollout's own, or will be once it is adopted."""
    return is_ours(rollout, obj) or is_orphan_of(rollout, obj)


def owner_text(obj: Object) -> str:
    """Who has an object, for a message."""
    owners = obj["metadata"].get("ownerReferences") or []
    controller = next((owner for owner in owners if owner.get("controller")), None)
    if controller is not None:
        return f"{controller.get('kind', 'object')} {controller.get('name', '')}"
    manager = (obj["metadata"].get("labels") or {}).get(names.APP_MANAGED_BY_LABEL)
    return f"somebody else (managed by {manager})" if manager else "somebody else"


def _taken(rollout: Rollout, around: Around) -> Iterable[Foreign]:
    """Somebody else's objects of exactly the names that are written here. What only carries our labels is no matter."""
    named = [
        *_of_names(around.services, _BESIDE["Service"](rollout.name)),
        *_of_names(around.deployments, _revisions_named(rollout)),
        *_of_names(around.revisions, _revisions_named(rollout)),
        *_of_names(around.budgets, _BESIDE["PodDisruptionBudget"](rollout.name)),
        *_of_names(around.autoscalers, _BESIDE["HorizontalPodAutoscaler"](rollout.name)),
    ]
    found = [obj for obj in named if not _is_ending(obj) and not is_leftover_of(rollout, obj)]
    told = set()
    for obj in (*around.taken, *found):
        kind, name = str(obj.get("kind", "object")), str(obj["metadata"]["name"])
        if belongs(rollout, obj) or (kind, name) in told:
            continue
        told.add((kind, name))
        yield Foreign(
            kind,
            name,
            f"{kind} {name} in namespace {rollout.namespace} belongs to {owner_text(obj)} and is left alone; "
            "rename the ModelRollout, or delete that object",
        )


def _orphans(rollout: Rollout, around: Around) -> Iterable[Orphan]:
    """Orphans by kind and name; those that are only found by making them are adopted when they are shown."""
    every = (around.services, around.deployments, around.revisions, around.budgets, around.autoscalers)
    return (
        Orphan(str(obj["kind"]), str(obj["metadata"]["name"]))
        for found in every
        for obj in found
        if is_orphan_of(rollout, obj)
    )


def _of_names(found: Iterable[Object], wanted: Collection[str]) -> Iterable[Object]:
    return (obj for obj in found if obj["metadata"]["name"] in wanted)


def _revisions_named(rollout: Rollout) -> set[str]:
    """Names of the Deployments, and of the ControllerRevisions, of the revisions that the status names."""
    status = rollout.status
    used = (status.stable, status.candidate, status.current, status.previous, status.retreat)
    return {names.deployment(rollout.name, one.revision) for one in used if one is not None}


def _service(rollout: Rollout, around: Around, name: str) -> ServiceSeen | None:
    named = [obj for obj in around.services if obj["metadata"]["name"] == name]
    found = [obj for obj in named if not is_leftover_of(rollout, obj) or is_orphan_of(rollout, obj)]
    found += [obj for obj in around.taken if obj.get("kind") == "Service" and obj["metadata"]["name"] == name]
    if not found:
        return None
    live = found[0]
    owned = belongs(rollout, live)
    return ServiceSeen(
        selector=dict(live.get("spec", {}).get("selector") or {}),
        owned=owned,
        owner="" if owned else owner_text(live),
        drifted=_drift_of(rollout, live) if owned and name == names.service(rollout.name) else "",
    )


def _drift_of(rollout: Rollout, live: Object) -> str:
    """What a hand has changed in our Service. What the spec has changed is written anyway."""
    manifest = service(rollout, {})
    if rollout.invalid or not is_applied(manifest, live):
        return ""
    return _with_writer(drifts.of_service(manifest, live), live)


def _with_writer(drift: str, live: Object) -> str:
    """What was changed, and by whom as far as the API server noted that."""
    writer = last_writer(live) if drift else ""
    return f"{drift} (last written by {writer})" if writer else drift


def _deployments(rollout: Rollout, found: Iterable[Object]) -> Iterable[DeploymentSeen]:
    for obj in found:
        source = source_from_record(obj)
        if source is None or not belongs(rollout, obj) or _is_ending(obj):
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
            drifted=_with_writer(drifts.of_deployment(rollout, source, obj), obj),
            stable_since=_stable_since(obj),
        )


def _cannot_make_pods(obj: Object) -> str:
    """Why the ReplicaSet cannot make pods, which the Deployment repeats: quota, admission, a service account."""
    failure = condition_of(obj, "ReplicaFailure")
    return said(str(failure.get("message", ""))) if failure.get("status") == "True" else ""


def _sources(rollout: Rollout, found: Iterable[Object]) -> Iterable[RevisionSource]:
    ours = (obj for obj in found if belongs(rollout, obj))
    for obj in sorted(ours, key=_age_order):
        source = source_from_record(obj)
        if source is not None:
            yield source


def _proven(rollout: Rollout, found: Iterable[Object]) -> dict[str, datetime]:
    marked = ((source_from_record(obj), _stable_since(obj)) for obj in found if belongs(rollout, obj))
    return {source.revision: since for source, since in marked if source is not None and since is not None}


def _stable_since(obj: Object) -> datetime | None:
    """A time that somebody has edited by hand is none."""
    text = (obj["metadata"].get("annotations") or {}).get(names.STABLE_SINCE_ANNOTATION)
    try:
        time = time_of(text)
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None


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
    ready = is_ready(obj)
    trouble = trouble_of(obj, now)
    return PodSeen(
        name=obj["metadata"]["name"],
        uid=obj["metadata"]["uid"],
        revision=obj["metadata"]["labels"][names.REVISION_LABEL],
        ready=ready,
        ready_since=time_of(condition_of(obj, "Ready").get("lastTransitionTime")) if ready else None,
        restarts=_restarts(obj),
        lasted=last_run(ended_last(obj)),
        started=ready or has_started(obj),
        trouble=trouble.kind if trouble is not None else None,
        words=trouble.words if trouble is not None else "",
        failed_scrapes=scrapes.failed,
        scraped=scrapes.answered,
        unanswered=scrapes.reason,
        heard=scrapes.heard,
        waits=scrapes.waits,
        node=str(obj.get("spec", {}).get("nodeName") or ""),
        peak_bytes=scrapes.peak_bytes,
    )


def has_started(obj: Object) -> bool:
    """Whether the server runs and has passed its startup probe: from then on it has to answer."""
    server = server_of(obj)
    return bool(server.get("started")) and "running" in (server.get("state") or {})


def _restarts(obj: Object) -> int:
    return sum(int(one.get("restartCount") or 0) for one in containers(obj))
