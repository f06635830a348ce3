"""A manifest read from a file as the operator would read it from the API server, or refused in one sentence.

What the API server checks by rules (CEL) is checked by `cli.rules`, what the operator finds before it builds anything
by the operator's own code. Defaults of the server side are not needed: they are the models' own.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from modelrollout import names, rollouts
from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.builders.problems import problems
from modelrollout.cli.answers import Unusable
from modelrollout.cli.rules import broken_rule
from modelrollout.core.facts import Rollout

STDIN = "-"


def read(path: str) -> Rollout:
    """The one ModelRollout of a file, or of standard input for "-".

    Raises:
        Unusable: no such file, no YAML, not exactly one ModelRollout, or a spec that would be refused.

    """
    return _rollout(_chosen(path, [one for one in _documents(path) if one is not None]), path)


def read_spec(path: str) -> tuple[str, ModelRolloutSpec]:
    """Name and spec of the one ModelRollout of a file.

    Raises:
        Unusable: as for `read`.

    """
    rollout = read(path)
    if rollout.spec is None:
        raise Unusable(f"{path}: {rollout.invalid}")
    return rollout.name, rollout.spec


def _documents(path: str) -> Iterator[Any]:
    try:
        yield from yaml.safe_load_all(_text(path))
    except yaml.YAMLError as error:
        raise Unusable(f"{path} is not YAML: {_where(error)}") from error


def _text(path: str) -> str:
    try:
        return sys.stdin.read() if path == STDIN else Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Unusable(f"{path} is not YAML: it is no text in UTF-8") from error
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}, column {mark.column + 1}: {said}" if mark is not None else said


def _chosen(path: str, documents: list[Any]) -> Mapping[str, Any]:
    found = [one for one in documents if isinstance(one, dict) and one.get("kind") == names.KIND]
    if len(found) == 1:
        return _of_our_group(path, found[0])
    if found:
        raise Unusable(f"{path} holds {len(found)} {names.KIND}s; give one that holds a single one")
    kinds = {str(one.get("kind", "an object without a kind")) for one in documents if isinstance(one, dict)}
    held = ", ".join(sorted(kinds)) or ("nothing" if not documents else "no object")
    raise Unusable(f"{path} holds no {names.KIND} but {held}; begin with apiVersion: {names.API_VERSION}")


def _of_our_group(path: str, raw: Mapping[str, Any]) -> Mapping[str, Any]:
    if raw.get("apiVersion") == names.API_VERSION:
        return raw
    raise Unusable(f'{path}: apiVersion is "{raw.get("apiVersion", "")}"; write {names.API_VERSION}')


def _rollout(raw: Mapping[str, Any], path: str) -> Rollout:
    metadata = raw.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not isinstance(metadata, dict):
        raise Unusable(f"{path}: metadata.name is missing; give the rollout a name")
    _validate(raw, path)
    rollout = rollouts.parse(dict(raw) | {"metadata": metadata | {"uid": name, "generation": 1}})
    refused = broken_rule(rollout) or problems(rollout)
    if refused:
        raise Unusable(f"{path}: {refused}")
    return rollout


def _validate(raw: Mapping[str, Any], path: str) -> None:
    try:
        ModelRolloutSpec.model_validate(raw.get("spec") or {})
    except ValidationError as error:
        raise Unusable(f"{path}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(["spec", *map(str, first["loc"])])
    others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f'unknown field "{place}"{others}'
    if first["type"] == "missing":
        return f"{place} is missing{others}"
    found = first["input"]
    shown = f"{place} is {found!r:.80}: " if isinstance(found, str | int | float | bool) else f"{place}: "
    said = first["msg"].removeprefix("Value error, ")
    return f"{shown}{said[:1].lower()}{said[1:]}{others}"
