"""Load on a model's Service, for locust, which has to be installed beside this (pip install locust).

locust -f examples/load/locustfile.py --host http://churn.shop.svc --headless --users 50 --spawn-rate 10 --run-time 2m

ROWS names a JSON file with a list of rows to send, each a list or an object of features; without it the server is
asked once how many columns its model has, and rows of zeros are sent. Users are locked to their answers, so a slow
server gets fewer requests: `modelrollout load` sends at a fixed rate instead, and is what limits are to be found with.
"""

import json
import os
import random
import time
from pathlib import Path
from typing import Any

from locust import HttpUser, between, task

MODEL = os.environ.get("MODEL", "")
"""The rollout's name; asked of the server where it is left out."""
GONE_AFTER = float(os.environ.get("GONE_AFTER", "10"))
"""Seconds without any answer after which the load ends: the address may become somebody else's."""
GONE = 3


class Client(HttpUser):  # type: ignore[misc]  # locust is no dependency of ours
    """Sends one row after the other, now and then a batch."""

    wait_time = between(0.01, 0.1)
    answered = 0.0

    def on_start(self) -> None:
        Client.answered = Client.answered or time.monotonic()
        self.rows = _rows_of_file() or [[0.0] * self._width()]

    @task(20)  # type: ignore[untyped-decorator]
    def predict(self) -> None:
        row = random.choice(self.rows)  # noqa: S311  # no secret
        self._post("/v1/predict", {"features": row}, "prediction")

    @task(1)  # type: ignore[untyped-decorator]
    def predict_batch(self) -> None:
        rows = random.choices(self.rows, k=20)  # noqa: S311
        self._post("/v1/predict/batch", {"rows": rows}, "predictions")

    def _post(self, path: str, body: dict[str, Any], wanted: str) -> None:
        with self.client.post(path, json=body, catch_response=True) as answer:
            self._stop_where_nobody_answers(answer.status_code)
            if answer.ok and wanted not in answer.json():
                answer.failure(f"answered {answer.status_code} without {wanted}")

    def _stop_where_nobody_answers(self, status: int) -> None:
        if status:
            Client.answered = time.monotonic()
        elif time.monotonic() - Client.answered > GONE_AFTER:
            print(f"{self.host} has not answered for {GONE_AFTER:g} s; no more requests are sent")
            self.environment.process_exit_code = GONE
            self.environment.runner.quit()

    def _width(self) -> int:
        name = MODEL or self.client.get("/v1/models").json()["models"][0]["name"]
        shape = self.client.get(f"/v2/models/{name}", name="/v2/models/NAME").json()["inputs"][0]["shape"]
        return int(shape[-1])


def _rows_of_file() -> list[Any]:
    file = os.environ.get("ROWS")
    return json.loads(Path(file).read_text()) if file else []
