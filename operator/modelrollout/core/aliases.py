"""Which version the spec's alias stands for: as its registry says, else as it said last.

From here on nobody sees an alias: the rollout's model names a version, so that a moved alias is another spec, and one
that is moved back is the spec it was. What was rejected is remembered by version and not tried again by itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from modelrollout import registered, revisions
from modelrollout.api.status import Alias, ModelRolloutStatus
from modelrollout.core.decision import Note
from modelrollout.core.facts import ASKING, UNDECLARED, AliasSeen, RegistryTrouble, Rollout, Seen
from modelrollout.core.turn import Moved, Turn

UNRESOLVED = "AliasUnresolved"
"""The condition while the registry that the spec names cannot be asked."""


def named(turn: Turn) -> Turn:
    """The same look with a version where the spec names an alias, and with what keeps that from being known."""
    rollout, seen = turn.rollout, turn.seen
    model = registered.parsed(rollout.model.get("uri"))
    if model is None:
        return turn
    undeclared = None if registered.own(rollout.model) else _undeclared(model, seen)
    if not model.alias:
        asked = revisions.spec_hash(rollout.model, rollout.server)
        current = rollout.status.current
        known = undeclared is None or (current is not None and current.spec_hash == asked)
        return replace(turn, trouble=undeclared, named=known)
    alias = _newest(rollout, seen)
    trouble = undeclared or _trouble(rollout, seen)
    if alias is None:
        return replace(turn, trouble=trouble or _asking(rollout), named=False)
    fixed = replace(rollout, model={**rollout.model, "uri": model.at(alias.version)})
    return replace(turn, rollout=fixed, alias=alias, trouble=trouble)


def keep_alias(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """Remember what the alias stands for, so that nothing moves while its registry is away."""
    before, alias = status.alias, turn.alias
    if alias == before:
        return Moved(status)
    status = status.but(alias=alias)
    if alias is None:
        return Moved(status)
    same = before is not None and (before.uri, before.registry) == (alias.uri, alias.registry)
    was = before.version if before is not None and same else ""
    if was == alias.version:
        return Moved(status)
    moved = f", no longer version {was}" if was else ""
    return Moved(status, (Note("AliasResolved", f"{alias.uri} is version {alias.version}{moved}"),))


def told(turn: Turn) -> tuple[Note, ...]:
    """The Event that a registry cannot be asked, unless that was said before."""
    trouble = turn.trouble
    if trouble is None or trouble.reason == ASKING:
        return ()
    said = {(one.type, one.reason) for one in turn.rollout.status.conditions}
    return () if (UNRESOLVED, trouble.reason) in said else (Note(trouble.reason, sentence(turn), warning=True),)


def sentence(turn: Turn) -> str:
    """The trouble with the registry, and what holds meanwhile."""
    if turn.trouble is None:
        return ""
    if turn.alias is None:
        return turn.trouble.message
    return f"{turn.trouble.message}; version {turn.alias.version} stays"


def pinned(model: Mapping[str, Any], alias: Alias | None) -> Mapping[str, Any]:
    """A model with the checksum that its registry had for it, where the spec has none of its own."""
    checksum = alias.sha256 if alias is not None else ""
    return {**model, "sha256": checksum} if checksum and not model.get("sha256") else model


def _newest(rollout: Rollout, seen: Seen) -> Alias | None:
    found, known = seen.alias, rollout.status.alias
    remembered = known if known is not None and is_of(known, rollout) else None
    if found is None or not is_of(found, rollout) or not found.version:
        return remembered
    if remembered is not None and remembered.version == found.version:
        return remembered
    return Alias(uri=found.uri, version=found.version, sha256=found.sha256, registry=found.registry)


def _trouble(rollout: Rollout, seen: Seen) -> RegistryTrouble | None:
    found = seen.alias
    return found.trouble if found is not None and is_of(found, rollout) else None


def is_of(one: Alias | AliasSeen, rollout: Rollout) -> bool:
    """Whether it is about the alias that the spec names, in the registry that the spec names."""
    return (one.uri, one.registry) == (rollout.model["uri"], registered.own(rollout.model))


def _asking(rollout: Rollout) -> RegistryTrouble:
    return RegistryTrouble(ASKING, f"asks the registry which version {rollout.model['uri']} is")


def _undeclared(model: registered.Registered, seen: Seen) -> RegistryTrouble | None:
    if registered.declared(model.registry, seen.registries):
        return None
    if not seen.registries:
        message = "spec.model.uri names a model registry, and the operator has none"
    else:
        known = ", ".join(f'"{name}"' for name in seen.registries)
        message = f'spec.model.uri names the registry "{model.registry}", and the operator knows only {known}'
    return RegistryTrouble(UNDECLARED, f"{message}; an administrator declares it in the chart's value `registries`")
