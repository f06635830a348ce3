"""A regression whose answers are clipped before anybody sees or counts them."""

import math

from modelserver.models import Label, Model, Rows, Scores
from modelserver.outputs import Clip


class Clipped:
    """A model whose finite answers are clipped; what is not finite stays so and is the model's error."""

    def __init__(self, model: Model, clip: Clip) -> None:
        self.dtype = model.dtype
        self.rows_at_once = model.rows_at_once
        self._model = model
        self._clip = clip

    def predict(self, rows: Rows) -> Scores:
        return Scores([self._one(label) for label in self._model.predict(rows).labels])

    def _one(self, label: Label) -> Label:
        return self._clip(label) if not isinstance(label, str | list) and math.isfinite(label) else label
