"""Whether a model still answers what it answered when its bundle was made."""

from modelserver.models import Expected, Label, Scores


def difference(expected: Expected, row: int, answered: Scores) -> str:
    """How the answer to one golden row differs from what is expected; empty where it does not."""
    said = _of_label(answered.labels[0], expected.scores.labels[row], expected.tolerance)
    shares = expected.scores.probabilities
    if said or shares is None:
        return said
    return _of_shares(answered.probabilities, shares[row], expected.tolerance)


def is_near(answered: Label, wanted: Label, tolerance: float) -> bool:
    """Whether two predictions are the same, numbers within the tolerance."""
    if isinstance(answered, list) or isinstance(wanted, list):
        if not (isinstance(answered, list) and isinstance(wanted, list)) or len(answered) != len(wanted):
            return False
        return all(is_near(one, other, tolerance) for one, other in zip(answered, wanted, strict=True))
    if isinstance(answered, str | bool) or isinstance(wanted, str | bool):
        return answered == wanted and isinstance(answered, str) == isinstance(wanted, str)
    return abs(answered - wanted) <= tolerance * max(1.0, abs(wanted))


def _of_label(answered: Label, wanted: Label, tolerance: float) -> str:
    if is_near(answered, wanted, tolerance):
        return ""
    return f"the model answers {_shown(answered)}, the manifest expects {_shown(wanted)} (tolerance {tolerance:g})"


def _of_shares(answered: list[list[float]] | None, wanted: list[float], tolerance: float) -> str:
    if answered is None:
        return "the model answers no probabilities, the manifest expects some"
    if len(answered[0]) != len(wanted):
        return f"the model answers {len(answered[0])} probabilities, the manifest expects {len(wanted)}"
    for number, (one, other) in enumerate(zip(answered[0], wanted, strict=True)):
        if not is_near(one, other, tolerance):
            return (
                f"the model gives class {number} the probability {one:.6g}, the manifest expects {other:.6g} "
                f"(tolerance {tolerance:g})"
            )
    return ""


def _shown(label: Label) -> str:
    if isinstance(label, list):
        return f"[{', '.join(_shown(one) for one in label)}]"[:200]
    return f"{label:.6g}" if isinstance(label, float) else f'"{label[:50]}"' if isinstance(label, str) else str(label)
