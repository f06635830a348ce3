"""The gate between a new model and the old one, before any traffic: a named list of checks, each with its sentence.

A new model is meant to answer otherwise; it has to take what the old one takes, in the same order, answer in the same
shape, pass its own golden rows, and not be much slower.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from modelserver.failures import StartError
from modelserver.making.inputs import Unusable
from modelserver.making.rounds import Plan, Speed, speed
from modelserver.models import Artifact, Scores
from modelserver.ranges import Bound
from modelserver.scores import NotFiniteError, check_finite
from modelserver.warmup import warm_up

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One check."""

    check: str
    passed: bool
    said: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked beyond the two models."""

    rows: tuple[tuple[float, ...], ...] = ()
    max_ratio: float = 1.5
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True, slots=True)
class Compared:
    findings: tuple[Finding, ...]
    speed: Speed | None = None
    """None where a model does not take the other's rows."""

    @property
    def passed(self) -> bool:
        return all(finding.passed for finding in self.findings)


def compare(new: Artifact, old: Artifact, asked: Asked) -> Compared:
    """All checks; those that need both models to take the same rows are left out where they do not.

    Raises:
        Unusable: there is no row to ask about, or the old model fails on one.
    """
    rows = [*asked.rows, *old.metadata.golden_rows, *new.metadata.golden_rows]
    if not rows:
        raise Unusable("neither model has golden rows; give --rows FILE, so that there is something to ask about")
    columns = _columns(new, old)
    first = (columns, _ranges(new, old), _answers(new, old), _golden(new))
    if not columns.passed:
        return Compared(first)
    theirs = _asked(old, rows)
    if isinstance(theirs, str):
        raise Unusable(f"the old model fails on these rows: {theirs}")
    answered = _rows(new, theirs, rows)
    if not answered.passed:
        return Compared((*first, answered))
    found = speed(new.model, old.model, rows, asked.plan)
    return Compared((*first, answered, _slowness(found, asked.max_ratio)), found)


def _columns(new: Artifact, old: Artifact) -> Finding:
    if new.width != old.width:
        return Finding("columns", False, f"the new model takes {new.width}, the old one {old.width}{_apart(new, old)}")
    ours, theirs = new.metadata.columns, old.metadata.columns
    if theirs and not ours:
        return Finding("columns", False, "the new model has no column names, so requests by name would be refused")
    for number, (name, other) in enumerate(zip(ours, theirs, strict=False)):
        if name != other:
            return Finding(
                "columns", False, f'column {number} is "{name}" in the new model and "{other}" in the old one'
            )
    return Finding("columns", True, f"{new.width} columns, the same in the same order")


def _apart(new: Artifact, old: Artifact) -> str:
    ours, theirs = new.metadata.columns, old.metadata.columns
    more, fewer = [name for name in ours if name not in theirs], [name for name in theirs if name not in ours]
    if not ours or not theirs:
        return ""
    said = [f"{word} {_listed(names)}" for word, names in (("more:", more), ("fewer:", fewer)) if names]
    return f" ({'; '.join(said)})" if said else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} others"


def _ranges(new: Artifact, old: Artifact) -> Finding:
    before = {bound.index: bound for bound in old.metadata.bounds}
    narrower = [
        bound.index for bound in new.metadata.bounds if _is_narrower(bound, before.get(bound.index, Bound(bound.index)))
    ]
    if not narrower:
        return Finding("ranges", True, "the new model takes every value that the old one takes")
    names = new.metadata.columns
    listed = _listed([names[index] if names else f"column {index}" for index in narrower])
    return Finding("ranges", False, f"the new model refuses values that the old one takes, in {listed}")


def _is_narrower(bound: Bound, before: Bound) -> bool:
    return bound.low > before.low or bound.high < before.high or (bound.whole and not before.whole)


def _answers(new: Artifact, old: Artifact) -> Finding:
    ours, theirs = new.metadata, old.metadata
    if ours.classes != theirs.classes:
        said = f"the new model answers {_kind(ours.classes)}, the old one {_kind(theirs.classes)}"
        return Finding("answers", False, said)
    if theirs.interval is not None and ours.interval is None:
        return Finding("answers", False, "the old model answers with an interval, the new one without")
    return Finding("answers", True, f"both answer {_kind(ours.classes)}")


def _kind(classes: Sequence[object]) -> str:
    shown = ", ".join(str(one) for one in classes[:10])
    return f"classes {shown}{', ...' if len(classes) > 10 else ''}" if classes else "numbers"  # noqa: PLR2004


def _golden(new: Artifact) -> Finding:
    try:
        warm_up(new)
    except StartError as error:
        return Finding("golden rows", False, str(error))
    rows, expected = len(new.metadata.golden_rows), new.metadata.expected
    if not rows:
        return Finding("golden rows", True, "the new model has none of its own")
    said = f"answered as when the bundle was made (tolerance {expected.tolerance:g})" if expected else "answered"
    return Finding("golden rows", True, f"{rows} of {rows} {said}")


def _rows(new: Artifact, theirs: Scores, rows: Sequence[tuple[float, ...]]) -> Finding:
    ours = _asked(new, rows)
    if isinstance(ours, str):
        return Finding("rows", False, f"the new model fails on them: {ours}")
    refused = [row for row in rows if any(bound.problem(row[bound.index]) for bound in new.metadata.bounds)]
    if refused:
        return Finding("rows", False, f"the new model refuses {len(refused)} of {len(rows)}")
    return Finding("rows", True, f"{len(rows)} of {len(rows)} answered; {_agreement(ours, theirs)}")


def _agreement(ours: Scores, theirs: Scores) -> str:
    pairs = list(zip(ours.labels, theirs.labels, strict=True))
    numbers = [(one, other) for one, other in pairs if isinstance(one, float) and isinstance(other, float)]
    if len(numbers) == len(pairs):
        return f"the largest difference from the old model is {max(abs(one - other) for one, other in numbers):.3g}"
    same = sum(one == other for one, other in pairs)
    return f"{same} with the old model's class"


def _asked(artifact: Artifact, rows: Sequence[tuple[float, ...]]) -> Scores | str:
    """The answers, row by row, or why there are none."""
    found = Scores([])
    for number, row in enumerate(rows):
        try:
            scores = artifact.model.predict(np.array([row], dtype=artifact.model.dtype))
            check_finite(scores)
        except NotFiniteError as error:
            return f"row {number}: {error}"
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its failure
            return f"row {number}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        found.labels.extend(scores.labels)
    return found


def _slowness(found: Speed, most: float) -> Finding:
    times = f"{found.new_p95_ms:.3g} ms, the old model's {found.old_p95_ms:.3g} ms"
    said = f"{times}; in the median round {found.ratio:.2f} times the old one's (limit {most:g})"
    return Finding("p95", found.ratio <= most, said)
