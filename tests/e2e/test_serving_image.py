"""The serving image that was built, from the inside: what is in it, what is not, its tools behind the entrypoint."""

import json
from typing import Any

import pytest

from stage.kube import Cluster, Object, path_of, until
from stage.operator import image_of
from stage.programs import Programs

pytestmark = [pytest.mark.cluster]

CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}

INVENTORY = """
import importlib.util, json, os, pathlib, shutil, sys
site = pathlib.Path(next(path for path in sys.path if path.endswith("site-packages")))
bill = json.loads(pathlib.Path("/venv/sbom.cdx.json").read_text())
sources = [path for path in site.rglob("*.py")]
compiled = [importlib.util.cache_from_source(str(path)) for path in sources]
found = {
    "user": os.getuid(),
    "tools": [name for name in ("pip", "apt", "perl", "gcc", "cc", "make") if shutil.which(name)],
    "pip": importlib.util.find_spec("pip") is not None,
    "tests": [str(path) for path in site.rglob("tests") if path.is_dir()][:3],
    "sources": len(sources) > 1000,
    "uncompiled": [str(path) for path, made in zip(sources, compiled) if not os.path.exists(made)][:3],
    "bill": sorted({"scikit-learn", "onnxruntime", "libc6"} - {one["name"] for one in bill["components"]}),
    "form": [bill["bomFormat"], bill["specVersion"]],
}
open("/dev/termination-log", "w").write(json.dumps(found))
"""

SAMPLE = """
import pathlib, pickle
from sklearn.linear_model import LinearRegression
rows = [[float(i % 7), float(i % 11)] for i in range(300)]
model = LinearRegression().fit(rows, [2 * a + b for a, b in rows])
folder = pathlib.Path("/files")
(folder / "model.pkl").write_bytes(pickle.dumps(model))
lines = ["a,b", *(f"{a + .25},{b + .5}" for a, b in rows)]
(folder / "sample.csv").write_text(chr(10).join(lines) + chr(10))
"""


def container(image: str, name: str, **more: Any) -> Object:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": CONFINED,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "files", "mountPath": "/files"}],
        **more,
    }


async def ended(cluster: Cluster, namespace: str, *containers: Object) -> Object:
    """How the last of these containers ended, which run one after the other."""
    *first, last = containers
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "initContainers": first,
        "containers": [last],
        "volumes": [{"name": "files", "emptyDir": {}}],
    }
    await cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "inside"}, "spec": spec}, namespace)

    async def look() -> Object | None:
        status = (await cluster.get(path_of("v1", "Pod", namespace, "inside")))["status"]
        assert status["phase"] != "Failed" or status.get("containerStatuses"), status
        found = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
        ends: list[Object] = [one["state"]["terminated"] for one in found if "terminated" in one["state"]]
        failed = [end for end in ends if end["exitCode"]]
        return failed[0] if failed else ends[-1] if len(ends) == len(containers) else None

    return await until(look, "the containers have ended", 240)


async def test_it_holds_a_server_and_nothing_to_build_or_test_with(
    prepared: Programs, cluster: Cluster, namespace: str
) -> None:
    image = image_of(prepared, "server")
    end = await ended(cluster, namespace, container(image, "look", command=["python3", "-c", INVENTORY]))
    assert end["exitCode"] == 0, end
    assert json.loads(end["message"]) == {
        "user": 65532,
        "tools": [],
        "pip": False,
        "tests": [],
        "sources": True,
        "uncompiled": [],
        "bill": [],
        "form": ["CycloneDX", "1.6"],
    }


async def test_its_entrypoint_makes_and_checks_bundles(prepared: Programs, cluster: Cluster, namespace: str) -> None:
    image = image_of(prepared, "server")
    made = "--from=/files/model.pkl --sample=/files/sample.csv --name=sums --version=1 --out=/files/sums.tar.gz"
    held = "/files/sums.tar.gz --against /files/sums.tar.gz --max-p95-ratio=10"  # against itself, on a busy machine
    end = await ended(
        cluster,
        namespace,
        container(image, "sample", command=["python3", "-c", SAMPLE]),
        container(image, "bundle", args=["bundle", *made.split()]),
        container(image, "check", args=["check", *held.split()]),
    )
    assert end["exitCode"] == 0, end
