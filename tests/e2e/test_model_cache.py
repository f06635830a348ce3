"""A volume that the pods of a node share: one of them downloads the model, the others load the same file."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

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
OPENED = f"import os; os.chmod('{MOUNTED}', 0o1777)"
PARENT = "/tmp"  # noqa: S108  # of the node


@pytest.fixture
async def claim(prepared: Programs, cluster: Cluster, namespace: str) -> AsyncIterator[str]:
    """A claim on a folder of the node that servers may write to."""
    folder = f"modelrollout-{namespace}"
    reference = {"namespace": namespace, "name": "models"}
    disk = VOLUME | {"capacity": SIZE, "hostPath": at(f"{PARENT}/{folder}"), "claimRef": reference}
    asked = VOLUME | {"resources": {"requests": SIZE}, "volumeName": namespace}
    for kind, name, said in (("PersistentVolume", namespace, disk), ("PersistentVolumeClaim", "models", asked)):
        await cluster.apply({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": said}, namespace)
    root = AsRoot(cluster, namespace, image_of(prepared, "server"))
    await root.run("opens", OPENED, volume("models"))
    yield "models"
    await root.run("removes", f"import shutil; shutil.rmtree('{MOUNTED}/{folder}')", {"hostPath": at(PARENT)})
    await cluster.delete(path_of("v1", "PersistentVolume", "", namespace))


def at(path: str) -> Object:
    return {"path": path, "type": "DirectoryOrCreate"}


def volume(claim: str) -> Object:
    return {"persistentVolumeClaim": {"claimName": claim}}


@dataclass(frozen=True, slots=True)
class AsRoot:
    """Python programs on a volume, in a pod that may do what a server may not."""

    cluster: Cluster
    namespace: str
    image: str

    async def run(self, name: str, program: str, on: Object) -> None:
        mounts = [{"name": CACHE_VOLUME, "mountPath": MOUNTED}]
        command = ["python3", "-c", program]
        pod = {
            "restartPolicy": "Never",
            "securityContext": {"runAsUser": 0},
            "containers": [{"name": "python", "image": self.image, "command": command, "volumeMounts": mounts}],
            "volumes": [{"name": CACHE_VOLUME} | on],
        }
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod}
        await self.cluster.create(made, self.namespace)

        async def has_ended() -> bool:
            phase = (await self.cluster.get(path_of("v1", "Pod", self.namespace, name)))["status"]["phase"]
            assert phase != "Failed"
            return bool(phase == "Succeeded")

        await until(has_ended, f"the pod {name} has ended", 120)


async def test_a_model_is_downloaded_once_for_all_pods_of_a_node(
    prepared: Programs, churn: Rollout, claim: str
) -> None:
    checksum = hashlib.sha256((MODELS / "out" / "v1.onnx").read_bytes()).hexdigest()
    mounting = {"name": "server", "volumeMounts": [{"name": CACHE_VOLUME, "mountPath": MOUNTED}]}
    template = {"spec": {"containers": [mounting], "volumes": [{"name": CACHE_VOLUME} | volume(claim)]}}

    await churn.apply(
        spec(model_of("v1") | {"sha256": checksum}, replicas=PODS, server=SERVER | {"podTemplate": template})
    )
    await churn.until_condition("Ready")

    names = [pod["metadata"]["name"] for pod in await churn.pods()]
    logs = [await prepared.kubectl("logs", f"--namespace={churn.namespace}", name) for name in names]
    assert len(logs) == PODS
    assert sum("downloaded http" in log for log in logs) == 1
    assert sum(f"found {MOUNTED}/{checksum} in the cache" in log for log in logs) == PODS - 1
