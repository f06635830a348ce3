"""The user's pod template, merged over ours the way Kubernetes merges: lists by their keys, maps field by field.

The lists and their keys are those by which a server-side apply tells entries apart. Containers are merged field by
field; entries of the other lists take the place of ours whole, since a volume with two sources or a variable with two
values is none. The user's entries stay as they are written, two of one key too: Kubernetes says what it makes of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from modelrollout import names
from modelrollout.api import reserved

_MERGED = frozenset({"containers", "initContainers"})
_KEYS = {
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
}
"""All other lists, tolerations among them, are taken whole."""
_USUAL = {"protocol": "TCP"}
"""What Kubernetes takes for a part of a key that is left out; the first part always has to be there."""

_WHERE = "spec.server.podTemplate"


class ForbiddenTemplate(ValueError):  # noqa: N818  # named for the fact
    """A pod template touches what belongs to the operator; the text says what and what to write instead."""


def merge(ours: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """Our pod template with the user's merged over it.

    Raises:
        ForbiddenTemplate: when the user's touches what belongs to the operator.

    """
    refusal = forbidden(template)
    if refusal:
        raise ForbiddenTemplate(refusal)
    return _merged(ours, _renamed(template))


def _renamed(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The template with fields' old names as their new ones, which count where both are there."""
    spec = dict(_at(template, "spec"))
    for old, new in reserved.RENAMED_POD_FIELDS.items():
        if value := spec.pop(old, None):
            spec[new] = spec.get(new) or value
    return {**template, "spec": spec} if "spec" in template else template


def forbidden(template: Mapping[str, Any]) -> str:
    """What a template touches that it may not, as a sentence with the remedy; empty when there is nothing."""
    checks = (_labels, _pod_fields, _twice, _init_server, _server_fields, _server_env)
    return next((found for found in (check(template) for check in checks) if found), "")


def _labels(template: Mapping[str, Any]) -> str:
    taken = sorted(key for key in _at(template, "metadata", "labels") if reserved.is_reserved_label(key))
    return f"{_WHERE} sets the label {taken[0]}; {reserved.LABEL_REMEDY}" if taken else ""


def _pod_fields(template: Mapping[str, Any]) -> str:
    spec = _at(template, "spec")
    return next((f"{_WHERE} sets {name}; {what}" for name, what in reserved.POD_FIELDS.items() if name in spec), "")


def _twice(template: Mapping[str, Any]) -> str:
    """Kubernetes would refuse the pods; and only one of the two would be looked at here."""
    for field in sorted(_MERGED):
        named = [one.get("name") for one in _at(template, "spec").get(field) or ()]
        if again := next((name for name in named if named.count(name) > 1), None):
            return f'{_WHERE} has two {field} called "{again}"; rename one'
    return ""


def _init_server(template: Mapping[str, Any]) -> str:
    taken = any(one.get("name") == names.SERVER_CONTAINER for one in _at(template, "spec").get("initContainers") or ())
    return f'{_WHERE} calls an init container "server", as the serving one is called; rename it' if taken else ""


def _server_fields(template: Mapping[str, Any]) -> str:
    server = _server(template)
    touched = (name for name in reserved.SERVER_FIELDS if name in server)
    return next((f'{_WHERE} sets {name} of container "server"; {reserved.SERVER_FIELDS[name]}' for name in touched), "")


def _server_env(template: Mapping[str, Any]) -> str:
    return forbidden_env(f'{_WHERE} (container "server")', _server(template).get("env") or ())


def forbidden_env(where: str, env: Sequence[Mapping[str, Any]]) -> str:
    """The first variable that belongs to the operator, as a sentence; empty when there is none."""
    taken = (one.get("name", "") for one in env if reserved.is_reserved_env(one.get("name", "")))
    return next((f"{where} sets the variable {name}; {reserved.ENV_REMEDY}" for name in taken), "")


def _server(template: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = _at(template, "spec").get("containers") or ()
    return next((one for one in containers if one.get("name") == names.SERVER_CONTAINER), {})


def _at(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for key in path:
        value = value.get(key) or {}
    return value


def _merged(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(ours)
    for field, value in theirs.items():
        if value is not None:
            result[field] = _field(field, ours.get(field), value)
    return result


def _field(field: str, ours: Any, theirs: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    if isinstance(theirs, Mapping):
        return _merged(ours if isinstance(ours, Mapping) else {}, theirs)
    if field in _MERGED:
        _require(field, "name", theirs)
        return _containers(ours or (), {one["name"]: one for one in theirs})
    if field in _KEYS:
        _require(field, _KEYS[field][0], theirs)
        return _entries(_KEYS[field], ours or (), theirs)
    return theirs


def _containers(ours: Sequence[Mapping[str, Any]], theirs: dict[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Our containers in our order, then theirs that are new in theirs."""
    present = {one["name"]: one for one in ours}
    return [_merged(present.get(name, {}), theirs.get(name, {})) for name in present | theirs]


def _entries(
    keys: Sequence[str], ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Ours in our order, each with theirs of the same key in its place; then theirs that are new in theirs."""
    present = [_key(keys, one) for one in ours]
    given = [(_key(keys, one), one) for one in theirs]
    placed = [[one for key, one in given if key == here] or [mine] for here, mine in zip(present, ours, strict=True)]
    return [*(one for entries in placed for one in entries), *(one for key, one in given if key not in present)]


def _key(keys: Sequence[str], entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(part) or _USUAL.get(part) for part in keys)


def _require(field: str, key: str, entries: Sequence[Mapping[str, Any]]) -> None:
    without = next((index for index, one in enumerate(entries) if key not in one), None)
    if without is not None:
        raise ForbiddenTemplate(f"{_WHERE} has no {key} in {field}[{without}]; write one, lists are merged by it")
