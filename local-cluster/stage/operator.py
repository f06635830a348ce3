"""The operator on the cluster, installed as a user would: by helm, from the chart in this checkout."""

import hashlib

from localcluster.cli import CHECKOUT
from stage.kube import Cluster, Object, path_of, until
from stage.programs import Programs

NAMESPACE = "modelrollout-system"
RELEASE = "modelrollout"
CHART = CHECKOUT / "charts" / "modelrollout"
OPERATOR_LABEL = "app.kubernetes.io/name=modelrollout-operator"
TAG = "dev"
SERVER_IMAGE = f"localhost/modelrollout-server:{TAG}"
OPERATOR_IMAGE = f"localhost/modelrollout-operator:{TAG}"
KIND_PATH = path_of("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "modelrollouts.modelrollout.dev")


async def install_operator(programs: Programs, *values: str) -> None:
    """`helm upgrade --install --wait`: installs it, or brings it to this checkout's chart and these values.

    One replica, unless a value says otherwise: two cores have better things to do.
    """
    given = [word for value in values for word in ("--set", value)]
    await _clear_unfinished(programs)
    await programs.helm(
        "upgrade", "--install", RELEASE, str(CHART), f"--namespace={NAMESPACE}", "--create-namespace",
        f"--set=image.repository={OPERATOR_IMAGE.rpartition(':')[0]}", f"--set=image.tag={TAG}",
        f"--set=server.image={SERVER_IMAGE}", "--set=replicas=1",
        f"--set=podAnnotations.source={source_digest()}", *given,
        "--wait", "--timeout=180s",
    )  # fmt: skip


async def _clear_unfinished(programs: Programs) -> None:
    """A helm that was killed in its work leaves a release that refuses every upgrade; the CRD outlives it."""
    pending = await programs.helm("list", f"--namespace={NAMESPACE}", "--pending", "--short")
    if RELEASE in pending.split():
        await programs.helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--wait")


def source_digest() -> str:
    """Changes with the operator's code: the image's tag does not, and a pod has to be replaced when its image is."""
    digest = hashlib.sha256()
    for path in sorted((CHECKOUT / "operator").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


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
