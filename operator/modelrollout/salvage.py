"""A spec from its JSON; of one that cannot be followed, what can still be read.

A model that is under way, or that was promoted, has to be judged and taken back even while somebody's typing error
stands in the spec, and after an upgrade to an operator that is stricter. So every value that is refused is left out,
which means its default; nothing new is ever started from such a spec (`core.unfollowed`).
"""

import copy
from typing import Any

from pydantic import ValidationError

from modelrollout.api.spec import ModelRolloutSpec

UNKNOWN = "extra_forbidden"
ROUNDS = 20
"""A block may be refused again without the value that was left out of it."""
NO_MODEL = {"uri": "unreadable:"}
"""In place of a model that cannot be read; no pod is ever started with it."""

Json = Any


def read_spec(written: Json) -> tuple[ModelRolloutSpec | None, str]:
    """The spec, or what can be read of it and the sentence that says why it cannot be followed.

    A field that is not known is of a newer release: the API server has refused typing errors, and fills in defaults as
    soon as its CRD is replaced, which is before the operator is.
    """
    try:
        return ModelRolloutSpec.model_validate(written or {}), ""
    except ValidationError as error:
        if any(one["type"] != UNKNOWN for one in error.errors(include_url=False)):
            return _readable(written, error), _sentence(error)
        return _readable(written, error), ""


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(["spec", *(str(part) for part in first["loc"])])
    found = first.get("input")
    shown = f" (found {found!r:.80})" if isinstance(found, str | int | float | bool) else ""
    others = f"; {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return f"{place}: {first['msg']}{shown}{others}"


def _readable(written: Json, error: ValidationError) -> ModelRolloutSpec | None:
    kept = copy.deepcopy(written) if isinstance(written, dict) else {}
    for _ in range(ROUNDS):
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            _leave_out(kept, one["loc"])
        try:
            return ModelRolloutSpec.model_validate(kept)
        except ValidationError as again:
            error = again
    return None


def _leave_out(kept: dict[str, Json], place: tuple[int | str, ...]) -> None:
    """Take out the value at a place; the whole list where it is in one, and the block where it is missing."""
    if not place:
        kept.clear()
        return
    if place[:1] == ("model",):
        kept["model"] = NO_MODEL
        return
    blocks = [kept]
    for part in place[:-1]:
        below = blocks[-1].get(str(part))
        if not isinstance(below, dict):
            break
        blocks.append(below)
    names = [str(part) for part in place[: len(blocks)]]
    for block, name in zip(reversed(blocks), reversed(names), strict=True):
        if name in block:
            del block[name]
            return
