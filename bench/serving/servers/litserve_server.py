"""LitServe around one scikit-learn model; TOGETHER above 1 turns its batching on."""

import os
from typing import Any

import joblib
import litserve
import numpy as np


class Served(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request: dict[str, Any]) -> Any:  # noqa: ANN401
        return np.array(request["features"])

    def predict(self, x: Any) -> Any:  # noqa: ANN401
        return self.model.predict_proba(np.atleast_2d(x))

    def unbatch(self, output: Any) -> Any:  # noqa: ANN401
        return list(output)

    def encode_response(self, output: Any) -> dict[str, Any]:  # noqa: ANN401
        return {"probabilities": np.ravel(output).tolist()}


if __name__ == "__main__":
    api = Served(max_batch_size=int(os.environ["TOGETHER"]), batch_timeout=float(os.environ["WAITS_S"]))
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), num_api_servers=1, log_level="error",
               generate_client_file=False)  # fmt: skip
