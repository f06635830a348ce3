"""A cluster by kind, where a Docker engine works that has kind's node image or can fetch it.

The project's own CI does not run this driver: its machines have no image registry.
"""

from localcluster.kubectl import Kubectl, find_kubectl
from localcluster.places import CLUSTER_NAME, Places
from localcluster.programs import KIND, build_missing
from localcluster.saying import say
from localcluster.shell import have, run, try_run

NODE_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"


def can_run() -> bool:
    """Whether a Docker engine answers and has the node image."""
    if not have("docker") or try_run(["docker", "info"]) is None:
        return False
    return any(try_run(["docker", *words, NODE_IMAGE]) is not None for words in (("image", "inspect"), ("pull",)))


def kind(places: Places) -> str:
    return "kind" if have("kind") else str(build_missing(places, KIND) / "kind")


def up(places: Places) -> None:
    kubeconfig = places.state / "kind.kubeconfig"
    if Kubectl(find_kubectl(places), kubeconfig).try_run("get", "--raw=/readyz") is not None:
        say("the kind cluster is up already")
        return
    down(places)  # half a cluster of a killed run
    options = ("--name", CLUSTER_NAME, "--image", NODE_IMAGE, "--wait", "180s")
    run([kind(places), "create", "cluster", *options, "--kubeconfig", kubeconfig])


def down(places: Places, *, force: bool = False) -> None:  # noqa: ARG001  # its addresses stay on Docker's bridge
    run([kind(places), "delete", "cluster", "--name", CLUSTER_NAME, "--kubeconfig", places.state / "kind.kubeconfig"])
