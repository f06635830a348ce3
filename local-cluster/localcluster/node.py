"""The self-built cluster: brings it up from whatever state it is in, tells how it is, takes it down.

Up again after a kill or a restart keeps what the cluster held: leftovers of processes, mounts and rules are cleared
first, then the same data is started again.
"""

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from localcluster import cgroups, debian, health, network, parts, places, processes, teardown
from localcluster.certificates import make_certificates, remove_half_made
from localcluster.cluster_objects import bootstrap_objects
from localcluster.configs import write_configs
from localcluster.conflicts import find_conflicts, look_around
from localcluster.kubectl import Kubectl, find_kubectl
from localcluster.ledger import current_boot, read_ledger, write_ledger
from localcluster.pause_image import write_image
from localcluster.places import NodePlaces, Places
from localcluster.processes import Part, find_ours, parts_running
from localcluster.programs import AROUND, KUBERNETES, build_missing
from localcluster.saying import ClusterError, say
from localcluster.shell import run, try_run, wait_until

LINES_OF_A_LOG = 8
SECONDS_OF_DYING = 3.0


def up(where: Places) -> None:
    """Return when the node takes pods and Service names resolve."""
    node = where.node
    if node.kubeconfig.exists() and health.examine(node, _kubectl(where)).is_up:
        say("the cluster is up already")
        return
    debian.install_missing(debian.CLUSTER_PROGRAMS)
    refuse_conflicts(node)
    programs = build_missing(where, KUBERNETES)
    around = build_missing(where, AROUND)
    kubectl = _kubectl(where)
    if teardown.find_leftovers(node):
        say("clearing what an earlier run has left; the cluster's data stays")
        teardown.stop_everything(node)
    _prepare(node)
    _start_stores(node, programs)
    _start_control_plane(node, programs, kubectl)
    _start_node(node, (programs, around), kubectl)
    say(f"the cluster is up: Kubernetes {places.KUBERNETES_VERSION}, kubeconfig {node.kubeconfig}")


def refuse_conflicts(node: NodePlaces) -> None:
    """Raise ClusterError where somebody else's cluster is; a process that is just dying still holds its port."""
    deadline = time.monotonic() + SECONDS_OF_DYING
    while conflicts := _conflicts(node):
        if time.monotonic() < deadline:
            time.sleep(0.2)
            continue
        raise ClusterError(
            "this machine seems to belong to another Kubernetes, and a second one would take its network away:\n"
            + "\n".join(f"  - {sentence}" for sentence in conflicts)
            + "\nTo use the cluster of your current kubectl context instead, set CLUSTER=current."
        )


def _conflicts(node: NodePlaces) -> tuple[str, ...]:
    ours = read_ledger(node.ledger, current_boot()).owns_proxy_tables
    return find_conflicts(look_around(node.root, tables_are_ours=ours))


def _prepare(node: NodePlaces) -> None:
    """Write down what will change, then the guards before anything that could send a packet."""
    ledger = read_ledger(node.ledger, current_boot())
    missing = tuple(str(folder) for folder in teardown.SHARED_FOLDERS if not folder.exists())
    ledger = ledger.with_folders(missing).with_sysctls(network.read_sysctls(network.TOUCHED_SYSCTLS))
    write_ledger(node.ledger, ledger)
    network.add_guards()
    network.write_sysctls(network.WANTED_SYSCTLS)
    network.add_address_translation()
    cgroups.add_groups()
    remove_half_made(node.pki)
    make_certificates(node.pki)
    write_configs(node)
    for folder in (node.logs, node.pod_logs, node.etcd):
        folder.mkdir(parents=True, exist_ok=True)
    node.etcd.chmod(0o700)


def _start_stores(node: NodePlaces, programs: Path) -> None:
    _start(node, parts.containerd(node))
    _start(node, parts.etcd(node))
    _wait(node, "etcd", f"{parts.ETCD_URL}/health")
    wait_until(lambda: try_run([*ctr(node), "version"]) is not None, "containerd answers", seconds=30)
    if places.PAUSE_IMAGE not in run([*ctr(node), "images", "ls", "-q"]):
        archive = node.root / "pause.tar"
        write_image(programs / "pause", places.PAUSE_IMAGE, archive)
        run([*ctr(node), "images", "import", archive])
        archive.unlink()


