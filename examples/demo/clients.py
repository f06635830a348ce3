"""Steady requests to the demo's Service: from here where the cluster's network can be reached, else from a pod."""

import asyncio
import json
import os
import random
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from localcluster.kubectl import find_kubectl
from modelrollout.traffic.load import Shape
from modelrollout.traffic.records import Record
from modelrollout.traffic.rows import Row
from stage.models import MODEL_FAILED, rows_that
from stage.operator import image_of
from stage.programs import Programs
from stage.requests import Unreachable, steady, target_of
from stage.rollout import Rollout

SHAPE = Shape(rate=100, kept=20, fresh_share=0.5, timeout=10)
"""Half of it over fresh connections: a kept one only moves to a new pod when it has aged."""
CLIENT_POD = "client"
NOT_STARVED = {"spec": {"containers": [{"name": CLIENT_POD, "resources": {"requests": {"cpu": "200m"}}}]}}
"""A client that gets no processor while models load would count its own waiting as the servers'."""
SEED = 3


def half_of_them_hard() -> list[Row]:
    """Rows in a mixed order; every second one is one that the bad model fails on and the good ones answer."""
    hard = [Row(one.body, frozenset({MODEL_FAILED})) for one in rows_that(fail=True)]
    mixed = [*hard, *rows_that(fail=False)[: len(hard)]]
    random.Random(SEED).shuffle(mixed)  # noqa: S311  # no secret
    return mixed


@asynccontextmanager
async def requests(tools: Programs, rollout: Rollout) -> AsyncIterator[Sequence[Record]]:
    """Send 100 requests a second while the block runs; the records grow."""
    try:
        target = await target_of(tools, rollout)
    except Unreachable:
        async with requests_from_a_pod(tools, rollout) as records:
            yield records
        return
    async with steady(target, half_of_them_hard(), SHAPE) as load:
        yield load.records


@asynccontextmanager
async def requests_from_a_pod(tools: Programs, rollout: Rollout) -> AsyncIterator[Sequence[Record]]:
    """The same client, run by kubectl in the operator's image; its records come back line by line."""
    service = await rollout.service()
    address = service["spec"]["clusterIP"] if service else rollout.name
    command = (
        *(find_kubectl(tools.places), "run", CLIENT_POD, f"--namespace={rollout.namespace}", "--rm", "--stdin"),
        *("--quiet", "--restart=Never", f"--image={image_of(tools, 'operator')}", "--image-pull-policy=IfNotPresent"),
        *("--override-type=strategic", f"--overrides={json.dumps(NOT_STARVED)}", "--command", "--"),
        *("python3", "-m", "modelrollout.traffic", address, "80", f"--rate={SHAPE.rate}", f"--kept={SHAPE.kept}"),
        *(f"--fresh-share={SHAPE.fresh_share}", f"--timeout={SHAPE.timeout}"),
    )
    env = os.environ | {"KUBECONFIG": str(tools.kubeconfig)}
    program = await asyncio.create_subprocess_exec(*command, env=env, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    records: list[Record] = []
    reading = asyncio.create_task(_read(program, records))
    try:
        await _tell(program, half_of_them_hard())
        yield records
    finally:
        await tools.try_kubectl("delete", "pod", CLIENT_POD, f"--namespace={rollout.namespace}", "--wait=false")
        if program.returncode is None:
            program.terminate()
        await program.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _tell(program: asyncio.subprocess.Process, sent: Sequence[Row]) -> None:
    if program.stdin is None:
        return
    for one in sent:
        line = json.loads(one.body) | {"expected": sorted(one.expected)}
        program.stdin.write(json.dumps(line).encode() + b"\n")
    await program.stdin.drain()
    program.stdin.close()


async def _read(program: asyncio.subprocess.Process, records: list[Record]) -> None:
    if program.stdout is None:
        return
    async for line in program.stdout:
        if line.startswith(b"{"):
            records.append(Record.from_json(json.loads(line)))  # noqa: PERF401  # they are read while they come
