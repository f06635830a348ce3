"""Which registry a spec means: one that an administrator has declared, or one of the rollout's own namespace.

The first is asked by this process, the second by a Job in that namespace. What is learnt is the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelrollout import registered
from modelrollout.builders.pod_template import ForbiddenTemplate
from modelrollout.core.aliases import is_of
from modelrollout.core.facts import AliasSeen, Rollout
from modelrollout.registered import Registered
from modelrollout.registry.declared import Declared
from modelrollout.registry.following import Following
from modelrollout.registry.jobs import Errand, errand


@dataclass(frozen=True, slots=True)
class DeclaredAlias:
    """An alias of a declared registry; one question for all who name it."""

    uri: str
    registry: Declared
    model: Registered

    @property
    def label(self) -> str:
        return self.registry.name

    def unanswered(self) -> AliasSeen:
        return AliasSeen(self.uri)


@dataclass(frozen=True, slots=True)
class Followed:
    """Both ways to an answer."""

    declared: Following[DeclaredAlias]
    own: Following[Errand]


class Registries:
    """What is known of all registries."""

    def __init__(self, declared: Iterable[Declared], followed: Followed, image: str) -> None:
        self._declared = {one.name: one for one in declared}
        self._followed = followed
        self._image = image

    @property
    def urls(self) -> Mapping[str, str]:
        """Addresses of the declared registries, in the order of their declaration."""
        return {name: one.url for name, one in self._declared.items()}

    def look(self, rollout: Rollout) -> AliasSeen | None:
        """What is known of the alias that a rollout names now; from here on it is followed."""
        question = self._question(rollout)
        if not isinstance(question, DeclaredAlias):
            self._followed.declared.drop(rollout.key)
        if not isinstance(question, Errand):
            self._followed.own.drop(rollout.key)
        if isinstance(question, DeclaredAlias):
            return self._followed.declared.look(rollout.key, question)
        return self._followed.own.look(rollout.key, question) if question is not None else None

    def drop(self, key: str) -> None:
        """A rollout is no more."""
        self._followed.declared.drop(key)
        self._followed.own.drop(key)

    def clear(self) -> None:
        """Forget everything, as in a restart."""
        self._followed.declared.clear()
        self._followed.own.clear()

    def _question(self, rollout: Rollout) -> DeclaredAlias | Errand | None:
        uri = rollout.model.get("uri")
        model = registered.parsed(uri)
        if model is None or not model.alias:
            return None
        if registered.own(rollout.model):
            return None if _sleeps(rollout) else self._errand(rollout)
        registry = self._declared.get(registered.declared(model.registry, self.urls))
        return DeclaredAlias(str(uri), registry, model) if registry is not None else None

    def _errand(self, rollout: Rollout) -> Errand | None:
        try:
            return errand(rollout, self._image)
        except ForbiddenTemplate:  # the rollout says so itself
            return None


def _sleeps(rollout: Rollout) -> bool:
    """Without pods of its own a rollout needs no pod that asks for it, once it is known what it stands for."""
    alias = rollout.status.alias
    return rollout.spec is not None and rollout.spec.replicas == 0 and alias is not None and is_of(alias, rollout)