def _start_control_plane(node: NodePlaces, programs: Path, kubectl: Kubectl) -> None:
    _start(node, parts.apiserver(node, programs))
    wait_until(lambda: _api_is_ready(node, kubectl), "the API server is ready", seconds=90)
    _start(node, parts.controller_manager(node, programs))
    _start(node, parts.scheduler(node, programs))
    kubectl.run("apply", "--filename=-", stdin=bootstrap_objects())


def _api_is_ready(node: NodePlaces, kubectl: Kubectl) -> bool:
    _raise_if_ended(node, "kube-apiserver")
    return kubectl.try_run("get", "--raw=/readyz") is not None


def _start_node(node: NodePlaces, folders: tuple[Path, Path], kubectl: Kubectl) -> None:
    programs, around = folders
    since = datetime.now(UTC).replace(microsecond=0)
    write_ledger(node.ledger, replace(read_ledger(node.ledger, current_boot()), owns_proxy_tables=True))
    _start(node, parts.proxy(node, programs))
    _start(node, parts.coredns(node, around))
    _start(node, parts.kubelet(node, programs))
    _wait(node, "kubelet", health.KUBELET_HEALTH)
    _wait(node, "kube-proxy", health.PROXY_HEALTH)
    _wait(node, "coredns", health.DNS_HEALTH)
    wait_until(lambda: health.is_node_ready(kubectl, since), "the node is ready", seconds=90)
    wait_until(lambda: kubectl.get("serviceaccount", "default") is not None, "namespaces have service accounts")


def _start(node: NodePlaces, part: Part) -> None:
    say(f"starting {part.name}")
    processes.start(part, node.root, node.logs)


def _wait(node: NodePlaces, name: str, url: str) -> None:
    def is_answering() -> bool:
        _raise_if_ended(node, name)
        return health.answers(url)

    wait_until(is_answering, f"{name} answers at {url}")


def _raise_if_ended(node: NodePlaces, name: str) -> None:
    if name not in parts_running(find_ours(node.root)):
        log = node.logs / f"{name}.log"
        tail = "\n".join(f"    {line}" for line in log.read_text().splitlines()[-LINES_OF_A_LOG:])
        raise ClusterError(f"{name} has ended; the last lines of {log}:\n{tail}")


def ctr(node: NodePlaces) -> tuple[str, ...]:
    """The command that asks the cluster's containerd."""
    return ("ctr", "--address", str(node.socket), "--namespace", "k8s.io")


def _kubectl(where: Places) -> Kubectl:
    return Kubectl(find_kubectl(where), where.node.kubeconfig)


def down(where: Places) -> None:
    """Take all of it away; raises ClusterError naming what would not go."""
    node = where.node
    if os.geteuid() != 0:
        raise ClusterError("taking the self-built cluster down needs root: run the command with sudo")
    others = processes.folders_in_use() - {str(node.root)}
    if others:
        raise ClusterError(
            f"the cluster that runs here lies in {', '.join(sorted(others))}; set XDG_STATE_HOME to match"
        )
    debian.allow_service_starts()
    if not teardown.find_leftovers(node):
        say("no cluster of ours is on this machine")
        return
    say("taking the cluster down")
    teardown.remove_everything(node)
    left = teardown.find_leftovers(node)
    if left:
        raise ClusterError("some of the cluster is still there:\n" + "\n".join(f"  - {thing}" for thing in left))
    say("the cluster is gone: no process, mount, interface, rule or folder of it is left")


def status(where: Places) -> bool:
    """Print the parts and where to look; answer whether the cluster is up."""
    node = where.node
    if not node.kubeconfig.exists():
        print("the self-built cluster is down")
        return False
    seen = health.examine(node, _kubectl(where))
    facts = {
        "up": seen.is_up,
        "parts": dict(seen.parts),
        "missing": list(seen.missing_parts),
        "kubeconfig": str(node.kubeconfig),
        "audit_log": str(node.audit_log),
        "logs": str(node.logs),
        "containerd": str(node.socket),
    }
    print(json.dumps(facts, indent=1))
    return seen.is_up
