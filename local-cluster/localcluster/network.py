"""The cluster's network on this machine: guards, bridges, address translation, sysctls.

The guards come first and go last. Without them an address of a cluster that is not up would leave the machine by the
default route, and a test would knock on a stranger's door.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from localcluster import places
from localcluster.saying import ClusterError
from localcluster.shell import have, run, try_run

ADDRESS_TRANSLATION = f"""
table ip {places.ADDRESS_TRANSLATION_TABLE} {{}}
delete table ip {places.ADDRESS_TRANSLATION_TABLE}
table ip {places.ADDRESS_TRANSLATION_TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {places.POD_RANGE} ip daddr != {{ {places.POD_RANGE}, {places.API_ADDRESS} }} masquerade
  }}
}}
"""

SYSCTLS = Path("/proc/sys")
BRIDGE_FILTER = "br_netfilter"
MODULES = ("overlay", BRIDGE_FILTER)
BRIDGE_SYSCTLS = tuple(f"net.bridge.bridge-nf-call-{what}" for what in ("iptables", "ip6tables", "arptables"))
# What we set, and what kubelet and the bridge plugin set while they run. The first one goes first when they are put
# back, since the kernel answers it by setting the ones of `forwarding_sysctls`.
WANTED_SYSCTLS = {"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1"}
TOUCHED_SYSCTLS = (
    *WANTED_SYSCTLS,
    *BRIDGE_SYSCTLS,
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
)


CLUSTER_ADDRESSES = (places.SERVICE_RANGE, places.POD_RANGE, places.API_ADDRESS)
LAST_RESORT = ("metric", "4096")


def add_guards() -> None:
    """Give the API server's address a bridge and keep every cluster address on this machine.

    The unreachable ones hold where the kernel leaves out routes by a bridge without a cable.
    """
    if places.API_BRIDGE not in link_names():
        run(["ip", "link", "add", places.API_BRIDGE, "type", "bridge"])
    run(["ip", "address", "replace", f"{places.API_ADDRESS}/32", "dev", places.API_BRIDGE])
    run(["ip", "link", "set", places.API_BRIDGE, "up"])
    run(["ip", "route", "replace", places.SERVICE_RANGE, "dev", places.API_BRIDGE])
    for addresses in CLUSTER_ADDRESSES:
        run(["ip", "route", "replace", "unreachable", addresses, *LAST_RESORT])


def let_clients_wait() -> None:
    """Lead every cluster address into the empty bridge: a program that still wants one waits there and can be seen."""
    try_run(["ip", "address", "del", f"{places.API_ADDRESS}/32", "dev", places.API_BRIDGE])
    for addresses in CLUSTER_ADDRESSES:
        run(["ip", "route", "replace", "unreachable", addresses, *LAST_RESORT])
        run(["ip", "route", "replace", addresses, "dev", places.API_BRIDGE])


CLOSED_STATES = ("fin-wait-1", "fin-wait-2", "closing", "last-ack")


def forget_closed_connections() -> None:
    """Drop connections to the cluster that their programs have closed: the kernel would go on saying so for a minute.

    A kernel that cannot (INET_DIAG_DESTROY) goes on saying so, behind the guards.
    """
    for state in CLOSED_STATES:
        for addresses in CLUSTER_ADDRESSES:
            try_run(["ss", "--kill", "state", state, "dst", addresses])


HOLDING_TABLE = "modelrollout-hold"


@contextmanager
def holding_new_connections() -> Iterator[None]:
    """Run a block while no new connection from this machine gets to the cluster; its program tries again after 1 s."""
    run(["nft", "-f", "-"], stdin=HOLDING)
    try:
        yield
    finally:
        try_run(["nft", "delete", "table", "ip", HOLDING_TABLE])


HOLDING = f"""
table ip {HOLDING_TABLE} {{
  chain output {{
    type filter hook output priority raw; policy accept;
    ip daddr {{ {", ".join(CLUSTER_ADDRESSES)} }} tcp flags & (syn | ack) == syn drop
  }}
}}
"""


def remove_guards() -> None:
    for addresses in CLUSTER_ADDRESSES:
        try_run(["ip", "route", "del", "unreachable", addresses, *LAST_RESORT])
    try_run(["ip", "link", "del", places.API_BRIDGE])


def add_address_translation() -> None:
    """Let pods reach addresses outside of the cluster under the machine's own address."""
    run(["nft", "-f", "-"], stdin=ADDRESS_TRANSLATION)


