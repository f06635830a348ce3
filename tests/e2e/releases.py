"""The operator as another release would be, and what it must not touch."""

from dataclasses import dataclass

from localcluster.images import Image
from stage.rollout import Rollout, restarts

ANOTHER = Image("modelrollout-operator-another", "tests/e2e/another-build/Dockerfile", "tests/e2e/another-build")


@dataclass(frozen=True, slots=True)
class Running:
    """What serves requests now."""

    pods: frozenset[tuple[str, int]]
    """Each pod's uid with the restarts of its containers."""
    revisions: frozenset[str]


async def running(churn: Rollout) -> Running:
    pods = await churn.pods()
    return Running(
        pods=frozenset((pod["metadata"]["uid"], restarts(pod)) for pod in pods),
        revisions=frozenset(await churn.deployments()),
    )
