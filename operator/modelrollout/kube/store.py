"""What is known of one kind of child: never older than what this operator wrote itself.

A reflector fills the store. Each write of ours puts the object that the API server answered with, and events that are
older are dropped; so no decision is ever made on a view from before our own last write, and none has to wait until
the watch has caught up. A deletion of ours leaves a mark until the watch confirms it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from modelrollout import names
from modelrollout.kube.resources import Object, is_older, version_of

Changed = Callable[[str], None]
"""Told the key of the rollout that an object belongs to."""

Name = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete list of one namespace (or of all, where it is empty), as it was at one resource version."""

    namespace: str
    items: Iterable[Object]
    version: str


def whole(obj: Object) -> Object:
    return obj


def name_of(obj: Object) -> Name:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def rollout_of(obj: Object) -> str:
    """Key of the rollout that an object is labelled with; empty where it has no such label."""
    label = (obj["metadata"].get("labels") or {}).get(names.NAME_LABEL)
    return f"{obj['metadata'].get('namespace', '')}/{label}" if label else ""


class Store:
    """All objects of one kind that carry our label."""

    def __init__(self, changed: Changed, kept: Callable[[Object], Object] = whole) -> None:
        self._changed = changed
        self._kept = kept
        self._objects: dict[Name, Object] = {}
        self._of_rollout: defaultdict[str, dict[Name, Object]] = defaultdict(dict)
        self._deleted: dict[Name, str] = {}
        """uid of objects whose deletion we have asked for."""

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def of(self, rollout: str) -> tuple[Object, ...]:
        """Everything labelled with a rollout's key, by name."""
        found = self._of_rollout.get(rollout, {})
        return tuple(found[name] for name in sorted(found))

    def put(self, obj: Object) -> None:
        """Take an object as it is now, from a watch or as the answer to a write."""
        name = name_of(obj)
        before = self._objects.get(name)
        if self._is_old(name, before, obj):
            return
        self._deleted.pop(name, None)
        self._keep(name, before, self._kept(obj))

    def remove(self, obj: Object) -> None:
        """An object is gone, by a watch's word."""
        name = name_of(obj)
        if self._deleted.get(name) == obj["metadata"].get("uid"):
            self._deleted.pop(name)
        before = self._objects.get(name)
        if before is None or _uid(before) != _uid(obj):
            return
        self._drop(name, before)

    def forget(self, obj: Object) -> None:
        """An object is gone, because we have deleted it; the watch will say so later."""
        name = name_of(obj)
        self._deleted[name] = _uid(obj)
        before = self._objects.get(name)
        if before is not None:
            self._drop(name, before)

    def replace(self, listing: Listing) -> None:
        """Take a complete list: what it lacks is gone, unless it is newer than the list."""
        listed = {name_of(obj): obj for obj in listing.items}
        for name in [name for name in self._objects if _within(listing.namespace, name) and name not in listed]:
            before = self._objects[name]
            if not is_older(listing.version, version_of(before)):
                self._drop(name, before)
        gone = [name for name in self._deleted if _within(listing.namespace, name) and name not in listed]
        for name in gone:
            self._deleted.pop(name)
        for obj in listed.values():
            self.put(obj)

    def _is_old(self, name: Name, before: Object | None, obj: Object) -> bool:
        if self._deleted.get(name) == _uid(obj):
            return True
        return before is not None and is_older(version_of(obj), version_of(before))

    def _keep(self, name: Name, before: Object | None, obj: Object) -> None:
        same = before is not None and version_of(before) == version_of(obj) != ""
        if before is not None and rollout_of(before) != rollout_of(obj):
            self._drop(name, before)
        self._objects[name] = obj
        if rollout := rollout_of(obj):
            self._of_rollout[rollout][name] = obj
            if not same:
                self._changed(rollout)

    def _drop(self, name: Name, before: Object) -> None:
        del self._objects[name]
        if rollout := rollout_of(before):
            self._of_rollout[rollout].pop(name, None)
            if not self._of_rollout[rollout]:
                del self._of_rollout[rollout]
            self._changed(rollout)


def _uid(obj: Object) -> str:
    return str(obj["metadata"].get("uid", ""))


def _within(namespace: str, name: Name) -> bool:
    return not namespace or name[0] == namespace
