"""Before the model is ready: its golden rows pass, or a row that it has answered before where it has none.

A row passes when its answer is finite and, where a bundle says what it was, still the same within a tolerance.

An artifact may ask for a longer warm-up (`warmup_seconds`) for models that are slow until their caches are filled;
the rows are then repeated at a calm pace, so that a starting pod does not starve its neighbours.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from modelserver import golden
from modelserver.failures import Cause, StartError
from modelserver.models import Artifact
from modelserver.scores import NotFiniteError, check_count, check_finite

logger = logging.getLogger(__name__)

PAUSE_S = 0.05
MIN_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Time:
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def warm_up(artifact: Artifact, clock: Time | None = None) -> None:
    """Run the golden rows until the model has answered them all, and for as long as the artifact asks.

    Raises:
        StartError: a row raises, or gives an answer that is not finite or not the one that is expected.
    """
    clock = clock or Time()
    rows = artifact.metadata.golden_rows or artifact.metadata.answered or ((0.0,) * artifact.width,)
    started, rounds = clock.now(), 0
    while True:
        for number, row in enumerate(rows):
            _check(artifact, number, row)
        rounds += 1
        elapsed = clock.now() - started
        left = artifact.metadata.warm_up_seconds - elapsed
        if left <= 0 and (rounds >= MIN_ROUNDS or elapsed > 1):
            return
        if left > 0:
            clock.sleep(min(PAUSE_S, left))


def _check(artifact: Artifact, number: int, row: tuple[float, ...]) -> None:
    try:
        scores = artifact.model.predict(np.array([row], dtype=artifact.model.dtype))
        check_count(scores, 1)
        check_finite(scores)
    except NotFiniteError as error:
        raise StartError(Cause.WARM_UP_FAILED, f"golden row {number}: {error}") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise StartError(Cause.WARM_UP_FAILED, f"golden row {number}: {type(error).__name__}: {reason}") from error
    expected = artifact.metadata.expected
    if expected is not None and (said := golden.difference(expected, number, scores)):
        raise StartError(Cause.WARM_UP_FAILED, f"golden row {number}: {said}")
