"""A model that never answers: the health port goes on telling, and a stop is a stop."""

import asyncio
import json
import signal
from pathlib import Path

from serving.processes import KeepAlive, running


async def test_a_hanging_model_is_seen_on_the_health_port_and_can_be_stopped(
    models: Path, rows: list[dict[str, float]]
) -> None:
    body = json.dumps({"features": rows[0]}).encode()
    with running(models / "hangs.onnx", MODEL_REQUEST_TIMEOUT="0.3", MODEL_DRAIN_SECONDS="0") as server:
        hanging = asyncio.create_task(KeepAlive(server.port).post("/v1/predict", body))
        await asyncio.to_thread(server.until, lambda: server.health()["counters"]["errors"] > 0)
        first = server.health()
        await asyncio.sleep(0.2)
        second = server.health()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        unready = not server.ready()
        code = await asyncio.to_thread(server.process.wait, 20)
        hanging.cancel()

    assert (first["inflight"], first["counters"]["requests"], first["counters"]["errors"]) == (1, 1, 1)
    assert second["counters"] == first["counters"]
    assert second["oldest_inflight_s"] > first["oldest_inflight_s"] > 0.3
    assert (unready, code) == (True, 0)
