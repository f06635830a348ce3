"""The cluster with the operator and the models on it, made once for all workers, and a namespace for each test."""

import asyncio
import fcntl
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from e2e.releases import ANOTHER

from localcluster.choice import Driver
from localcluster.cli import CHECKOUT
from localcluster.cli import locked as cluster_locked
from localcluster.images import make_images
from localcluster.saying import ClusterError
from stage.kube import Cluster, path_of
from stage.models import install_store
from stage.operator import TAG, install_operator
from stage.programs import Programs, programs
from stage.rollout import Rollout

CLUSTER_TOOL = [sys.executable, str(CHECKOUT / "local-cluster" / "cluster.py")]


STORY_SECONDS = 400
"""The first test of a worker also waits for images, helm and the model store."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("cluster") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(STORY_SECONDS))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """A cluster that is up, with images, operator and model store; the first worker makes it, the others wait."""
    shared = (
        tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else tmp_path_factory.getbasetemp()
    )
    with locked(shared / "prepared.lock"):
        done = shared / "prepared"
        tools = _cluster()
        if not done.exists():
            asyncio.run(_install(tools))
            done.touch()
    return tools


@pytest.fixture(scope="session")
def both(prepared: Programs) -> Programs:
    """The cluster with the other build on it, made before requests are sent: a build starves small pods."""
    with cluster_locked(prepared.places):
        make_images(prepared.places, [ANOTHER], Driver(prepared.places.choice.read_text().strip()), TAG)
    return prepared


def _cluster() -> Programs:
    try:
        return programs()
    except ClusterError:
        subprocess.run([*CLUSTER_TOOL, "up"], check=True)
        subprocess.run([*CLUSTER_TOOL, "image"], check=True)
        return programs()


async def _install(tools: Programs) -> None:
    cluster = await Cluster.connect(str(tools.kubeconfig))
    try:
        await install_store(cluster, tools)
        await install_operator(tools)
    finally:
        await cluster.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
async def cluster(prepared: Programs) -> AsyncIterator[Cluster]:
    connected = await Cluster.connect(str(prepared.kubeconfig))
    yield connected
    await connected.close()


@pytest.fixture
async def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A namespace of the test's own; kept for a look when the test fails and KEEP=1."""
    async with own_namespace(cluster, request.node.name) as name:
        yield name


@asynccontextmanager
async def own_namespace(cluster: Cluster, test: str) -> AsyncIterator[str]:
    words = re.sub(r"[^a-z0-9]+", "-", test.lower().removeprefix("test_")).strip("-")
    name = f"t-{words[:40].strip('-')}-{os.urandom(2).hex()}"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await cluster.delete(path_of("v1", "Namespace", "", name))


@pytest.fixture
async def shared_namespace(cluster: Cluster) -> str:
    """A namespace for what never comes to be."""
    name = "t-shared"
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def churn(cluster: Cluster, namespace: str) -> Rollout:
    """The rollout of the stories, before it is applied."""
    return Rollout(cluster, namespace, "churn")


@pytest.fixture
async def beside(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Rollout]:
    """Another rollout of the same name in another namespace, to compare with."""
    async with own_namespace(cluster, request.node.name) as name:
        yield Rollout(cluster, name, "churn")
