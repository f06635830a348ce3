"""A trial as text for the status: an operator that restarts goes on from what the rollout has shown so far.

The text is JSON for what is counted, then all bets as numbers of 4 bytes: six or seven digits, in a fifth of the time.

What came after the checkpoint is lost and never counted twice, since after a restart every process is an origin. Text
that is damaged or of another version is no trial: it begins anew, which takes time and can never promote.
"""

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from modelrollout.judge import mixtures
from modelrollout.judge.comparing import Worse
from modelrollout.judge.dispersion import Dispersion
from modelrollout.judge.eprocesses import Stratum
from modelrollout.judge.packing import deflate, inflate
from modelrollout.judge.ratios import Ratio, begun
from modelrollout.judge.samples import Baseline, Predictions
from modelrollout.judge.slowness import SHARES, Proof, Slow, Slowness, Yardstick
from modelrollout.judge.spread import Spread
from modelrollout.judge.strata import NO_BUCKETS, Counted, upto
from modelrollout.judge.trial import Spreads, Trial

LONGEST = 8192
"""Characters that the status has room for."""
_VERSION = "4"
_ROOM = LONGEST - len(_VERSION) - 1
_BETS = np.dtype("<f4")


def pack_trial(trial: Trial | None) -> str:
    """The trial as at most `LONGEST` characters of ASCII; empty for none."""
    if trial is None:
        return ""
    return next((text for text in map(_pack, _slimmer(trial)) if len(text) <= LONGEST), "")


def unpack_trial(text: str) -> Trial | None:
    """The trial in a text of `pack_trial`; None for any other text."""
    version, _, packed = text.partition(".")
    if version != _VERSION or len(text) > LONGEST:
        return None
    try:
        counts, _, bets = inflate(packed).partition(b"\n")
        return _trial(json.loads(counts), _Bets(np.frombuffer(bets, _BETS)))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, zlib.error):
        return None


def _slimmer(trial: Trial) -> Iterator[Trial]:
    """The buckets of latency only show quantiles; they go first."""
    yield trial
    yield replace(trial, canary=replace(trial.canary, upto=NO_BUCKETS), stable=replace(trial.stable, upto=NO_BUCKETS))


def _pack(trial: Trial) -> str:
    content = {
        "terms": [trial.tolerance, *trial.margins],
        "worse": astuple(trial.worse),
        "spreads": [trial.spreads.errors.of_rates(), trial.spreads.refusals.of_rates(), trial.spreads.speed.of_means()],
        "errors": _ratio_written(trial.errors),
        "refusals": _ratio_written(trial.refusals),
        "slowness": _slowness_written(trial.slowness) if trial.slowness is not None else None,
        "canary": _counted_written(trial.canary),
        "stable": _counted_written(trial.stable),
        "baseline": _baseline_written(trial.baseline) if trial.baseline is not None else None,
    }
    bets = np.concatenate([one.ravel() for one in _bets_of(trial)], dtype=_BETS, casting="same_kind")
    packed = deflate(b"\n".join((to_json(content), bets.tobytes())), _ROOM)
    return f"{_VERSION}.{packed}"


def _bets_of(trial: Trial) -> Iterator[mixtures.Array]:
    """All bets, in the order in which they are written."""
    for ratio in (trial.errors, trial.refusals):
        yield ratio.gains
        yield ratio.waiting
    if trial.slowness is not None:
        yield trial.slowness.gains
        yield trial.slowness.swapped
        yield trial.slowness.waiting


@dataclass(slots=True)
class _Bets:
    """The same as they are read."""

    left: NDArray[np.float32]

    def like(self, new: mixtures.Array) -> mixtures.Array:
        """As many as there are in `new`."""
        found, self.left = self.left[: new.size].astype(float), self.left[new.size :]
        if not np.isfinite(found).all():
            raise ValueError("a bet that is not a number")
        return found.reshape(new.shape)


def _trial(content: Any, bets: _Bets) -> Trial:  # noqa: ANN401  # whatever JSON the text held
    tolerance, *margins = _floats(content["terms"])
    found = Trial(
        margins=tuple(margins),
        tolerance=tolerance,
        worse=Worse(*_floats(content["worse"], 3)),
        spreads=Spreads(*[Spread(known=one) for one in _floats(content["spreads"], 3)]),
        errors=_ratio(content["errors"], tuple(margins), bets),
        refusals=_ratio(content["refusals"], tuple(margins), bets),
        slowness=_slowness(content["slowness"], bets) if content["slowness"] is not None else None,
        canary=_counted(content["canary"]),
        stable=_counted(content["stable"]),
        baseline=_baseline(content["baseline"]) if content["baseline"] is not None else None,
    )
    if bets.left.size:
        raise ValueError(f"{bets.left.size} bets too many")
    return found


