"""The ModelRollouts as last read, parsed once each: filled by kopf's events, by lists, and by our own status writes."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from modelrollout.api.status import ModelRolloutStatus
from modelrollout.builders.problems import problems
from modelrollout.core.facts import Exposure, Rollout
from modelrollout.kube.resources import Object, is_older, version_of
from modelrollout.printable import printable
from modelrollout.salvage import read_spec


@dataclass(frozen=True, slots=True)
class Held:
    """One ModelRollout as it was read, and parsed."""

    raw: Object
    rollout: Rollout

    @property
    def is_ending(self) -> bool:
        """Whether it is being deleted; its children then go by their owner references."""
        return "deletionTimestamp" in self.raw["metadata"]


class Rollouts:
    """All ModelRollouts, by "namespace/name"; never older than what we wrote ourselves."""

    def __init__(self, exposure: Exposure | None = None) -> None:
        self._held: dict[str, Held] = {}
        self._exposure = exposure or Exposure()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def all(self) -> tuple[Held, ...]:
        return tuple(self._held.values())

    def get(self, key: str) -> Held | None:
        return self._held.get(key)

    def put(self, raw: Object) -> bool:
        """Take an object as it is now; gives whether it was news."""
        key = key_of(raw)
        known = self._held.get(key)
        if known is not None and version_of(known.raw) == version_of(raw):
            return False
        if known is not None and is_older(version_of(raw), version_of(known.raw)):
            return False
        self._held[key] = Held(raw, checked(replace(parse(raw), exposure=self._exposure), known))
        return True

    def remove(self, key: str, uid: str = "") -> bool:
        """Drop an object, or only the one with this uid; gives whether there was one."""
        known = self._held.get(key)
        if known is None or (uid and known.rollout.uid != uid):
            return False
        del self._held[key]
        return True


def checked(rollout: Rollout, known: Held | None = None) -> Rollout:
    """With what only shows once something is built from the spec; looked at once for each generation."""
    if rollout.invalid or rollout.spec is None:
        return rollout
    if known is not None and (known.rollout.uid, known.rollout.generation) == (rollout.uid, rollout.generation):
        return replace(rollout, invalid=known.rollout.invalid)
    return replace(rollout, invalid=printable(problems(rollout)))


def key_of(raw: Mapping[str, Any]) -> str:
    return f"{raw['metadata'].get('namespace', '')}/{raw['metadata']['name']}"


def parse(raw: Object) -> Rollout:
    """A ModelRollout from its JSON; one that cannot be read says why."""
    meta = raw["metadata"]
    spec, invalid = read_spec(raw.get("spec"))
    written = raw.get("spec") if isinstance(raw.get("spec"), dict) else {}
    return Rollout(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation", 0)),
        spec=spec,
        status=_status(raw),
        model=_block(written, "model"),
        server=_block(written, "server"),
        labels=dict(meta.get("labels") or {}),
        annotations=dict(meta.get("annotations") or {}),
        invalid=printable(invalid),
    )


def _block(written: Any, name: str) -> Mapping[str, Any]:  # noqa: ANN401  # whatever the user wrote
    block = written.get(name)
    return block if isinstance(block, dict) else {}


def _status(raw: Object) -> ModelRolloutStatus:
    """The status, without what only a newer version knows; a fresh one where it cannot be read at all."""
    status = raw.get("status") or {}
    try:
        return ModelRolloutStatus.model_validate(status)
    except ValidationError as error:
        unknown = [one["loc"] for one in error.errors(include_url=False) if one["type"] == "extra_forbidden"]
    try:
        return ModelRolloutStatus.model_validate(_without(status, unknown))
    except ValidationError:
        return ModelRolloutStatus()


def _without(status: Any, places: Sequence[tuple[int | str, ...]]) -> Any:  # noqa: ANN401  # JSON of any shape
    kept = copy.deepcopy(status)
    for *parents, last in places:
        block = kept
        for part in parents:
            block = block[part]
        del block[last]
    return kept
