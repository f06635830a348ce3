"""The judge offline: a log of strata, one JSON object a line, judged by the same code as a rollout.

A line is `{"canary": {"requests": 100, "errors": 3}, "stable": {"requests": 900, "errors": 5}}`. Each arm may have
`refusals`, `latency` (counts per bucket) and `predictions`; the line may have `edges_ms` (the buckets' edges; those of
the serving image where left out), `step` (a later number begins a later step) and `baseline`. The operator writes
such lines, with the pods of each arm, where it is told to (--strata-log).
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from modelrollout.judge import drift
from modelrollout.judge.comparing import SHARES, Comparing
from modelrollout.judge.report import Reading, readings
from modelrollout.judge.samples import NO_PREDICTIONS, Baseline, Predictions
from modelrollout.judge.stakes import AT_ONCE, ROLLOUT
from modelrollout.judge.strata import NO_BUCKETS, ArmStratum, Stratified, together, upto
from modelrollout.judge.trial import Trial, started

_GROWN_MS = tuple(float(f"{0.05 * 1.1**i:.6g}") for i in range(153))
_SERVED_MS = tuple(sorted({*_GROWN_MS, 50.0, 200.0, 500.0}))
Count = Annotated[int, Field(ge=0, lt=2**63)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class BadStratum(ValueError):  # noqa: N818  # says what is wrong with a line
    """A line that is no stratum; the text says which one, and why."""


class Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Predicted(Line):
    count: Count = 0
    sum: Finite = 0.0
    sum_squares: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    edges: tuple[Finite, ...] = ()
    counts: tuple[Count, ...] = ()


class Own(Line):
    count: Count
    mean: Finite
    deviation: Finite
    edges: tuple[Finite, ...] = ()
    counts: tuple[Count, ...] = ()


class Arm(Line):
    requests: Count
    errors: Count = 0
    refusals: Count = 0
    latency: tuple[Count, ...] = ()
    predictions: Predicted | tuple[Count, ...] | None = None
    """Sums and counts, or counts per bucket alone."""
    age_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Seconds since a pod was first scraped; one without counts as old."""
    pods: dict[str, "Arm"] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _failures_are_requests(self) -> "Arm":
        if self.errors + self.refusals > self.requests:
            raise ValueError(f"{self.errors} errors and {self.refusals} refusals among {self.requests} requests")
        return self


class StratumLine(Line):
    canary: Arm
    stable: Arm
    edges_ms: tuple[Finite, ...] = ()
    before: tuple[Count, ...] = ()
    baseline: Own | None = None
    step: int = 0
    time: str = ""
    rollout: str = ""

    @model_validator(mode="after")
    def _buckets_fit(self) -> "StratumLine":
        edges = self.edges_ms or edges_of(len(self.stable.latency))
        for name, counts in (("canary", self.canary.latency), ("stable", self.stable.latency)):
            if counts and len(counts) != len(edges) + 1:
                raise ValueError(f"{name} has {len(counts)} latency counts for {len(edges)} edges; one more is needed")
        return self


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a log of strata says."""

    trial: Trial
    readings: tuple[Reading, ...]
    moved: drift.Moved | None
    strata: int


def replay(lines: Iterable[str], terms: Comparing, tolerance: float = 2.0) -> Replayed:
    """Judge a log of strata; `tolerance` is that of the drift, in standard deviations.

    Alpha is shared by the metrics that the log has: a log of errors alone spends all of it on errors.

    Raises:
        BadStratum: for a line that is none, with its number.

    """
    strata = list(read(lines))
    steps = {line.step for line in strata}
    trial = started(terms, ROLLOUT if len(steps) > 1 else AT_ONCE)
    before = strata[0].step if strata else 0
    for line in strata:
        trial = (trial.restarted() if line.step != before else trial).plus(stratum_of(line, trial))
        before = line.step
    whole = replace(terms, alpha=_spent(trial, terms.alpha))
    found = tuple(one for one in readings(trial, whole) if one.metric in _judged(trial))
    return Replayed(trial, found, _drift(trial, tolerance, whole.alpha), len(strata))


def read(lines: Iterable[str]) -> Iterator[StratumLine]:
    """The strata of a log; empty lines are left out.

    Raises:
        BadStratum: for a line that is none, with its number.

    """
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            yield StratumLine.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"]))
            message = first["msg"].removeprefix("Value error, ")
            raise BadStratum(f"line {number}: {f'{place}: ' if place else ''}{message}") from error


def stratum_of(line: StratumLine, trial: Trial) -> Stratified:
    """A line as the judge takes it. Stable's first round with latencies fixes the edges where nothing came before."""
    edges = line.edges_ms or edges_of(len(line.stable.latency))
    before = upto([line.before])[0] if line.before else NO_BUCKETS
    return Stratified(
        canary=_pods(line.canary, edges),
        stable=_pods(line.stable, edges),
        edges_ms=edges,
        baseline=Baseline(**line.baseline.model_dump()) if line.baseline is not None else None,
        before=before if before.size or trial.slowness is not None else trial.stable.upto,
    )