def remove_pod_network() -> None:
    """Delete the pods' bridge and the host's ends of their cables."""
    links = read_links()
    for link in links:
        if link.get("master") == places.POD_BRIDGE:
            try_run(["ip", "link", "del", str(link["ifname"])])
    if places.POD_BRIDGE in {link["ifname"] for link in links}:
        try_run(["ip", "link", "del", places.POD_BRIDGE])
    for table in (places.ADDRESS_TRANSLATION_TABLE, HOLDING_TABLE):
        try_run(["nft", "delete", "table", "ip", table])


def remove_proxy_tables() -> None:
    for family in ("ip", "ip6"):
        try_run(["nft", "delete", "table", family, "kube-proxy"])


def read_links() -> list[dict[str, object]]:
    links: list[dict[str, object]] = json.loads(try_run(["ip", "-json", "link"]) or "[]")
    return links


def link_names() -> set[str]:
    return {str(link["ifname"]) for link in read_links()}


def read_routes() -> list[dict[str, object]]:
    routes: list[dict[str, object]] = json.loads(try_run(["ip", "-json", "route"]) or "[]")
    return routes


def read_tables() -> set[str]:
    """Names of the packet filter's tables, such as "ip kube-proxy"."""
    lines = (try_run(["nft", "list", "tables"]) or "").splitlines()
    return {line.removeprefix("table ").strip() for line in lines}


def load_modules() -> None:
    """Load what the kernel may hold as modules. Their sysctls appear with them, so note those before."""
    if have("modprobe"):
        for module in MODULES:
            try_run(["modprobe", module])
    if missing := [name for name in WANTED_SYSCTLS if not sysctl_file(name).exists()]:
        raise ClusterError(
            f"the kernel has no sysctl {', '.join(missing)}: load the module {BRIDGE_FILTER}, or run this outside of "
            "the container"
        )


def forwarding_sysctls() -> tuple[str, ...]:
    """What the kernel sets by itself when `net.ipv4.ip_forward` changes."""
    each = sorted(str(file.relative_to(SYSCTLS)) for file in (SYSCTLS / "net/ipv4/conf").glob("*/forwarding"))
    return (*(name for name in each if name != "net/ipv4/conf/all/forwarding"), "net.ipv4.conf.all.accept_redirects")


def read_sysctls(names: tuple[str, ...]) -> dict[str, str | None]:
    """Values of those names, None for one that this kernel does not have now."""
    files = {name: sysctl_file(name) for name in names}
    return {name: file.read_text().strip() if file.exists() else None for name, file in files.items()}


def write_sysctls(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if sysctl_file(name).exists() and sysctl_file(name).read_text().strip() != value:
            sysctl_file(name).write_text(value)


def restore_sysctls(former: Mapping[str, str | None]) -> None:
    """Write former values again; what came with a module goes with it, or is switched off where it stays loaded."""
    write_sysctls({name: value for name, value in former.items() if value is not None})
    came = [name for name, value in former.items() if value is None and sysctl_file(name).exists()]
    if came and have("modprobe"):
        try_run(["modprobe", "--remove", BRIDGE_FILTER])
    write_sysctls(dict.fromkeys((name for name in came if name in BRIDGE_SYSCTLS), "0"))


def sysctl_file(name: str) -> Path:
    """Its file; as in sysctl(8), a name that is parted by slashes keeps its dots."""
    return SYSCTLS / (name if "/" in name else name.replace(".", "/"))
