"""What a machine must have for the self-built cluster, as facts and a list of sentences about what is missing."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from localcluster import network
from localcluster.shell import have, try_run

# Numbers of linux/capability.h: what runc, mounts, bridges and device nodes need.
CAPABILITIES = {
    0: "CAP_CHOWN",
    1: "CAP_DAC_OVERRIDE",
    5: "CAP_KILL",
    6: "CAP_SETGID",
    7: "CAP_SETUID",
    12: "CAP_NET_ADMIN",
    13: "CAP_NET_RAW",
    18: "CAP_SYS_CHROOT",
    21: "CAP_SYS_ADMIN",
    27: "CAP_MKNOD",
}
FREE_GIBIBYTES = 8
MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about this machine."""

    system: str
    machine: str
    is_root: bool
    capabilities: int
    has_cgroups: bool
    has_bridge_filter: bool
    has_apt: bool
    state_filesystem: str
    free_gibibytes: float


def look_at_machine(state: Path) -> Machine:
    if platform.system() != "Linux":
        return Machine(platform.system(), platform.machine(), False, 0, False, False, False, "", 0)
    folder = next(path for path in (state, *state.parents) if path.exists())
    room = os.statvfs(folder)
    return Machine(
        system="Linux",
        machine=platform.machine(),
        is_root=os.geteuid() == 0,
        capabilities=parse_capabilities(Path("/proc/self/status").read_text()),
        has_cgroups=os.access("/sys/fs/cgroup", os.W_OK) and any(Path("/sys/fs/cgroup").iterdir()),
        has_bridge_filter=_can_filter_bridges(),
        has_apt=have("apt-get"),
        state_filesystem=(try_run(["stat", "--file-system", "--format=%T", folder]) or "").strip(),
        free_gibibytes=room.f_bavail * room.f_frsize / 2**30,
    )


def _can_filter_bridges() -> bool:
    """Whether the kernel does, or has a module for it that can be loaded; it is loaded when the cluster comes up."""
    return (
        Path("/proc/sys/net/bridge").exists() or try_run(["modprobe", "--dry-run", network.BRIDGE_FILTER]) is not None
    )


def parse_capabilities(status: str) -> int:
    """Read the effective capabilities, a bit mask in hexadecimal, out of /proc/self/status."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return int(found[1], 16) if found else 0


def what_is_missing(machine: Machine) -> tuple[str, ...]:
    """Sentences, empty where the self-built cluster can run."""
    if machine.system != "Linux":
        return (f"the self-built cluster needs Linux; this is {machine.system}",)
    if not machine.is_root:
        return ("the self-built cluster needs root: run the command with sudo",)
    lacking = [name for bit, name in CAPABILITIES.items() if not machine.capabilities >> bit & 1]
    checks = (
        (machine.machine not in MACHINES, f"programs are built for {' and '.join(MACHINES)}, not {machine.machine}"),
        (bool(lacking), f"this container lacks {', '.join(lacking)}: start it privileged"),
        (not machine.has_cgroups, "/sys/fs/cgroup is not there or not writable"),
        (not machine.has_bridge_filter, "the kernel module br_netfilter is not loaded and cannot be"),
        (not machine.has_apt, "there is no apt-get; the cluster's programs come from Debian's packages"),
        (
            machine.state_filesystem == "overlayfs",
            "containers need a real disk: set XDG_STATE_HOME to a folder that is no overlay",
        ),
        (
            machine.free_gibibytes < FREE_GIBIBYTES,
            f"{machine.free_gibibytes:.1f} GiB of disk are free; {FREE_GIBIBYTES} are needed",
        ),
    )
    return tuple(sentence for is_missing, sentence in checks if is_missing)
