"""KServe's Python server around one scikit-learn model, by its own documented Model class."""

import argparse
import os
from typing import Any

import joblib
import numpy as np
from kserve import Model, ModelServer, model_server


class Served(Model):
    def __init__(self) -> None:
        super().__init__("m")
        self.model = joblib.load(os.environ["MODEL"])
        self.ready = True

    def predict(self, payload: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
        return {"predictions": self.model.predict_proba(np.array(payload["instances"])).tolist()}


options = argparse.ArgumentParser(parents=[model_server.parser]).parse_args()
ModelServer(http_port=options.http_port, enable_grpc=False, enable_latency_logging=False).start([Served()])
