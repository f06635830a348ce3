"""A volume that the pods of a node share: one of them downloads the model, the others load the same file."""

import hashlib
from collections.abc import AsyncIterator

import pytest
from e2e.specs import SERVER, model_of, spec

from modelrollout.names import CACHE_VOLUME
from stage.kube import Cluster, Object, path_of, until
from stage.models import MODELS
from stage.operator import image_of
from stage.programs import Programs
from stage.rollout import Rollout

pytestmark = [pytest.mark.cluster]

PODS = 3
MOUNTED = "/var/cache/models"
SIZE = {"storage": "1Gi"}
VOLUME: Object = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
OPEN_TO_ALL = f"import os; os.chmod('{MOUNTED}', 0o1777)"
EMPTIED = f"import pathlib; [one.unlink() for one in pathlib.Path('{MOUNTED}').iterdir()]"


@pytest.fixture
async def claim(prepared: Programs, cluster: Cluster, namespace: str) -> AsyncIterator[str]:
    """A claim on a folder of the node that servers may write to."""
    folder = {"path": f"/tmp/modelrollout-{namespace}", "type": "DirectoryOrCreate"}  # noqa: S108  # of the node
    reference = {"namespace": namespace, "name": "models"}
    disk = VOLUME | {"capacity": SIZE, "hostPath": folder, "claimRef": reference}
    asked = VOLUME | {"resources": {"requests": SIZE}, "volumeName": namespace}
    for kind, name, said in (("PersistentVolume", namespace, disk), ("PersistentVolumeClaim", "models", asked)):
        await cluster.apply({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": said}, namespace)
    image = image_of(prepared, "server")
    await run(cluster, namespace, "opens", image, OPEN_TO_ALL)
    yield "models"
    await run(cluster, namespace, "empties", image, EMPTIED)
    await cluster.delete(path_of("v1", "PersistentVolume", "", namespace))


async def run(cluster: Cluster, namespace: str, name: str, image: str, program: str) -> None:
    """Run a Python program as root on the volume."""
    mounts = [{"name": CACHE_VOLUME, "mountPath": MOUNTED}]
    container = {"name": "python", "image": image, "command": ["python3", "-c", program], "volumeMounts": mounts}
    pod = {
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 0},
        "containers": [container],
        "volumes": [volume("models")],
    }
    await cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod}, namespace)

    async def has_ended() -> bool:
        phase = (await cluster.get(path_of("v1", "Pod", namespace, name)))["status"]["phase"]
        assert phase != "Failed"
        return bool(phase == "Succeeded")

    await until(has_ended, f"the pod {name} has ended", 120)


def volume(claim: str) -> Object:
    return {"name": CACHE_VOLUME, "persistentVolumeClaim": {"claimName": claim}}


async def test_a_model_is_downloaded_once_for_all_pods_of_a_node(
    prepared: Programs, churn: Rollout, claim: str
) -> None:
    checksum = hashlib.sha256((MODELS / "out" / "v1.onnx").read_bytes()).hexdigest()
    mounting = {"name": "server", "volumeMounts": [{"name": CACHE_VOLUME, "mountPath": MOUNTED}]}
    template = {"spec": {"containers": [mounting], "volumes": [volume(claim)]}}

    await churn.apply(
        spec(model_of("v1") | {"sha256": checksum}, replicas=PODS, server=SERVER | {"podTemplate": template})
    )
    await churn.until_condition("Ready")

    names = [pod["metadata"]["name"] for pod in await churn.pods()]
    logs = [await prepared.kubectl("logs", f"--namespace={churn.namespace}", name) for name in names]
    assert len(logs) == PODS
    assert sum("downloaded http" in log for log in logs) == 1
    assert sum(f"found {MOUNTED}/{checksum} in the cache" in log for log in logs) == PODS - 1
