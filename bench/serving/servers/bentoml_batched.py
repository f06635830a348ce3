"""BentoML around one scikit-learn model, with its adaptive batching."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1, metrics={"enabled": True}, logging={"access": {"enabled": False}})
class Served:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(batchable=True, max_batch_size=16)
    def predict(self, rows: list[list[float]]) -> list[list[float]]:
        shares: list[list[float]] = self.model.predict_proba(np.array(rows)).tolist()
        return shares
