"""What becomes of a regression's numbers on their way to the client: clipped, and with an interval around them."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clip:
    """Ends that no prediction goes beyond."""

    low: float = -math.inf
    high: float = math.inf

    def __call__(self, value: float) -> float:
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the truth lies around a prediction, by the residuals of rows that the model had not seen."""

    level: float
    lower: float
    upper: float
    clip: Clip = Clip()

    def around(self, value: float) -> tuple[float, float]:
        """The two ends; `value` is the prediction, clipped or not."""
        return self.clip(value + self.lower), self.clip(value + self.upper)
