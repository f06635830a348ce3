"""Takes away everything of ours from the machine, whatever is left of it, and says what would not go.

Nothing here needs a running part of the cluster: processes are found by their mark, pods by their control group,
mounts by their folder, interfaces and rules by their names. So it is the same after a clean run, a kill or a restart.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from localcluster import cgroups, mounts, network, places, processes
from localcluster.ledger import current_boot, read_ledger
from localcluster.places import NodePlaces

OUR_TABLES = {f"ip {places.ADDRESS_TRANSLATION_TABLE}", f"ip {network.HOLDING_TABLE}"}
SHIM_SOCKETS = Path("/run/containerd/s")
CNI_RESULTS = Path("/var/lib/cni/results")
POD_LOG_LINKS = Path("/var/log/containers")
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
# Folders that containerd, the CNI library and kubelet make outside of ours, the innermost first.
SHARED_FOLDERS = (
    SHIM_SOCKETS,
    SHIM_SOCKETS.parent,
    CNI_RESULTS,
    CNI_RESULTS.parent,
    POD_LOG_LINKS,
    DEVICE_PLUGINS,
    DEVICE_PLUGINS.parent,
)


def stop_everything(node: NodePlaces) -> None:
    """End all that runs and take all that is outside of our folder away, but the guards; data on disk stays."""
    _stop_processes(node.root)
    _remove_shared_files(node)
    mounts.unmount_ours(node.root)
    cgroups.remove_groups()
    network.remove_pod_network()
    if read_ledger(node.ledger, current_boot()).owns_proxy_tables:
        network.remove_proxy_tables()
    shutil.rmtree(node.addresses, ignore_errors=True)
    shutil.rmtree(node.containerd / "state", ignore_errors=True)


def remove_everything(node: NodePlaces) -> None:
    """Stop everything, put the machine's settings back and delete the data; the guards stay."""
    stop_everything(node)
    ledger = read_ledger(node.ledger, current_boot())
    network.restore_sysctls(ledger.sysctls)
    if str(DEVICE_PLUGINS) in ledger.folders:
        shutil.rmtree(DEVICE_PLUGINS, ignore_errors=True)
    for folder in ledger.folders:
        with suppress(OSError):
            Path(folder).rmdir()
    if not mounts.our_mounts(node.root):  # a mount that would not go may hold a user's volume
        shutil.rmtree(node.root, ignore_errors=True)


def _stop_processes(root: Path) -> None:
    """Kubelet first, or it would start again what is killed; then pods; then all others with containerd's shims."""
    ours = processes.find_ours(root)
    processes.kill_ours(root, [process.pid for process in ours if process.part == "kubelet"])
    cgroups.kill_pods()
    while ours := processes.find_ours(root):
        processes.kill_ours(root, [process.pid for process in ours])
    cgroups.kill_pods()


def _remove_shared_files(node: NodePlaces) -> None:
    for socket in _our_shim_sockets(node):
        socket.unlink(missing_ok=True)
    for result in CNI_RESULTS.glob("*"):
        if str(node.root) in result.read_text(errors="replace"):  # it names the pod's network namespace
            result.unlink()
    for link in POD_LOG_LINKS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(node.pod_logs):
            link.unlink()


def _our_shim_sockets(node: NodePlaces) -> list[Path]:
    """Each container's bundle names the socket of its shim."""
    notes = (node.containerd / "state").glob("io.containerd.runtime.v2.task/*/*/address")
    sockets = [Path(note.read_text().strip().removeprefix("unix://")) for note in notes]
    return [socket for socket in sockets if socket.parent == SHIM_SOCKETS]


def find_leftovers(node: NodePlaces) -> tuple[str, ...]:
    """What of ours is on the machine now, one line each: empty after a teardown."""
    links = network.link_names()
    tables = network.read_tables()
    routes = {str(route["dst"]) for route in network.read_routes()}
    return (
        *(f"process {process.pid} ({process.part})" for process in processes.find_ours(node.root)),
        *(f"process {pid} (of a pod)" for pid in sorted(cgroups.pod_pids())),
        *(f"mount {point}" for point in mounts.our_mounts(node.root)),
        *(f"control group {group}" for group in cgroups.our_groups()),
        *(f"interface {name}" for name in (places.API_BRIDGE, places.POD_BRIDGE) if name in links),
        *(f"table {name}" for name in sorted(tables) if name in OUR_TABLES),
        *(f"table {name}" for name in sorted(tables) if name.endswith(" kube-proxy") and _owns_tables(node)),
        *(f"route {dst}" for dst in network.CLUSTER_ADDRESSES if dst in routes),
        *(f"folder {node.root}" for _ in [0] if node.root.exists()),
    )


def _owns_tables(node: NodePlaces) -> bool:
    return read_ledger(node.ledger, current_boot()).owns_proxy_tables
