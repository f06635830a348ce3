"""What a revision is built from: its own record, else the spec that asks for it now."""

from dataclasses import replace

from modelrollout import registered
from modelrollout.api.status import ModelRolloutStatus
from modelrollout.core.aliases import pinned
from modelrollout.core.facts import RevisionSource
from modelrollout.core.turn import Turn


def source_of(turn: Turn, status: ModelRolloutStatus, revision: str) -> RevisionSource | None:
    """The source of a revision, against the stable it would start beside now; None where nobody remembers it."""
    current, stable = status.current, against(status, revision)
    remembered = turn.seen.source(revision)
    if remembered is not None:
        return _reachable(turn, replace(remembered, against=stable) if stable else remembered)
    if current is None or current.revision != revision:
        return None
    source = RevisionSource(
        revision=revision,
        version=current.version,
        spec_hash=current.spec_hash,
        image=current.image,
        model=pinned(turn.rollout.model, turn.alias),
        server=turn.rollout.server,
        against=stable or revision,
    )
    return _reachable(turn, source)


def _reachable(turn: Turn, source: RevisionSource) -> RevisionSource:
    """With the address of its registry: its own, else as it is declared today."""
    model, urls = registered.parsed(source.model.get("uri")), turn.seen.registries
    if model is None:
        return source
    declared = urls.get(registered.declared(model.registry, urls), "")
    return replace(source, registry=registered.own(source.model) or declared)


def against(status: ModelRolloutStatus, revision: str) -> str:
    """The stable that a candidate starts against; empty for a revision that is no candidate."""
    is_candidate = status.candidate is not None and status.candidate.revision == revision
    return status.stable.revision if is_candidate and status.stable is not None else ""