def edges_of(buckets: int) -> tuple[float, ...]:
    """The edges of counts that come without any: the serving image's, or as many of .05 ms times powers of 1.1."""
    if buckets == len(_SERVED_MS) + 1:
        return _SERVED_MS
    return _GROWN_MS[: max(0, buckets - 1)]


def written(seen: Stratified, extra: Mapping[str, Any]) -> str:
    """One line of a log of strata."""
    content: dict[str, Any] = {
        **extra,
        "canary": _written(seen.canary, seen.edges_ms),
        "stable": _written(seen.stable, seen.edges_ms),
    }
    if seen.edges_ms:
        content["edges_ms"] = seen.edges_ms
    if seen.before.size:
        content["before"] = np.diff(seen.before, prepend=0).tolist()
    own = seen.baseline
    if own is not None:
        content["baseline"] = {name: getattr(own, name) for name in Own.model_fields}
    return json.dumps(content, separators=(",", ":"))


def document(found: Replayed) -> dict[str, Any]:
    """What `modelrollout judge -o json` prints."""
    metrics: dict[str, Any] = {one.metric: _reading(one) for one in found.readings}
    if found.moved is not None:
        metrics["predictions"] = {
            "verdict": found.moved.answer.value,
            "deviations": found.moved.deviations,
            "distance": found.moved.distance,
        }
    answers = [one["verdict"] for one in metrics.values()]
    canary, stable = found.trial.canary, found.trial.stable
    return {
        "strata": found.strata,
        "requests": {"canary": canary.requests, "stable": stable.requests},
        "verdict": _together(answers),
        "metrics": metrics,
    }


def _reading(one: Reading) -> dict[str, Any]:
    return {
        "log_e": one.log_e,
        "p": one.p,
        "verdict": one.answer.value,
        "risk_ratio": one.ratio.ratio,
        "low": one.ratio.low,
        "high": one.ratio.high,
        "log_e_noninferior": one.log_e_noninferior,
        "log_e_pass": one.log_e_pass,
    }


def _together(answers: list[str]) -> str:
    if {"rollBack", "drifted"} & set(answers):
        return "rollBack"
    return "pass" if answers and set(answers) <= {"pass", "clear"} else "undecided"


def _judged(trial: Trial) -> set[str]:
    refused = trial.canary.refusals or trial.stable.refusals
    timed = trial.slowness is not None
    return {"errors"} | ({"refusals"} if refused else set()) | ({"latency"} if timed else set())


def _spent(trial: Trial, alpha: float) -> float:
    """Alpha such that the shares of the metrics that are there sum to what was asked for."""
    shares = [SHARES[metric] for metric in _judged(trial)] + ([SHARES["drift"]] if trial.baseline is not None else [])
    return alpha / math.fsum(shares)


def _drift(trial: Trial, tolerance: float, alpha: float) -> drift.Moved | None:
    if trial.baseline is None or drift.unusable(trial.baseline):
        return None
    return drift.moved(trial.predictions, trial.baseline, tolerance, alpha * SHARES["drift"])


def _pods(arm: Arm, edges: tuple[float, ...]) -> ArmStratum:
    pods = arm.pods or {"": arm}
    counts = tuple((one.requests, one.errors, one.refusals) for one in pods.values())
    none = (0,) * (len(edges) + 1)
    timed = [one.latency or none for one in pods.values()]
    rows = upto(timed) if any(one.latency for one in pods.values()) else upto(())
    predictions = tuple(_predictions(one.predictions) for one in pods.values())
    ages = tuple(math.inf if one.age_s is None else one.age_s for one in pods.values())
    return ArmStratum(tuple(pods), counts, edges, rows, predictions, ages)


def _predictions(seen: Predicted | tuple[int, ...] | None) -> Predictions:
    if seen is None:
        return NO_PREDICTIONS
    if isinstance(seen, tuple):
        return Predictions(count=sum(seen), counts=seen)
    return Predictions(seen.count, seen.sum, seen.sum_squares, seen.edges, seen.counts)


def _written(arm: ArmStratum, edges: tuple[float, ...]) -> dict[str, Any]:
    whole = together(arm, edges)
    rows = np.diff(arm.at(edges), axis=1, prepend=0).tolist() or [()] * len(arm.pods)
    ages = arm.ages or (math.inf,) * len(arm.pods)
    pods = zip(arm.pods, arm.counts, rows, arm.predictions, ages, strict=True)
    return _arm_written((whole.requests, whole.errors, whole.refusals), whole.latency, whole.predictions) | {
        "pods": {name: _arm_written(counts, row, seen) | _aged(age) for name, counts, row, seen, age in pods}
    }


def _aged(age: float) -> dict[str, float]:
    return {"age_s": round(age, 3)} if math.isfinite(age) else {}


def _arm_written(counts: tuple[int, int, int], latency: Sequence[int], seen: Predictions) -> dict[str, Any]:
    content: dict[str, Any] = dict(zip(("requests", "errors", "refusals"), counts, strict=True))
    if latency:
        content["latency"] = latency
    if seen.count:
        sums = {"count": seen.count, "sum": seen.total, "sum_squares": seen.squares}
        content["predictions"] = sums | {"edges": seen.edges, "counts": seen.counts}
    return content
