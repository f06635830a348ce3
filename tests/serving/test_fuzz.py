"""Whatever clients do on raw sockets of both ports: nothing of it is the model's fault, and nothing of it stays."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from serving.fuzzing import counters, descriptors, fuzz
from serving.processes import Running, running

MOST_GROWTH = 50 * 1024 * 1024
WARM = 500
"""Exchanges after which all pages are made and all allocators have what they keep."""
SHORT = {
    "MODEL_NAME": "churn",
    "MODEL_VERSION": "2.1.0",
    "MODEL_LIMITS": "head_seconds=1, body_seconds=1, idle_seconds=5, answer_seconds=2",
    "MODEL_LOG_LEVEL": "ERROR",
}


@pytest.fixture
def picky(tmp_path: Path) -> Path:
    """A model of three columns that adds them up, and fails where the first is below zero."""
    nodes = [
        helper.make_node("Gather", ["features", "first"], ["column"], axis=1),
        helper.make_node("Sign", ["column"], ["sign"]),
        helper.make_node("Cast", ["sign"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Mul", ["whole", "far"], ["index"]),
        helper.make_node("Max", ["index", "most"], ["bounded"]),
        helper.make_node("Min", ["bounded", "none"], ["wanted"]),
        helper.make_node("Gather", ["table", "wanted"], ["nothing"]),  # -5 is out of bounds
        helper.make_node("ReduceSum", ["features", "axis"], ["sum"], keepdims=1),
        helper.make_node("Add", ["sum", "nothing"], ["variable"]),
    ]
    fixed = {"first": [0], "far": [5], "most": [-5], "none": [0], "axis": [1]}
    initial = [helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in fixed.items()]
    initial.append(helper.make_tensor("table", TensorProto.FLOAT, [1], np.zeros(1)))
    graph = helper.make_graph(
        nodes,
        "picky",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("variable", TensorProto.FLOAT, ["rows", 1])],
        initial,
    )
    path = tmp_path / "picky.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    return path


async def _survives(server: Running, seed: int, exchanges: int) -> None:
    first = await fuzz(server, seed, WARM)
    before, files = server.health()["memory_bytes"], descriptors(server)
    told = await fuzz(server, seed + 1, exchanges - WARM)
    await asyncio.to_thread(server.until, lambda: descriptors(server) <= files)
    health = server.health()

    assert first.wrong + told.wrong == []
    assert first.exchanges + told.exchanges == exchanges
    assert health["inflight"] == 0
    assert counters(server)["errors"] == first.failed_by_the_model + told.failed_by_the_model > 0
    assert health["memory_bytes"] - before < MOST_GROWTH
    assert told.looks > 0
    assert server.ready()


@pytest.mark.timeout(600)
async def test_after_5000_exchanges_of_any_kind_only_the_models_own_errors_are_counted(picky: Path) -> None:
    with running(picky, **SHORT) as server:
        await _survives(server, 1, 5_000)


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_after_100000_exchanges_of_any_kind_only_the_models_own_errors_are_counted(picky: Path) -> None:
    with running(picky, **SHORT) as server:
        await _survives(server, 2, 100_000)
