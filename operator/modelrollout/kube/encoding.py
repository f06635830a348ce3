"""JSON as the API server itself writes it: keys in order, no spaces, & < > escaped.

The data of a ControllerRevision may never change, and the API server compares its bytes: those that it was sent at its
creation with those of its own encoder at each later patch, the garbage collector's among them. An object that was sent
in any other form can never be patched again, nor its owner be deleted with `--cascade=orphan`.
"""

import json

_ESCAPED = {ord(one): f"\\u{ord(one):04x}" for one in "&<>\u2028\u2029"}
"""Go escapes these in texts; elsewhere in JSON they cannot be."""


def encoded(body: object) -> bytes:
    """A body as Go's encoder writes it; half of a surrogate pair, which no JSON can carry, becomes a question mark."""
    text = json.dumps(_numbers(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.translate(_ESCAPED).encode(errors="replace")


def _numbers(value: object) -> object:
    """Go writes 2.0 as 2."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _numbers(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(one) for one in value]
    return value