def _ratio_written(ratio: Ratio) -> list[Any]:
    dispersion = ratio.dispersion
    sums = [ratio.steps, ratio.peak, dispersion.spread, dispersion.freedom]
    return [ratio.hits.row, sums]


def _ratio(content: Any, margins: tuple[float, ...], bets: _Bets) -> Ratio:  # noqa: ANN401  # whatever JSON the text held
    hits, (steps, peak, spread, freedom) = content
    new = begun(margins)
    return Ratio(
        margins=margins,
        hits=Stratum(*_counts(hits, 4)),
        gains=bets.like(new.gains),
        waiting=bets.like(new.waiting),
        steps=int(steps),
        peak=_finite(peak),
        dispersion=Dispersion(_finite(spread), int(freedom)),
    )


def _slowness_written(slowness: Slowness) -> list[Any]:
    measure, seen, dispersion = slowness.measure, slowness.seen, slowness.dispersion
    sums = [slowness.steps, slowness.peak, dispersion.spread, dispersion.freedom, seen.tolerated]
    return [
        [_edges_written(measure.edges_ms), measure.at, measure.tolerated, measure.before],
        [seen.candidate, seen.stable, [seen.candidate_requests, seen.stable_requests, *seen.proof.row]],
        sums,
    ]


@lru_cache(maxsize=64)
def _edges_written(edges_ms: tuple[float, ...]) -> str:
    """All pods of an image have the same ones."""
    return " ".join(map(str, edges_ms))


def _slowness(content: Any, bets: _Bets) -> Slowness:  # noqa: ANN401  # whatever JSON the text held
    (edges_written, at, tolerated, before), (ours, theirs, requests), (steps, peak, spread, freedom, allowed) = content
    edges = _floats(edges_written.split())
    here = _edges([*at, tolerated], edges)
    measure = Yardstick(edges, here[:-1], here[-1], _floats(before, len(SHARES)))
    new, (asked, of_stable, *proof) = Slowness(measure), _counts(requests, 6)
    seen = Slow(_counts(ours, len(SHARES)), _counts(theirs, len(SHARES)), asked, of_stable, Proof(*proof))
    return Slowness(
        measure=measure,
        seen=replace(seen, tolerated=_finite(allowed)),
        gains=bets.like(new.gains),
        swapped=bets.like(new.swapped),
        waiting=bets.like(new.waiting),
        steps=int(steps),
        peak=_finite(peak),
        dispersion=Dispersion(_finite(spread), int(freedom)),
    )


def _counted_written(counted: Counted) -> list[Any]:
    seen = counted.predictions
    predicted = [seen.count, seen.total, seen.squares, seen.edges, seen.counts]
    return [[counted.requests, counted.errors, counted.refusals], counted.latency, predicted]


def _counted(content: Any) -> Counted:  # noqa: ANN401  # whatever JSON the text held
    sums, latency, (count, total, squares, edges, counts) = content
    predictions = Predictions(int(count), _finite(total), _finite(squares), _floats(edges), _counts(counts))
    requests, errors, refusals = _counts(sums, 3)
    buckets = upto([_counts(latency)])[0] if latency else NO_BUCKETS
    return Counted(requests, errors, refusals, buckets, predictions)


def _baseline_written(baseline: Baseline) -> list[Any]:
    return [baseline.count, baseline.mean, baseline.deviation, baseline.edges, baseline.counts]


def _baseline(content: Any) -> Baseline:  # noqa: ANN401  # whatever JSON the text held
    count, mean, deviation, edges, counts = content
    return Baseline(int(count), _finite(mean), _finite(deviation), _floats(edges), _counts(counts))


def _finite(value: Any) -> float:  # noqa: ANN401  # whatever JSON the text held
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not a number")
    return number


def _floats(values: Iterable[Any], width: int | None = None) -> tuple[float, ...]:
    found = tuple(map(_finite, values))
    if width is not None and len(found) != width:
        raise ValueError(f"{len(found)} numbers, not {width}")
    return found


def _counts(values: Iterable[Any], width: int | None = None) -> tuple[int, ...]:
    found = tuple(values)
    if not all(type(one) is int and one >= 0 for one in found) or (width is not None and len(found) != width):
        raise ValueError(f"not {width} counts: {found}")
    return found


def _edges(indices: Sequence[Any], edges: Sequence[Any]) -> tuple[int, ...]:
    found = _counts(indices, len(SHARES) + 1)
    if max(found) >= len(edges):
        raise ValueError(f"no edge {max(found)} among {len(edges)}")
    return found
