"""A revision's source as JSON: on its Deployment, so that it is known what runs, and in its ControllerRevision.

Reading is forgiving: a record that somebody has edited by hand is no record, and never an exception in the loop.
"""

import json
from collections.abc import Mapping
from typing import Any

from modelrollout import names, revisions
from modelrollout.core.facts import RevisionSource

_TEXTS = {
    "revision": "revision",
    "version": "version",
    "specHash": "spec_hash",
    "image": "image",
    "against": "against",
}
_BLOCKS = ("model", "server")


def record(source: RevisionSource) -> dict[str, Any]:
    """The source as plain JSON."""
    texts = {key: getattr(source, name) for key, name in _TEXTS.items()}
    return texts | {"model": revisions.written(source.model), "server": revisions.written(source.server)}


def record_text(source: RevisionSource) -> str:
    """The source as the text of an annotation."""
    return revisions.canonical(record(source))


def source_from_record(found: Mapping[str, Any]) -> RevisionSource | None:
    """Read a record, or a whole Deployment or ControllerRevision that carries one; None where there is none to read."""
    kind = found.get("kind")
    if kind == "ControllerRevision":
        return _parsed(found.get("data"))
    if kind == "Deployment" or "metadata" in found:
        return _parsed(_annotation(found))
    return _parsed(found)


def _annotation(manifest: Mapping[str, Any]) -> object:
    text = (manifest.get("metadata", {}).get("annotations") or {}).get(names.RECORD_ANNOTATION)
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _parsed(value: object) -> RevisionSource | None:
    if not isinstance(value, Mapping):
        return None
    texts = {name: value.get(key) for key, name in _TEXTS.items()}
    blocks = {key: value.get(key) for key in _BLOCKS}
    whole = all(isinstance(one, str) and one for one in texts.values())
    if not whole or not all(isinstance(one, Mapping) for one in blocks.values()):
        return None
    return RevisionSource(**{name: str(text) for name, text in texts.items()}, **blocks)  # type: ignore[arg-type]  # checked above
