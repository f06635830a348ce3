"""The self-built cluster: brings it up from whatever state it is in, tells how it is, takes it down.

Up again after a kill or a restart keeps what the cluster held: leftovers of processes, mounts and rules are cleared
first, then the same data is started again.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from localcluster import cgroups, clients, debian, health, network, parts, places, processes, teardown
from localcluster.certificates import make_certificates, remove_half_made
from localcluster.cluster_objects import bootstrap_objects
from localcluster.configs import render, write_configs
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
SECONDS_OF_ENDING = 10.0
"""What ends just now, such as the last client of a test, may still be connected for so long."""
SECONDS_OF_GIVING_UP = 20.0
SECONDS_OF_QUIET = 2.0
"""An attempt waits 3 s in the guards: who tries every 5 s is seen."""


def up(where: Places) -> None:
    """Return when the node takes pods and Service names resolve."""
    node = where.node
    if node.kubeconfig.exists() and health.examine(node, _kubectl(where)).is_up:
        changed = find_changed(where)
        if not changed:
            say("the cluster is up already")
            return
        say(f"another version started the cluster ({', '.join(changed)} would run differently): starting it again")
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


def find_changed(where: Places) -> tuple[str, ...]:
    """Parts of the cluster that is up which this version would start in another way, with other files included."""
    node = where.node
    programs, around = build_missing(where, KUBERNETES), build_missing(where, AROUND)
    wanted = {part.name: part.argv for part in parts.every_part(node, programs, around)}
    running = parts_running(find_ours(node.root))
    calls = [name for name, argv in wanted.items() if processes.read_argv(running.get(name, 0)) != argv]
    return (*calls, *(name for name, text in render(node).items() if _read(node.config / name) != text))


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


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
    """Write down what will change, then the guards before anything that could send a packet.

    A module brings its sysctls along, so these are written down before it is loaded.
    """
    ledger = read_ledger(node.ledger, current_boot())
    missing = tuple(str(folder) for folder in teardown.SHARED_FOLDERS if not folder.exists())
    former = network.read_sysctls((*network.TOUCHED_SYSCTLS, *network.forwarding_sysctls()))
    node.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    node.root.chmod(0o700)
    write_ledger(node.ledger, ledger.with_folders(missing).with_sysctls(former))
    network.load_modules()
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
    _wait(node, "etcd", lambda: health.etcd_answers(node))
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
    _wait(node, "kubelet", lambda: health.answers(health.KUBELET_HEALTH))
    _wait(node, "kube-proxy", lambda: health.answers(health.PROXY_HEALTH))
    _wait(node, "coredns", lambda: health.answers(health.DNS_HEALTH))
    wait_until(lambda: health.is_node_ready(kubectl, since), "the node is ready", seconds=90)
    wait_until(lambda: kubectl.get("serviceaccount", "default") is not None, "namespaces have service accounts")


def _start(node: NodePlaces, part: Part) -> None:
    say(f"starting {part.name}")
    processes.start(part, node.root, node.logs)


def _wait(node: NodePlaces, name: str, answers: Callable[[], bool]) -> None:
    def is_answering() -> bool:
        _raise_if_ended(node, name)
        return answers()

    wait_until(is_answering, f"{name} answers")


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


def down(where: Places, *, force: bool = False) -> None:
    """Take all of it away; raises ClusterError naming what would not go.

    Refuses while programs from outside are connected to the cluster; `force` takes it away from under them.
    """
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
    if not force and find_ours(node.root):  # where nothing serves any more, nobody is cut off
        refuse_clients(node)
    say("taking the cluster down")
    teardown.remove_everything(node)
    if (waiting := open_guards(node)) and force:
        say(waiting)
        return
    if waiting:
        raise ClusterError(waiting)
    left = teardown.find_leftovers(node)
    if left:
        raise ClusterError("some of the cluster is still there:\n" + "\n".join(f"  - {thing}" for thing in left))
    say("the cluster is gone: no process, mount, interface, rule or folder of it is left")


def refuse_clients(node: NodePlaces) -> None:
    """Raise ClusterError naming the programs that are connected to the cluster and do not end within some seconds."""
    deadline = time.monotonic() + SECONDS_OF_ENDING
    while found := clients.connected_programs(node):
        if time.monotonic() < deadline:
            time.sleep(clients.LOOK_SECONDS)
            continue
        raise ClusterError(
            f"programs are connected to the cluster; without it their requests would leave this machine:\n"
            f"{clients.list_clients(found)}\n"
            "End them and run this again. `python3 local-cluster/cluster.py down --force` takes the cluster away at "
            "once, and keeps the routes that hold its addresses on this machine for as long as they go on."
        )


def open_guards(node: NodePlaces) -> str:
    """Take the guards away once nobody wants the cluster's addresses any more; else say who still does.

    After a restart of the machine they are gone, and the addresses may be somebody else's: a VPN's, for instance.
    """
    if places.API_BRIDGE not in network.link_names():
        network.remove_guards()
        return ""
    network.let_clients_wait()
    network.forget_closed_connections()
    found = clients.clients_after(
        lambda: clients.find_clients(node), patience=SECONDS_OF_GIVING_UP, quiet=SECONDS_OF_QUIET
    )
    if not found:
        network.remove_guards()
        return ""
    return (
        f"the cluster is gone, but programs go on asking for its addresses:\n{clients.list_clients(found)}\n"
        f"The bridge {places.API_BRIDGE} and its routes stay, so that nothing leaves this machine. End these programs, "
        "then `make cluster-down` removes them."
    )


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
