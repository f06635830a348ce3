"""Which revision the spec asks for, and what was stable when the status was lost."""

from datetime import datetime, timedelta

from modelrollout import names, registered, revisions
from modelrollout.api.status import (
    Candidate,
    HistoryEntry,
    ModelRolloutStatus,
    Outcome,
    Previous,
    Revision,
    Routing,
)
from modelrollout.core import plan
from modelrollout.core.decision import Note
from modelrollout.core.facts import RevisionSource
from modelrollout.core.turn import Moved, Turn, asked_size, recorded, stops_of
from modelrollout.core.words import called


def resolve(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """Name the revision that the spec asks for.

    A spec that was seen before keeps the image it was first seen with, so a new default image or a newer operator
    makes no revision.
    """
    spec_hash = revisions.spec_hash(turn.rollout.model, turn.rollout.server)
    if status.current is not None and status.current.spec_hash == spec_hash:
        return Moved(status)
    return Moved(status.but(current=_known(turn, status, spec_hash) or _new(turn, spec_hash)))


def _known(turn: Turn, status: ModelRolloutStatus, spec_hash: str) -> Revision | None:
    if status.stable is not None and status.stable.spec_hash == spec_hash:
        return status.stable
    sources = (*(one.source for one in turn.seen.deployments), *reversed(turn.seen.sources))
    return next((_revision(one) for one in sources if one.spec_hash == spec_hash), None)


def _new(turn: Turn, spec_hash: str) -> Revision:
    image = turn.spec.server.image or turn.seen.default_image
    revision = revisions.revision_hash(spec_hash, image)
    return Revision(
        revision=revision,
        version=turn.spec.model.version or _of_registry(turn) or revision,
        spec_hash=spec_hash,
        image=image,
    )


def _of_registry(turn: Turn) -> str:
    model = registered.parsed(turn.rollout.model.get("uri"))
    return model.version if model is not None else ""


def _revision(source: RevisionSource) -> Revision:
    return Revision(revision=source.revision, version=source.version, spec_hash=source.spec_hash, image=source.image)


def recover(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """Find out who was stable when the status was lost.

    That is what the Service selects, unless only other revisions are known to have been stable: then it is a candidate
    that never was promoted, and the one that was stable last is stable. Without a Service the records alone say it.
    """
    if status.observed_generation >= 0 or status.stable is not None:
        return Moved(status)
    serving, why = _was_stable(turn)
    if serving is None:
        return Moved(status)
    size = max(asked_size(turn.spec), _replicas(turn, serving.revision))
    status = status.but(stable=_revision(serving), stable_since=turn.now, size=size)
    status = _with_previous(turn, status, serving)
    status = recorded(status, _found(turn, serving, "was stable when the status was found empty", turn.now))
    name = called(serving.version, serving.revision)
    note = Note("Recovered", f"the status was empty; {name} {why}, so it is stable")
    return Moved(_with_candidate(turn, status), (note,))


def _was_stable(turn: Turn) -> tuple[RevisionSource | None, str]:
    serving, last = _serving(turn), _proven_last(turn)
    is_proven = serving is not None and turn.seen.stable_since(serving.revision) is not None
    if serving is not None and (is_proven or last is None):
        known = serving if is_proven or not _never_became_ready(turn, serving) else None
        return known, "is what the Service selects"
    if last is not None:
        return last, "was stable last, by its record"
    return _started_against(turn), "is what the candidate was started beside"


def _proven_last(turn: Turn) -> RevisionSource | None:
    """The revision that became stable last, of those whose records say that they were."""
    known = {source.revision: source for source in (*turn.seen.sources, *(one.source for one in turn.seen.deployments))}
    since = {revision: time for revision in known if (time := turn.seen.stable_since(revision)) is not None}
    return known[max(since, key=lambda revision: since[revision])] if since else None


def _started_against(turn: Turn) -> RevisionSource | None:
    """Without a Service: a Deployment that was started beside another revision was a candidate once."""
    for deployment in turn.seen.deployments:
        if deployment.source.against != deployment.revision:
            return turn.seen.source(deployment.source.against)
    return None


def _never_became_ready(turn: Turn, serving: RevisionSource) -> bool:
    """The first model on its way: the Service selects it before anything is stable."""
    asked = revisions.spec_hash(turn.rollout.model, turn.rollout.server)
    return serving.spec_hash == asked and turn.seen.ready(serving.revision) == 0 and serving.against == serving.revision


def _serving(turn: Turn) -> RevisionSource | None:
    service = turn.seen.service
    if service is None or not service.owned:
        return None
    revision = service.selector.get(names.REVISION_LABEL) or _group(dict(service.selector))
    return turn.seen.source(revision) if revision else None


def _group(selector: names.Labels) -> str:
    groups = [key for key in selector if key.startswith(names.GROUP_LABEL_PREFIX)]
    return groups[0].removeprefix(names.GROUP_LABEL_PREFIX) if groups else ""


def _replicas(turn: Turn, revision: str) -> int:
    deployment = turn.seen.deployment(revision)
    return deployment.replicas if deployment is not None else 0


def _found(turn: Turn, source: RevisionSource, message: str, promoted: datetime) -> HistoryEntry:
    return HistoryEntry(
        revision=source.revision,
        version=source.version,
        outcome=Outcome.PROMOTED,
        reason="Recovered",
        message=message,
        time=turn.now,
        promoted=promoted,
    )


def _with_previous(turn: Turn, status: ModelRolloutStatus, serving: RevisionSource) -> ModelRolloutStatus:
    """The stable that the serving revision was started against, where it still has pods: a way back that is warm."""
    before = turn.seen.source(serving.against) if serving.against != serving.revision else None
    if before is None or _replicas(turn, before.revision) == 0:
        return status
    until = turn.now + turn.spec.rollback.keep_previous
    status = status.but(previous=Previous(revision=before.revision, version=before.version, until=until))
    earlier = turn.now - timedelta(seconds=1)
    return recorded(status, _found(turn, before, "was warm when the status was found empty", earlier))


def _with_candidate(turn: Turn, status: ModelRolloutStatus) -> ModelRolloutStatus:
    """Go on at the widest shared stop that the candidate's pods already make; its evidence starts anew.

    A revision that was tried before and has no pods was taken back by somebody or something: it is not started again.
    """
    current = _known(turn, status, revisions.spec_hash(turn.rollout.model, turn.rollout.server))
    if current is None or status.stable is None or current.revision == status.stable.revision:
        return status
    status = status.but(current=current)
    replicas = _replicas(turn, current.revision)
    if replicas == 0:
        return _taken_back(turn, status, current)
    reached = [
        stop
        for stop in stops_of(turn, status)
        if stop.routing is not Routing.CANDIDATE and stop.pods.candidate <= replicas
    ]
    stop = reached[-1] if reached else stops_of(turn, status)[0]
    shared = turn.seen.service is not None and names.REVISION_LABEL not in turn.seen.service.selector
    return status.but(
        candidate=Candidate(
            revision=current.revision,
            version=current.version,
            step=plan.position(stops_of(turn, status), stop.weight),
            weight=stop.weight,
            since=turn.now,
            step_since=turn.now,
            routing=Routing.SHARED if shared else Routing.STABLE,
            strategy=plan.name(turn.spec.strategy),
        ),
    )


def _taken_back(turn: Turn, status: ModelRolloutStatus, current: Revision) -> ModelRolloutStatus:
    entry = HistoryEntry(
        revision=current.revision,
        version=current.version,
        outcome=Outcome.REJECTED,
        reason="Recovered",
        message="had been tried and had no pods when the status was found empty; retry it if it should be tried again",
        time=turn.now,
    )
    return recorded(status, entry)
