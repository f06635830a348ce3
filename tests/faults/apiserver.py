"""What the API server does with each verb: compare-and-swap, the status apart, generation, finalizers, ownership.

It answers at once and never fails by itself: delays, faults and deaths belong to `client`.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faults.etcd import Etcd, Key, Object

from modelrollout.kube.encoding import encoded
from modelrollout.kube.errors import AlreadyExists, Conflict, Invalid, NotFound
from modelrollout.kube.resources import CONTROLLER_REVISIONS, MODEL_ROLLOUTS, PODS, Resource, version_of

NAMESPACE = "default"
Path = tuple[str, ...]


@dataclass(slots=True)
class ApiServer:
    """Verbs over the store. `by` says who asks."""

    etcd: Etcd = field(default_factory=Etcd)
    clock: str = "2026-01-01T00:00:00Z"
    owned: dict[tuple[Key, str], frozenset[Path]] = field(default_factory=dict)
    """Fields that each manager has applied."""
    made: int = 0
    encode: Callable[[object], bytes] = encoded
    """How the operator encodes what it sends."""
    raw: dict[Key, str] = field(default_factory=dict)
    """The bytes of each ControllerRevision's data, as they were sent."""

    def get(self, resource: Resource, name: str, namespace: str = NAMESPACE) -> Object:
        found = self.etcd.get((resource.plural, namespace, name))
        if found is None:
            raise NotFound(f'{resource.plural} "{name}" not found')
        return found

    def find(self, resource: Resource, name: str, namespace: str = NAMESPACE) -> Object | None:
        return self.etcd.get((resource.plural, namespace, name))

    def create(self, resource: Resource, obj: Object, by: str) -> Object:
        """A new object; what it says of its status is not believed."""
        meta = {"namespace": NAMESPACE} | obj["metadata"]
        key = (resource.plural, meta["namespace"], meta["name"])
        if self.etcd.get(key) is not None:
            raise AlreadyExists(f'{resource.plural} "{meta["name"]}" already exists')
        self.made += 1
        meta = {"uid": f"uid-{self.made}"} | meta | {"generation": 1, "creationTimestamp": self.clock}
        whole = {"apiVersion": resource.api_version, "kind": resource.kind} | obj | {"metadata": meta}
        if resource is not PODS:
            whole.pop("status", None)
        if resource is CONTROLLER_REVISIONS:
            self.raw[key] = self.encode(obj.get("data")).decode()
        return self._put(key, whole, by, "create")

    def update(self, resource: Resource, obj: Object, by: str) -> Object:
        """Everything but the status, over the version that was read."""
        known, key = self._compared(resource, obj)
        kept = {"status": known["status"]} if "status" in known else {}
        return self._changed(key, {name: one for name, one in obj.items() if name != "status"} | kept, by, "update")

    def update_status(self, resource: Resource, obj: Object, by: str) -> Object:
        """Only the status, over the version that was read."""
        known, key = self._compared(resource, obj)
        return self._changed(key, known | {"status": obj["status"]}, by, "status")

    def merge(self, resource: Resource, name: str, patch: Object, by: str) -> Object:
        known = self.get(resource, name)
        version = patch.get("metadata", {}).get("resourceVersion")
        if version not in {None, version_of(known)}:
            raise Conflict("the object has been modified")
        return self._changed(_key(resource, name), _merged(known, patch), by, "merge")

    def json_patch(self, resource: Resource, name: str, steps: Sequence[Object], by: str) -> Object:
        """Each step in turn, all or nothing; a `test` that fails is a 422."""
        changed = copy.deepcopy(self.get(resource, name))
        for step in steps:
            _step(changed, step)
        return self._changed(_key(resource, name), changed, by, "json-patch")

    def apply(self, resource: Resource, obj: Object, by: str) -> Object:
        """Server-side apply: the fields of the body are this manager's; those it had and leaves out go.

        Raises:
            Conflict: another manager owns one of them with another value.

        """
        key = _key(resource, obj["metadata"]["name"])
        known = self.etcd.get(key)
        wanted = dict(_leaves({"spec": obj.get("spec", {})}))
        if known is None:
            self.owned[key, by] = frozenset(wanted)
            return self.create(resource, obj, by)
        changed = copy.deepcopy(known)
        others = [paths for (one, manager), paths in self.owned.items() if one == key and manager != by]
        for path, value in wanted.items():
            if _at(known, path) != value and any(path in paths for paths in others):
                raise Conflict(f"conflict: {'.'.join(path)} is applied by somebody else")
            _set(changed, path, value)
        for path in self.owned.get((key, by), frozenset()) - wanted.keys():
            if not any(path in paths for paths in others):
                _remove(changed, path)
        self.owned[key, by] = frozenset(wanted)
        return self._changed(key, changed, by, "apply")

    def delete(self, resource: Resource, name: str, by: str, uid: str = "") -> None:
        """Gone at once, or marked where somebody has to finish it: finalizers, and pods that have to end."""
        known = self.get(resource, name)
        if uid and known["metadata"]["uid"] != uid:
            raise Conflict("the uid in the precondition does not match")
        if not known["metadata"].get("finalizers") and resource is not PODS:
            self.etcd.put(_key(resource, name), None, by, "delete")
            return
        if "deletionTimestamp" not in known["metadata"]:
            marked = known | {"metadata": known["metadata"] | {"deletionTimestamp": self.clock}}
            self._put(_key(resource, name), marked, by, "delete")

    def finish(self, resource: Resource, name: str, by: str) -> None:
        """Nobody holds it any more."""
        self.etcd.put(_key(resource, name), None, by, "delete")

    def orphan(self, resource: Resource, name: str, by: str) -> None:
        """Delete an object and keep what it owns: the garbage collector lets go of each, and only then it is gone."""
        known = self.get(resource, name)
        meta = known["metadata"] | {"deletionTimestamp": self.clock, "finalizers": ["orphan"]}
        self._put(_key(resource, name), known | {"metadata": meta}, by, "delete")

    def _let_go(self) -> None:
        for key, obj in list(self.etcd.objects.items()):
            if "orphan" in (obj["metadata"].get("finalizers") or []) and self._has_let_go(obj["metadata"]["uid"]):
                self.etcd.put(key, None, "garbage collector", "delete")

    def _has_let_go(self, uid: str) -> bool:
        """Take the owner away from everything it owns; gives whether that was possible."""
        all_gone = True
        for key, obj in list(self.etcd.objects.items()):
            owners = obj["metadata"].get("ownerReferences") or []
            kept = [owner for owner in owners if owner["uid"] != uid]
            if len(kept) == len(owners):
                continue
            try:
                changed = obj | {"metadata": obj["metadata"] | {"ownerReferences": kept}}
                self._changed(key, changed, "garbage collector", "merge")
            except Invalid:
                all_gone = False
        return all_gone

    def collect(self) -> None:
        """The garbage collector: what belongs to an owner that is gone goes, too. Pods end by their kubelet."""
        self._let_go()
        alive = {obj["metadata"]["uid"] for obj in self.etcd.objects.values()}
        for key, obj in list(self.etcd.objects.items()):
            owners = obj["metadata"].get("ownerReferences") or []
            if owners and not any(owner["uid"] in alive for owner in owners) and key[0] != PODS.plural:
                self.etcd.put(key, None, "garbage collector", "delete")

    def _compared(self, resource: Resource, obj: Object) -> tuple[Object, Key]:
        meta = obj["metadata"]
        known = self.get(resource, meta["name"], meta["namespace"])
        if meta.get("resourceVersion") != version_of(known) or meta.get("uid") != known["metadata"]["uid"]:
            raise Conflict("the object has been modified; apply your changes to the latest version")
        return known, (resource.plural, meta["namespace"], meta["name"])

    def _changed(self, key: Key, changed: Object, by: str, verb: str) -> Object:
        known = self.etcd.objects[key]
        if key in self.raw and _go(changed.get("data")) != self.raw[key]:
            raise Invalid(f'ControllerRevision.apps "{key[2]}" is invalid: data: Invalid value: field is immutable')
        meta = changed["metadata"] | {"generation": known["metadata"]["generation"]}
        if changed.get("spec") != known.get("spec"):
            meta["generation"] += 1
        meta["resourceVersion"] = version_of(known)
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and key[0] == MODEL_ROLLOUTS.plural:
            self.etcd.put(key, None, by, verb)
            return changed
        return self._put(key, changed | {"metadata": meta}, by, verb)

    def _put(self, key: Key, obj: Object, by: str, verb: str) -> Object:
        stored = self.etcd.put(key, obj, by, verb)
        assert stored is not None
        return stored


