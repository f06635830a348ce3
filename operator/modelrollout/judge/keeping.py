"""A trial as text for the status: an operator that restarts goes on from what the rollout has shown so far.

What came after the checkpoint is lost and never counted twice, since after a restart every process is an origin. Text
that is damaged or of another version is no trial: it begins anew, which takes time and can never promote.
"""

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from modelrollout.judge import mixtures
from modelrollout.judge.dispersion import Dispersion
from modelrollout.judge.eprocesses import Stratum
from modelrollout.judge.packing import deflate, inflate
from modelrollout.judge.ratios import Ratio, begun
from modelrollout.judge.samples import Baseline, Predictions
from modelrollout.judge.slowness import SHARES, Slow, Slowness, Yardstick
from modelrollout.judge.strata import NO_BUCKETS, Counted, upto
from modelrollout.judge.trial import Trial

LONGEST = 8192
"""Characters that the status has room for."""
_VERSION = "2"
_ROOM = LONGEST - len(_VERSION) - 1
_DIGITS = 6
"""Decimals of a logarithm that are kept."""


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
        return _trial(json.loads(inflate(packed)))
    except (ValueError, TypeError, LookupError, RecursionError, zlib.error):
        return None


def _slimmer(trial: Trial) -> Iterator[Trial]:
    """The buckets of latency only show quantiles; they go first."""
    yield trial
    yield replace(trial, canary=replace(trial.canary, upto=NO_BUCKETS), stable=replace(trial.stable, upto=NO_BUCKETS))


def _pack(trial: Trial) -> str:
    content = {
        "terms": [trial.tolerance, *trial.margins],
        "errors": _ratio_written(trial.errors),
        "refusals": _ratio_written(trial.refusals),
        "slowness": _slowness_written(trial.slowness) if trial.slowness is not None else None,
        "canary": _counted_written(trial.canary),
        "stable": _counted_written(trial.stable),
        "baseline": _baseline_written(trial.baseline) if trial.baseline is not None else None,
    }
    return f"{_VERSION}.{deflate(content, _ROOM)}"


def _trial(content: Any) -> Trial:  # noqa: ANN401  # whatever JSON the text held
    tolerance, *margins = _floats(content["terms"])
    return Trial(
        margins=tuple(margins),
        tolerance=tolerance,
        errors=_ratio(content["errors"], tuple(margins)),
        refusals=_ratio(content["refusals"], tuple(margins)),
        slowness=_slowness(content["slowness"]) if content["slowness"] is not None else None,
        canary=_counted(content["canary"]),
        stable=_counted(content["stable"]),
        baseline=_baseline(content["baseline"]) if content["baseline"] is not None else None,
    )


def _ratio_written(ratio: Ratio) -> list[Any]:
    dispersion = ratio.dispersion
    sums = [ratio.steps, ratio.peak, dispersion.spread, dispersion.freedom]
    return [ratio.hits.row, _rounded(ratio.gains), _rounded(ratio.waiting), sums]


def _ratio(content: Any, margins: tuple[float, ...]) -> Ratio:  # noqa: ANN401  # whatever JSON the text held
    hits, gains, waiting, (steps, peak, spread, freedom) = content
    new = begun(margins)
    return Ratio(
        margins=margins,
        hits=Stratum(*_counts(hits, 4)),
        gains=_bets(gains, new.gains),
        waiting=_bets(waiting, new.waiting),
        steps=int(steps),
        peak=_finite(peak),
        dispersion=Dispersion(_finite(spread), int(freedom)),
    )


def _slowness_written(slowness: Slowness) -> list[Any]:
    measure, seen, dispersion = slowness.measure, slowness.seen, slowness.dispersion
    sums = [slowness.steps, slowness.peak, dispersion.spread, dispersion.freedom]
    return [
        [measure.edges_ms, measure.at, measure.tolerated, measure.before],
        [seen.candidate, seen.stable, [seen.intolerable, seen.candidate_requests, seen.stable_requests]],
        [_rounded(slowness.gains), _rounded(slowness.swapped), _rounded(slowness.waiting)],
        sums,
    ]


def _slowness(content: Any) -> Slowness:  # noqa: ANN401  # whatever JSON the text held
    (edges, at, tolerated, before), (ours, theirs, requests), bets, (steps, peak, spread, freedom) = content
    here = _edges([*at, tolerated], edges)
    measure = Yardstick(_floats(edges), here[:-1], here[-1], _floats(before, len(SHARES)))
    new = Slowness(measure)
    gains, swapped, waiting = bets
    return Slowness(
        measure=measure,
        seen=Slow(_counts(ours, len(SHARES)), _counts(theirs, len(SHARES)), *_counts(requests, 3)),
        gains=_bets(gains, new.gains),
        swapped=_bets(swapped, new.swapped),
        waiting=_bets(waiting, new.waiting),
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


def _rounded(values: mixtures.Array) -> list[float]:
    found: list[float] = values.ravel().round(_DIGITS).tolist()
    return found


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


def _bets(values: Iterable[Any], new: mixtures.Array) -> mixtures.Array:
    return np.array(_floats(values, new.size)).reshape(new.shape)


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
