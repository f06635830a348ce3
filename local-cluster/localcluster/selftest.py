"""Proves the self-built cluster on this machine: from nothing to pods and names, through a kill, back to nothing."""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from localcluster import base_image, network, node, teardown
from localcluster.health import answers
from localcluster.images import load_base
from localcluster.kubectl import Kubectl, find_kubectl
from localcluster.places import Places
from localcluster.processes import find_ours, parts_running
from localcluster.saying import ClusterError, say
from localcluster.shell import wait_until

NAME = "selftest"
REPLICAS = 3
PORT = 8080


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the machine must be the same before and after."""

    links: frozenset[str]
    routes: frozenset[str]
    tables: frozenset[str]
    sysctls: tuple[tuple[str, str], ...]


def run_selftest(where: Places) -> None:
    """Raise ClusterError at the first thing that is not as it should be; print how long each step took."""
    if teardown.find_leftovers(where.node):
        raise ClusterError("a cluster of ours is on this machine; the self-test starts from nothing: run `down` first")
    before = look_at_surroundings()
    kubectl = Kubectl(find_kubectl(where), where.node.kubeconfig)
    _timed("up from nothing", lambda: node.up(where))
    _timed("up when it is up", lambda: node.up(where))
    _timed("base image loaded", lambda: load_base(where))
    _timed(f"{REPLICAS} pods available", lambda: deploy(kubectl))
    _timed("names and Service work", lambda: check_network(kubectl))
    _timed("every part killed, up again", lambda: kill_and_up(where))
    _timed("pods available again", lambda: check_network(kubectl))
    _timed("down", lambda: node.down(where))
    after = look_at_surroundings()
    if after != before:
        raise ClusterError(f"the machine differs from before:\n  before {before}\n  after  {after}")
    say("self-test passed")


def look_at_surroundings() -> Surroundings:
    sysctls = network.read_sysctls(network.TOUCHED_SYSCTLS)
    return Surroundings(
        links=frozenset(network.link_names()),
        routes=frozenset(json.dumps(route, sort_keys=True) for route in network.read_routes()),
        tables=frozenset(network.read_tables()),
        sysctls=tuple(sorted(sysctls.items())),
    )


def deploy(kubectl: Kubectl) -> None:
    kubectl.run("apply", "--filename=-", stdin=web_objects())
    wait_until(lambda: _is_available(kubectl), f"{REPLICAS} pods are available")


def check_network(kubectl: Kubectl) -> None:
    """The Service answers the host by its address and a pod by its name."""
    wait_until(lambda: _is_available(kubectl), f"{REPLICAS} pods are available")
    address = kubectl.run("get", "service", NAME, "--output=jsonpath={.spec.clusterIP}")
    wait_until(lambda: answers(f"http://{address}/"), f"Service {NAME} answers the host", seconds=10)
    ask = f"import urllib.request; print(urllib.request.urlopen('http://{NAME}.default/', timeout=5).status)"
    status = kubectl.run("exec", f"deployment/{NAME}", "--", "python3", "-c", ask).strip()
    if status != "200":
        raise ClusterError(f"a pod that asks Service {NAME} by name got {status}, not 200")


def kill_and_up(where: Places) -> None:
    for pid in parts_running(find_ours(where.node.root)).values():
        os.kill(pid, signal.SIGKILL)
    node.up(where)


def web_objects() -> str:
    """A small web server under a restricted security context, and its Service."""
    labels = {"app": NAME}
    security = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "web",
        "image": base_image.REFERENCE,
        "command": ["python3", "-m", "http.server", str(PORT)],
        "securityContext": security,
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1},
        "resources": {"limits": {"memory": "128Mi"}},
    }
    pod = {
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": PORT}]},
    }
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [deployment, service]})


def _is_available(kubectl: Kubectl) -> bool:
    found = kubectl.try_run("get", "deployment", NAME, "--output=jsonpath={.status.availableReplicas}")
    return found == str(REPLICAS)


def _timed(what: str, step: Callable[[], object]) -> None:
    began = time.monotonic()
    step()
    say(f"self-test: {what}: {time.monotonic() - began:.1f} s")
