"""Proves the self-built cluster on this machine: from nothing to pods and names, through a kill, back to nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

from localcluster import base_image, health, network, node, places, teardown
from localcluster.images import load_base
from localcluster.kubectl import Kubectl, find_kubectl
from localcluster.places import Places
from localcluster.processes import find_ours, parts_running
from localcluster.saying import ClusterError, say
from localcluster.shell import run, wait_until

NAME = "selftest"
REPLICAS = 3
PORT = 8080
FIRST_POD = "10.244.0.2"
HOLDS = """
import socket, sys, time
held = socket.create_connection((sys.argv[1], 80))
print("connected", flush=True)
time.sleep(600)
"""
CONNECTS_ANEW = """
import socket, sys, time
while True:
    try:
        with socket.create_connection((sys.argv[1], 80), timeout=5) as one:
            one.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            while one.recv(65536):
                pass
        print("answered", flush=True)
    except OSError:
        pass
    time.sleep(0.02)
"""
COUNTED = re.compile(
    r"fs/(dentry-state|file-nr|inode-nr|inode-state|aio-nr|quota/)|kernel/(random/|ns_last_pid|pty/nr|keys/gc_delay)"
    r"|net/netfilter/nf_conntrack_count|net/netfilter/nf_log|fs/binfmt_misc|sunrpc/"
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the machine must be the same before and after."""

    links: frozenset[str]
    routes: frozenset[str]
    tables: frozenset[str]
    sysctls: frozenset[tuple[str, str]]


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
    _timed("down is refused to a client", lambda: check_refusal(where, kubectl))
    _timed("down from under a client", lambda: check_guards(where, kubectl))
    _timed("down", lambda: node.down(where))
    after = look_at_surroundings()
    if differences := tell_differences(before, after):
        raise ClusterError("the machine differs from before:\n" + "\n".join(f"  - {one}" for one in differences))
    say("self-test passed")


def look_at_surroundings() -> Surroundings:
    return Surroundings(
        links=frozenset(network.link_names()),
        routes=frozenset(json.dumps(route, sort_keys=True) for route in network.read_routes()),
        tables=frozenset(network.read_tables()),
        sysctls=frozenset(read_every_sysctl(network.SYSCTLS)),
    )


def read_every_sysctl(root: Path) -> Iterator[tuple[str, str]]:
    """Every setting of the kernel but those that it counts or draws by itself."""
    for file in sorted(root.rglob("*")):
        name = str(file.relative_to(root))
        if file.is_file() and not COUNTED.match(name):
            with suppress(OSError):  # one that can only be written, or that its module does not hand out
                yield name, file.read_text(errors="replace").strip()


def tell_differences(before: Surroundings, after: Surroundings) -> tuple[str, ...]:
    return tuple(
        f"{field.name}: {what} {one}"
        for field in fields(Surroundings)
        for what, there, here in (("lost", before, after), ("new", after, before))
        for one in sorted(getattr(there, field.name) - getattr(here, field.name))
    )


def deploy(kubectl: Kubectl) -> None:
    kubectl.run("apply", "--filename=-", stdin=web_objects())
    wait_until(lambda: _is_available(kubectl), f"{REPLICAS} pods are available")


def check_network(kubectl: Kubectl) -> None:
    """The Service answers the host by its address and a pod by its name."""
    wait_until(lambda: _is_available(kubectl), f"{REPLICAS} pods are available")
    address = kubectl.run("get", "service", NAME, "--output=jsonpath={.spec.clusterIP}")
    wait_until(lambda: health.answers(f"http://{address}/"), f"Service {NAME} answers the host", seconds=10)
    ask = f"import urllib.request; print(urllib.request.urlopen('http://{NAME}.default/', timeout=5).status)"
    status = kubectl.run("exec", f"deployment/{NAME}", "--", "python3", "-c", ask).strip()
    if status != "200":
        raise ClusterError(f"a pod that asks Service {NAME} by name got {status}, not 200")


def kill_and_up(where: Places) -> None:
    for pid in parts_running(find_ours(where.node.root)).values():
        os.kill(pid, signal.SIGKILL)
    node.up(where)


def check_refusal(where: Places, kubectl: Kubectl) -> None:
    """`down` names a client that holds a connection, and one that connects anew for each request."""
    for client in (HOLDS, CONNECTS_ANEW):
        with asking(kubectl, client) as program:
            try:
                node.down(where)
            except ClusterError as error:
                if f"(process {program.pid})" not in str(error):
                    raise ClusterError(f"`down` names another than process {program.pid}: {error}") from error
            else:
                raise ClusterError("`down` took the cluster away from under a client")
            if not health.examine(where.node, kubectl).is_up:
                raise ClusterError("`down` refused, and the cluster is not as it was")


def check_guards(where: Places, kubectl: Kubectl) -> None:
    """Nothing that a client still sends after `down --force` leaves the machine; the next `down` waits for its end."""
    address = kubectl.run("get", "service", NAME, "--output=jsonpath={.spec.clusterIP}")
    with asking(kubectl, CONNECTS_ANEW):
        node.down(where, force=True)
        if find_ours(where.node.root) or where.node.root.exists():
            raise ClusterError("`down --force` has left some of the cluster")
        for one in (address, places.API_ADDRESS, FIRST_POD):
            way = run(["ip", "route", "get", one])
            if f"dev {places.API_BRIDGE}" not in way:
                raise ClusterError(f"{one} is asked for by a client and leaves the machine: {way}")


@contextmanager
def asking(kubectl: Kubectl, client: str) -> Iterator["subprocess.Popen[str]"]:
    address = kubectl.run("get", "service", NAME, "--output=jsonpath={.spec.clusterIP}")
    with subprocess.Popen([sys.executable, "-c", client, address], stdout=subprocess.PIPE, text=True) as program:
        if program.stdout is not None:
            program.stdout.readline()  # it has been answered once
        try:
            yield program
        finally:
            program.kill()


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
