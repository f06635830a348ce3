"""Steady requests to a rollout's Service, from wherever its address can be reached.

On the self-built cluster the host stands in the cluster's network. Elsewhere a ClusterIP would leave the machine by
the default route, so nothing is sent there from the host.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from localcluster.choice import Driver
from modelrollout.traffic.connection import Target
from modelrollout.traffic.load import Load, Shape
from modelrollout.traffic.rows import Row, Rows
from stage.kube import until
from stage.programs import Programs
from stage.rollout import Rollout

CONNECT_SECONDS = 0.5


class Unreachable(Exception):  # noqa: N818  # says what is the case
    """The machine is not in the cluster's network."""


async def target_of(programs: Programs, rollout: Rollout, service: str = "") -> Target:
    """Where a rollout's Service (or another one) listens, once it exists.

    Raises:
        Unreachable: only a pod could send requests there.

    """
    driver = Driver(programs.places.choice.read_text().strip())
    if driver is not Driver.SELF_BUILT:
        raise Unreachable(f"the Services of a {driver} cluster cannot be reached from here; run this in the cluster")

    async def look() -> Target | None:
        found = await rollout.service(service)
        return Target(found["spec"]["clusterIP"], found["spec"]["ports"][0]["port"]) if found is not None else None

    return await until(look, f"Service {service or rollout.name} exists")


async def _takes_connections(target: Target) -> bool:
    """Whether the Service has come through to the node's rules, which is a moment after its pods are ready.

    A connection that is begun before keeps the way it took, which leads nowhere, however often it is tried again.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(target.host, target.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    await writer.wait_closed()
    return True


class TargetGone(Exception):  # noqa: N818  # says what is the case
    """The load ended by itself, because nobody took its connections any more."""


@asynccontextmanager
async def steady(target: Target, rows: Sequence[Row], shape: Shape | None = None) -> AsyncIterator[Load]:
    """Send requests while the block runs, from when connections are taken; then wait for what is under way.

    Raises:
        TargetGone: the Service was gone for so long that the load ended before the block.

    """
    await until(lambda: _takes_connections(target), f"{target.host}:{target.port} takes connections")
    load = Load(target, Rows(rows), shape)
    running = asyncio.create_task(load.run())
    try:
        yield load
    finally:
        load.stop()
        await running
    if load.gone:
        raise TargetGone(load.gone)
