"""Which calls to the API server the operator's code can make, read from the code itself.

Writes name their kind of object where they are made (`writer.create(SERVICES, ...)`), so the syntax tree is enough.
What a writer does on its own, such as reading an object again after a conflict, is spelled out here.
"""

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

from modelrollout.kube import resources
from modelrollout.kube.resources import Resource

PACKAGE = Path(__file__).parents[2] / "operator" / "modelrollout"

DIRECT = {
    "get": {"get"},
    "list": {"list"},
    "watch": {"watch"},
    "create": {"create"},
    "replace": {"update"},
    "merge": {"patch"},
    "json_patch": {"patch"},
    "delete": {"delete"},
}
"""Methods of the client, as Kubernetes' verbs."""

WRITER = {
    "create": {"create", "get", "patch"},
    "replace": {"update", "get"},
    "merge": {"patch", "get"},
    "json_patch": {"patch", "get"},
    "delete": {"delete"},
    "end": {"delete"},
}
"""Methods of `kube.writer`: an object that exists is read and its labels repaired, a conflict reads again."""

ENSURE = {"create", "replace", "delete"}
"""What `actions._ensure` calls: all of it, or only the last where the manifest is None."""

Used = set[tuple[str, str]]

HAS_POD = ("pods", "get")
"""Whether the replica that held the Lease still exists; `shell.machine` asks it for the elector."""


def name_of(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


LEADING = frozenset({PACKAGE / "kube" / "lease.py"})
"""What a replica asks for in its own namespace alone."""


def used() -> Used:
    """Pairs of kind and verb that the code can ask for."""
    return _within(set(PACKAGE.rglob("*.py")) - LEADING) - {HAS_POD} | _reflected() | _of_kopf()


def used_to_lead() -> Used:
    """Pairs of kind and verb that taking turns needs, in the release's own namespace."""
    return _within(LEADING) | {HAS_POD}


def _within(files: Collection[Path]) -> Used:
    calls = (call for file in sorted(files) for call in _calls(ast.parse(file.read_text())))
    return {pair for call in calls for pair in _of_call(call)}


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)


def _of_call(call: ast.Call) -> Used:
    function = call.func
    if isinstance(function, ast.Name) and function.id == "_ensure":
        only_delete = isinstance(call.args[3], ast.Constant)
        methods = {"delete"} if only_delete else ENSURE
        return {pair for method in methods for pair in _pairs(call.args[1], WRITER[method])}
    if not isinstance(function, ast.Attribute):
        return set()
    if function.attr == "replace_status":
        return {(f"{kind}/status", verb) for kind, verb in _pairs(call.args[0], {"update"})}
    through_writer = isinstance(function.value, ast.Attribute) and function.value.attr == "writer"
    return _pairs(call.args[0], (WRITER if through_writer else DIRECT).get(function.attr, set()))


def _pairs(argument: ast.expr, verbs: set[str]) -> Used:
    resource = getattr(resources, argument.id, None) if isinstance(argument, ast.Name) else None
    return {(name_of(resource), verb) for verb in verbs} if isinstance(resource, Resource) else set()


def _reflected() -> Used:
    return {(name_of(resource), verb) for resource in resources.CHILDREN for verb in ("list", "watch")}


def _of_kopf() -> Used:
    return {(name_of(resources.MODEL_ROLLOUTS), verb) for verb in ("list", "watch")}
