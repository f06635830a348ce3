"""A soak from nothing to nothing: the operator with two replicas, a namespace of its own, and both taken away again."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from e2e.breaking import two_replicas
from soak.patient import Patient
from soak.soak import Soak

from stage.kube import Cluster, path_of
from stage.models import install_store
from stage.programs import Programs


async def played(tools: Programs, seconds: float, seed: int) -> tuple[Soak, list[str]]:
    """Play one soak; gives it with what is wrong. With KEEP=1 its rollouts stay, for a look at them."""
    cluster = await Patient.connect(str(tools.kubeconfig))
    try:
        await install_store(cluster, tools)
        async with two_replicas(tools), _namespace(cluster) as namespace:
            soak = Soak(tools, cluster, seed)
            with _stopped_by_a_signal(soak):
                return soak, await soak.run(namespace, seconds)
    finally:
        await cluster.close()


@contextmanager
def _stopped_by_a_signal(soak: Soak) -> Iterator[None]:
    """SIGTERM ends it before its time, and in good order."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, soak.stop)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


@asynccontextmanager
async def _namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = f"soak-{os.urandom(2).hex()}"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield name
    finally:
        if os.environ.get("KEEP") != "1":
            await cluster.delete(path_of("v1", "Namespace", "", name))
