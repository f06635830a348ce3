"""A stable model that serves alone, held to its own baseline for as long as it serves.

Its predictions are judged in one window after the other, so that years of good ones cannot bury a drift: a window
ends when it is clear that they are near the baseline. Window k, from 0, may spend alpha / ((k + 1)(k + 2)): all of
them together spend alpha, ever.
"""

from dataclasses import dataclass
from typing import Self

from modelrollout.judge import drift
from modelrollout.judge.samples import NO_PREDICTIONS, Baseline, Predictions
from modelrollout.judge.verdicts import Finding


@dataclass(frozen=True, slots=True)
class Alone:
    """What stable has predicted in the present window."""

    seen: Predictions = NO_PREDICTIONS
    baseline: Baseline | None = None
    windows: int = 0
    """Windows that have ended."""
    moved: drift.Moved | None = None
    """What the present window says; None where the model carries no baseline that can be judged by."""

    def plus(
        self, predicted: tuple[Predictions, ...], baseline: Baseline | None, tolerance: float, alpha: float
    ) -> Self:
        """With one more round of a model that carries this baseline; a scrape that fails does not take it away."""
        baseline = baseline or self.baseline
        if baseline is None or drift.unusable(baseline):
            return type(self)(baseline=baseline)
        seen = self.seen if baseline == self.baseline else NO_PREDICTIONS
        for one in predicted:
            seen = drift.merged(seen, one)
        share = alpha / ((self.windows + 1) * (self.windows + 2))
        moved = drift.moved(seen, baseline, tolerance, share)
        if moved.answer is drift.Answer.CLEAR:
            return type(self)(NO_PREDICTIONS, baseline, self.windows + 1, moved)
        return type(self)(seen, baseline, self.windows, moved)

    @property
    def finding(self) -> Finding | None:
        """What speaks against the model."""
        if self.moved is None or self.moved.answer is not drift.Answer.DRIFTED:
            return None
        return Finding("predictionDrift", self.moved.message)
