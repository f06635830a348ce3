"""BentoML around one scikit-learn model, each request by itself."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1, metrics={"enabled": True}, logging={"access": {"enabled": False}})
class Served:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, rows: list[list[float]]) -> list[list[float]]:
        shares: list[list[float]] = self.model.predict_proba(np.array(rows)).tolist()
        return shares
