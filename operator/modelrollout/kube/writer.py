"""Every write to a child goes through here: within the rate limit, and its answer goes straight into the stores.

So the next decision sees what this one wrote. A conflict reads the object again before it is passed on, because what
the store has is then known to be old. A name that is taken by somebody else is an exception of its own.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from modelrollout.kube import trim
from modelrollout.kube.errors import AlreadyExists, Conflict, NotFound, Unavailable
from modelrollout.kube.resources import CHILDREN, PODS, Object, Resource, is_leftover, owner_of
from modelrollout.kube.store import Changed, Store, whole

Gate = Callable[[], Awaitable[None]]
"""Waits until a write is allowed."""


class Api(Protocol):
    """The writing half of `client.Kube`; a fake in tests."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Object: ...

    async def create(self, resource: Resource, namespace: str, obj: Object) -> Object: ...

    async def replace(self, resource: Resource, obj: Object) -> Object: ...

    async def replace_status(self, resource: Resource, obj: Object) -> Object: ...

    async def merge(self, resource: Resource, namespace: str, name: str, patch: Object) -> Object: ...

    async def json_patch(self, resource: Resource, namespace: str, name: str, steps: Sequence[Object]) -> Object: ...

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None: ...


class NameTaken(Exception):  # noqa: N818  # reads as what was found
    """An object of one of our names is somebody else's."""

    def __init__(self, obj: Object) -> None:
        super().__init__(f"{obj.get('kind', 'object')} {obj['metadata']['name']} is somebody else's")
        self.obj = obj


def stores(changed: Changed) -> Mapping[Resource, Store]:
    """One empty store for each kind of child."""
    return {resource: Store(changed, trim.pod if resource is PODS else whole) for resource in CHILDREN}


class Writer:
    """Writes children, and keeps the stores no older than what was written."""

    def __init__(self, api: Api, kept: Mapping[Resource, Store], gate: Gate) -> None:
        self._api = api
        self._stores = kept
        self._gate = gate

    def known(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """An object as the store has it."""
        return self._stores[resource].get(namespace, name)

    async def create(self, resource: Resource, obj: Object) -> Object:
        """Create an object; one of ours that exists already is taken as it is, with our labels repaired.

        Raises:
            NameTaken: the name is somebody else's.
            Unavailable: what is left of an earlier rollout of this name has not been collected yet.
        """
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        await self._gate()
        try:
            return self._kept(resource, await self._api.create(resource, namespace, obj))
        except AlreadyExists:
            found = await self._api.get(resource, namespace, name)
        found = {"kind": resource.kind, "apiVersion": resource.api_version} | found
        owner = owner_of(obj) or {}
        if is_leftover(found, owner):
            raise Unavailable(f"{resource.kind} {name} of the earlier {owner['kind']} {owner['name']} is still there")
        if (owner_of(found) or {}).get("uid") != owner.get("uid"):
            raise NameTaken(found)
        return await self._relabelled(resource, found, obj)

    async def replace(self, resource: Resource, obj: Object) -> Object:
        """Write a whole object over the version that it was read at."""
        meta = obj["metadata"]
        await self._gate()
        try:
            return self._kept(resource, await self._api.replace(resource, obj))
        except (Conflict, NotFound) as error:
            raise await self._reread(resource, (meta["namespace"], meta["name"]), error) from error

    async def merge(self, resource: Resource, name: tuple[str, str], patch: Object) -> Object:
        await self._gate()
        try:
            return self._kept(resource, await self._api.merge(resource, *name, patch))
        except (Conflict, NotFound) as error:
            raise await self._reread(resource, name, error) from error

    async def json_patch(self, resource: Resource, name: tuple[str, str], steps: Sequence[Object]) -> Object:
        await self._gate()
        try:
            return self._kept(resource, await self._api.json_patch(resource, *name, steps))
        except (Conflict, NotFound) as error:
            raise await self._reread(resource, name, error) from error

    async def delete(self, resource: Resource, obj: Object) -> None:
        meta = obj["metadata"]
        await self._gate()
        try:
            await self._api.delete(resource, meta["namespace"], meta["name"], meta["uid"])
        except Conflict as error:
            raise await self._reread(resource, (meta["namespace"], meta["name"]), error) from error
        self._stores[resource].forget(obj)

    async def end(self, resource: Resource, obj: Object) -> None:
        """Delete one very object whatever its state is, so that a conflict asks for no reading: it is tried again."""
        meta = obj["metadata"]
        await self._gate()
        await self._api.delete(resource, meta["namespace"], meta["name"], meta["uid"])
        self._stores[resource].forget(obj)

    def _kept(self, resource: Resource, obj: Object) -> Object:
        self._stores[resource].put(obj)
        return obj

    async def _relabelled(self, resource: Resource, found: Object, wanted: Object) -> Object:
        """Labels that somebody removed hide an object from the reflector, so they are put back."""
        labels = wanted["metadata"].get("labels") or {}
        if labels.items() <= (found["metadata"].get("labels") or {}).items():
            return self._kept(resource, found)
        name = (found["metadata"]["namespace"], found["metadata"]["name"])
        return await self.merge(resource, name, {"metadata": {"labels": labels}})

    async def _reread(self, resource: Resource, name: tuple[str, str], error: Exception) -> Conflict:
        known = self._stores[resource].get(*name)
        try:
            self._kept(resource, await self._api.get(resource, *name))
        except NotFound:
            if known is not None:
                self._stores[resource].forget(known)
        return Conflict(str(error))
