"""How slow a new model is beside the old one: single rows, in interleaved rounds, on one core.

Whatever else the machine does meets both models alike: each round asks both, in turns the one or the other first, and
the ratio is the median over the rounds. A first round is asked and not counted.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from modelserver.models import Model, Rows
from modelserver.scores import check_finite

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over the rounds; milliseconds."""

    new_p95_ms: float
    old_p95_ms: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int = 9
    calls: int = 200
    """Of each model in each round."""
    clock: Clock = time.perf_counter


def speed(new: Model, old: Model, rows: Sequence[Sequence[float]], plan: Plan) -> Speed:
    """Ask both models for one row at a time, as a quiet server would."""
    gc.collect()
    gc.disable()  # as far as a server is concerned: it freezes what is alive once the model is loaded
    try:
        pairs = [_round(new, old, rows, plan, number) for number in range(plan.rounds + 1)][1:]
    finally:
        gc.enable()
    new_ms, old_ms = (statistics.median(one) for one in zip(*pairs, strict=True))
    return Speed(new_ms, old_ms, statistics.median(one / max(other, 1e-9) for one, other in pairs))


def _round(new: Model, old: Model, rows: Sequence[Sequence[float]], plan: Plan, number: int) -> tuple[float, float]:
    if number % 2:
        new_ms = _p95(new, rows, plan)
        return new_ms, _p95(old, rows, plan)
    old_ms = _p95(old, rows, plan)
    return _p95(new, rows, plan), old_ms


def _p95(model: Model, rows: Sequence[Sequence[float]], plan: Plan) -> float:
    taken = sorted(_seconds(model, rows[call % len(rows)], plan.clock) for call in range(plan.calls))
    return taken[math.ceil(0.95 * len(taken)) - 1] * 1000


def _seconds(model: Model, row: Sequence[float], clock: Clock) -> float:
    began = clock()
    asked: Rows = np.array([row], dtype=model.dtype)
    check_finite(model.predict(asked))
    return clock() - began
