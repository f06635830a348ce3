"""The cluster's network on this machine: guards, bridges, address translation, sysctls.

The guards come first and go last. Without them an address of a cluster that is not up would leave the machine by the
default route, and a test would knock on a stranger's door.
"""

import json
from pathlib import Path

from localcluster import places
from localcluster.shell import run, try_run

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

# What we set, and what kubelet and the bridge plugin set while they run.
WANTED_SYSCTLS = {"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1"}
TOUCHED_SYSCTLS = (
    *WANTED_SYSCTLS,
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
)


def add_guards() -> None:
    """Give the API server's address a bridge and keep every cluster address on this machine."""
    if places.API_BRIDGE not in link_names():
        run(["ip", "link", "add", places.API_BRIDGE, "type", "bridge"])
    run(["ip", "address", "replace", f"{places.API_ADDRESS}/32", "dev", places.API_BRIDGE])
    run(["ip", "link", "set", places.API_BRIDGE, "up"])
    run(["ip", "route", "replace", places.SERVICE_RANGE, "dev", places.API_BRIDGE])
    run(["ip", "route", "replace", "unreachable", places.POD_RANGE, "metric", "4096"])


def remove_guards() -> None:
    try_run(["ip", "route", "del", "unreachable", places.POD_RANGE, "metric", "4096"])
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
    try_run(["nft", "delete", "table", "ip", places.ADDRESS_TRANSLATION_TABLE])


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


def read_sysctls(names: tuple[str, ...]) -> dict[str, str]:
    """Values of those names that this kernel has."""
    files = {name: sysctl_file(name) for name in names}
    return {name: file.read_text().strip() for name, file in files.items() if file.exists()}


def write_sysctls(values: dict[str, str]) -> None:
    for name, value in values.items():
        if sysctl_file(name).read_text().strip() != value:
            sysctl_file(name).write_text(value)


def sysctl_file(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")