def _go(value: object) -> str:
    """JSON as the API server encodes what it has decoded: it compares that, byte by byte, with what it was sent."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for one in "&<>":
        text = text.replace(one, f"\\u{ord(one):04x}")
    return text


def _key(resource: Resource, name: str) -> Key:
    return resource.plural, NAMESPACE, name


def _merged(base: Object, patch: Mapping[str, Any]) -> Object:
    result = dict(base)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            below = result.get(key)
            result[key] = _merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result


def _step(obj: Object, step: Object) -> None:
    *parents, last = step["path"].strip("/").split("/")
    for part in parents:
        obj = obj[part]
    if step["op"] == "test":
        if obj.get(last) != step["value"]:
            raise Invalid("the server rejected our request due to an error in our request")
    elif step["op"] == "replace" and last not in obj:
        raise Invalid(f"replace operation does not apply: doc is missing path {step['path']}")
    else:
        obj[last] = step["value"]


def _leaves(value: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every field that is no object, with its path; a list is one value."""
    for key, below in value.items():
        if isinstance(below, Mapping) and below:
            yield from _leaves(below, (*path, key))
        else:
            yield (*path, key), below


def _at(obj: Any, path: Path) -> Any:
    for part in path:
        obj = obj.get(part) if isinstance(obj, Mapping) else None
    return obj


def _set(obj: Object, path: Path, value: Any) -> None:
    for part in path[:-1]:
        obj = obj.setdefault(part, {})
    obj[path[-1]] = value


def _remove(obj: Object, path: Path) -> None:
    for part in path[:-1]:
        obj = obj.get(part, {})
    obj.pop(path[-1], None)
