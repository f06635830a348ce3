"""The operator on the cluster, installed as a user would: by helm, from the chart in this checkout."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from localcluster.cli import CHECKOUT
from localcluster.images import last_built, pick, repository_in
from stage.kube import Cluster, Object, path_of, until
from stage.programs import Programs

NAMESPACE = "modelrollout-system"
RELEASE = "modelrollout"
CHART = CHECKOUT / "charts" / "modelrollout"
OPERATOR_LABEL = "app.kubernetes.io/name=modelrollout-operator"
TAG = "dev"
KIND_PATH = path_of("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "modelrollouts.modelrollout.dev")


async def install_operator(programs: Programs, *values: str) -> None:
    """`helm upgrade --install --wait`: installs it, or brings it to this checkout's chart and these values.

    One replica, unless a value says otherwise: two cores have better things to do. What a test edited and gave back by
    hand is the chart's again.
    """
    given = [word for value in values for word in ("--set", value)]
    await _clear_unfinished(programs)
    build = last_built(programs.places, pick(["modelrollout-operator"])[0], TAG)  # the tag stays, the pod must not
    operator, _, tag = image_of(programs, "operator").rpartition(":")
    await programs.helm(
        "upgrade", "--install", RELEASE, str(CHART), f"--namespace={NAMESPACE}", "--create-namespace",
        f"--set=image.repository={operator}", f"--set=image.tag={tag}",
        f"--set=server.image={image_of(programs, 'server')}", "--set=replicas=1",
        f"--set=podAnnotations.build=b{build}", *given,
        "--force-conflicts", "--wait", "--timeout=180s",
    )  # fmt: skip


@asynccontextmanager
async def operator_with(programs: Programs, *values: str) -> AsyncIterator[None]:
    """The operator with these values, while the block runs."""
    await install_operator(programs, *values)
    try:
        yield
    finally:
        await install_operator(programs)


def image_of(programs: Programs, part: str) -> str:
    """The image of a part (operator, server, models), as the cluster that is up finds it."""
    return f"{repository_in(programs.places, os.environ)}/modelrollout-{part}:{TAG}"


async def _clear_unfinished(programs: Programs) -> None:
    """A helm that was killed in its work leaves a release that refuses every upgrade; the CRD outlives it."""
    pending = await programs.helm("list", f"--namespace={NAMESPACE}", "--pending", "--short")
    if RELEASE in pending.split():
        await programs.helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--wait")


async def operator_pods(cluster: Cluster) -> list[Object]:
    found = await cluster.list(path_of("v1", "Pod", NAMESPACE), OPERATOR_LABEL)
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


async def kill_operator(cluster: Cluster) -> None:
    """End the operator's pod at once, without a chance to tidy up (SIGKILL); does not wait for the next one."""
    for pod in await operator_pods(cluster):
        path = path_of("v1", "Pod", NAMESPACE, pod["metadata"]["name"])
        await cluster.delete(path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})


async def operator_ready(cluster: Cluster) -> None:
    """Wait until an operator's pod is ready."""

    async def look() -> bool:
        pods = await operator_pods(cluster)
        return any(
            one["type"] == "Ready" and one["status"] == "True"
            for pod in pods
            for one in pod.get("status", {}).get("conditions", ())
        )

    await until(look, "an operator pod is ready", 120)
