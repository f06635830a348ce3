"""Evidence as text for the status, so that an operator that restarts goes on from where it was.

Rows of sums are written as differences, which are small numbers, then compressed. Text that is damaged or of another
version is no evidence: the epoch then begins anew, which costs time and can never promote. Where the text would be
too long, it forgets the pods, which only name whom to blame.
"""

import base64
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from operator import sub
from typing import Any

from pydantic_core import to_json

from modelrollout.judge.arms import Arm, Compared, Comparison
from modelrollout.judge.eprocesses import NO_SPLIT, Stratum
from modelrollout.judge.evidence import Evidence, fresh
from modelrollout.judge.restarts import Restart
from modelrollout.judge.tallies import Tally

LONGEST = 4096
"""Characters that the status has room for."""
_VERSION = "2"
_ROOM = LONGEST - len(_VERSION) - 1
_LONGEST_JSON = 65_536
_LARGEST = 2**63
_HITS = 4

Row = tuple[int, ...]


def pack(evidence: Evidence) -> str:
    """The evidence as at most `LONGEST` characters of ASCII."""
    return next(text for text in map(_pack, _slimmer(evidence)) if len(text) <= LONGEST)


def unpack(text: str) -> Evidence:
    """The evidence in a text of `pack`; `fresh()` for any other text."""
    version, _, packed = text[:LONGEST].partition(".")
    if version != _VERSION:
        return fresh()
    try:
        return _evidence(json.loads(inflate(packed)))
    except (ValueError, TypeError, LookupError, RecursionError, zlib.error):
        return fresh()


def _slimmer(evidence: Evidence) -> Iterator[Evidence]:
    yield evidence
    candidate, stable = (replace(arm, pods=()) for arm in (evidence.candidate, evidence.stable))
    yield replace(evidence, candidate=candidate, stable=stable)
    yield fresh(evidence.limits_ms)


def _pack(evidence: Evidence) -> str:
    content = {
        "limits": evidence.limits_ms,
        "candidate": _arm_written(evidence.candidate),
        "stable": _arm_written(evidence.stable),
        "refusals": _compared_written(evidence.refusals),
    }
    return f"{_VERSION}.{deflate(to_json(content), _ROOM)}"


def deflate(content: bytes, longest: int) -> str:
    """Content as ASCII with a checksum, of at most so many characters if that can be.

    It is mostly numbers, of which hardly anything repeats: only where it would be too long is it worth a look.
    """
    quick = base64.b64encode(zlib.compress(content, 0)).decode()
    return quick if len(quick) <= longest else base64.b64encode(zlib.compress(content, 9)).decode()


def inflate(packed: str) -> bytes:
    """What was compressed.

    Raises:
        ValueError: for text that is not ours, cut off, or larger than any evidence.
        zlib.error: for damaged text.

    """
    stream = zlib.decompressobj()
    content = stream.decompress(base64.b64decode(packed, validate=True), _LONGEST_JSON)
    if not stream.eof:
        raise ValueError("not the whole of packed evidence")
    return content


def _arm_written(arm: Arm) -> dict[str, Any]:
    rows = [(0,) * (1 + len(arm.total.row)), *((restart.index, *restart.at.row) for restart in arm.restarts)]
    rows.append((rows[-1][0], *arm.total.row))
    differences = [tuple(map(sub, new, old)) for old, new in pairwise(rows)]
    return {"rounds": differences, "pods": [(pod, *tally.row) for pod, tally in arm.pods]}


def _compared_written(compared: Compared) -> list[tuple[float, ...]]:
    sums = [(restart.index, restart.at) for restart in compared.restarts]
    sums.append((0, compared.total))
    return [(index, *one.hits.row, *one.logs) for index, one in sums[1:]]


def _evidence(content: Any) -> Evidence:  # noqa: ANN401  # whatever JSON the text held
    limits = tuple(map(_finite, content["limits"]))
    return Evidence(
        limits_ms=limits,
        candidate=_arm(content["candidate"], 5 + len(limits)),
        stable=_arm(content["stable"], 5 + len(limits)),
        refusals=_compared(content["refusals"]),
    )


def _arm(content: Any, width: int) -> Arm:  # noqa: ANN401  # whatever JSON the text held
    differences = [_counts(row, width) for row in content["rounds"]]
    beginning, *later, total = accumulate(differences, _sum)
    return Arm(
        total=Tally.of_row(total[1:]),
        restarts=tuple(Restart(index, Tally.of_row(row)) for index, *row in (beginning, *later)),
        pods=tuple((_name(pod), Tally.of_row(_counts(row, width - 1))) for pod, *row in content["pods"]),
    )


def _compared(content: Any) -> Compared:  # noqa: ANN401  # whatever JSON the text held
    *restarts, (_, total) = [_comparison(row) for row in content]
    return Compared(total, (Restart(0, Comparison()), *(Restart(index, one) for index, one in restarts)))


def _comparison(row: Sequence[Any]) -> tuple[int, Comparison]:
    index, *hits = _counts(row[: 1 + _HITS], 1 + _HITS)
    logs = tuple(map(_finite, row[1 + _HITS :]))
    if len(logs) != len(NO_SPLIT):
        raise ValueError(f"{len(logs)} bets, not {len(NO_SPLIT)}")
    return index, Comparison(Stratum(*hits), logs)


def _sum(one: Row, other: Row) -> Row:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _counts(row: Iterable[Any], width: int) -> Row:
    counts = tuple(row)
    if len(counts) != width or not all(type(one) is int and 0 <= one < _LARGEST for one in counts):
        raise ValueError(f"not {width} counts: {counts}")
    return counts


def _finite(value: Any) -> float:  # noqa: ANN401  # whatever JSON the text held
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not a number")
    return number


def _name(value: Any) -> str:  # noqa: ANN401  # whatever JSON the text held
    if not isinstance(value, str):
        raise TypeError(f"{value} is not a pod's name")
    return value
