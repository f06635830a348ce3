"""What makes a revision: the user's words under `model` and `server`, and the image they were first seen with.

Only what was written counts. Nothing that this operator or the API server fills in may be part of the hash, or an
upgrade of either would look like a new model and start a rollout.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

_SPEC_DIGITS = 16
_REVISION_DIGITS = 8


def spec_hash(model: Mapping[str, Any], server: Mapping[str, Any]) -> str:
    """Hash of what the user wrote under model and server: 16 hexadecimal digits.

    The order of keys does not count, a null is the same as an absent field, and an absent `server` as an empty one.
    """
    return _digest({"model": written(model), "server": written(server)}, _SPEC_DIGITS)


def revision_hash(spec_hash: str, image: str) -> str:
    """Name of a revision: 8 lower-case hexadecimal digits, fit for names and labels."""
    return _digest([spec_hash, image], _REVISION_DIGITS)


def canonical(value: object) -> str:
    """JSON text that is the same for the same value, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def written(value: Any) -> Any:  # noqa: ANN401  # JSON of any shape, and the same shape back
    """Plain JSON without what is null, at any depth."""
    if isinstance(value, Mapping):
        return {key: written(one) for key, one in value.items() if one is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [written(one) for one in value]
    return value


def _digest(value: object, digits: int) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:digits]
