"""Who is connected to the cluster's addresses, by the kernel's tables: `down` asks before it cuts anybody off."""

import itertools
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from localcluster import network
from localcluster.clients import Client, Clock, clients_after, list_clients, outward, owned
from localcluster.sockets import TCP, UDP, Socket, describe_program, find_owners, parse_sockets, read_sockets

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
MAPPED = "0000000000000000FFFF0000"
"""::ffff: of an IPv4 address in a table of IPv6, in a machine's byte order."""

as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="a network of its own needs Linux and root"
)


NOWHERE = "00000000"


def hexed(address: str) -> str:
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}"


def rows(*places: tuple[str, int, str, int, str, int]) -> tuple[Socket, ...]:
    lines = [
        f"   {at}: {local}:{local_port:04X} {remote}:{remote_port:04X} {state} 00000000:00000000 00:00000000 00000000"
        f"     0        0 {inode} 1 0 100\n"
        for at, (local, local_port, remote, remote_port, state, inode) in enumerate(places)
    ]
    return parse_sockets(HEAD + "".join(lines))


STATES = {
    "established": ("01", True),
    "being opened": ("02", True),
    "closed by the program": ("04", True),
    "finished": ("06", False),
    "closed by the server": ("08", True),
    "last acknowledgement": ("09", True),
}


@pytest.mark.parametrize(("state", "counts"), STATES.values(), ids=STATES)
def test_a_connection_counts_in_every_state_in_which_something_can_still_be_sent(state: str, counts: bool) -> None:  # noqa: FBT001
    found = outward(rows((hexed("10.99.0.1"), 40000, hexed("10.96.0.10"), 80, state, 7)))
    assert [str(one.remote) for one in found] == (["10.96.0.10"] if counts else [])


ADDRESSES = {
    "10.96.0.1": True,
    "10.96.255.255": True,
    "10.97.0.0": False,
    "10.95.255.255": False,
    "10.244.0.7": True,
    "10.245.0.0": False,
    "10.99.0.1": True,
    "10.99.0.2": False,
    "127.0.0.1": False,
    "192.0.2.1": False,
}


@pytest.mark.parametrize(("address", "counts"), ADDRESSES.items(), ids=ADDRESSES)
@pytest.mark.parametrize("prefix", ["", MAPPED], ids=["IPv4", "IPv4 in IPv6"])
def test_the_clusters_addresses_are_told_from_all_others(address: str, counts: bool, prefix: str) -> None:  # noqa: FBT001
    local = prefix + hexed("192.0.2.2")
    found = outward(rows((local, 40000, prefix + hexed(address), 80, "01", 7)))
    assert bool(found) is counts


def test_a_server_to_which_a_pod_is_connected_is_no_client() -> None:
    listening = (NOWHERE, 5000, NOWHERE, 0, "0A", 1)
    of_a_pod = (hexed("10.99.0.1"), 5000, hexed("10.244.0.7"), 41000, "01", 2)
    assert outward(rows(listening, of_a_pod)) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's alone")
def test_the_kernels_own_tables_name_this_process() -> None:
    """Every row of the real tables is read, and the owner of a real connection is this very process."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as caller:
        port = caller.getsockname()[1]
        found = [one for one in read_sockets((*TCP, *UDP)) if one.local_port == port and one.state == "01"]
        owners = find_owners({one.inode for one in found})
        place = server.getsockname()
    assert [(str(one.remote), one.remote_port) for one in found] == [place]
    assert set(owners.values()) == {os.getpid()}


PROGRAMS = {
    "kubectl get pods": "kubectl",
    "/usr/bin/curl -H Authorization:secret": "curl",
    "/venv/bin/python3 -m modelrollout.traffic 10.96.0.1": "python3 -m modelrollout.traffic",
    "/venv/bin/python3.13 /venv/bin/modelrollout load": "modelrollout",
    "python3 -c secret=1": "python3",
    "python3": "python3",
    "": "",
}


@pytest.mark.parametrize(("argv", "called"), PROGRAMS.items(), ids=[name or "nothing" for name in PROGRAMS.values()])
def test_a_program_is_called_by_its_name_and_no_argument_of_it_is_told(argv: str, called: str) -> None:
    assert describe_program(argv.replace(" ", "\0").encode() + b"\0") == called


def test_one_line_for_each_program_and_address() -> None:
    found = Counter({Client("kubectl (process 8)", "10.99.0.1:6443"): 1, Client("wrk (process 9)", "10.96.0.7:80"): 20})
    assert list_clients(found) == (
        "  - kubectl (process 8) to 10.99.0.1:6443\n  - wrk (process 9) to 10.96.0.7:80, 20 connections"
    )
    many = Counter(Client("wrk (process 9)", f"10.96.0.{number}:80") for number in range(30))
    assert list_clients(many).splitlines()[-1] == "  - and 10 more"


ONE = Counter({Client("wrk (process 9)", "10.96.0.7:80"): 1})
CLOSED = Counter({Client("a connection that its program has closed", "10.96.0.7:80", owned=False): 1})
NOBODY: Counter[Client] = Counter()


@pytest.mark.parametrize(
    ("looks", "found"),
    [
        ([NOBODY] * 100, NOBODY),
        ([ONE] * 100, ONE),
        ([ONE] * 5 + [NOBODY] * 100, NOBODY),
        ([ONE, NOBODY, NOBODY] * 40, ONE),
    ],
    ids=["nobody", "one that stays", "one that ends", "one that connects anew for each request"],
)
def test_who_is_connected_is_seen_over_many_looks(looks: list[Counter[Client]], found: Counter[Client]) -> None:
    ticks, seen = itertools.count(0.0, 0.1), iter(looks)
    clock = Clock(lambda: next(ticks), lambda _: None)
    assert clients_after(lambda: next(seen), patience=5, quiet=1, clock=clock) == found


def test_what_a_program_has_closed_is_not_held_against_it() -> None:
    assert owned(ONE + CLOSED) == ONE


IN_A_NETWORK_OF_ITS_OWN = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from localcluster import network
from localcluster.ledger import Ledger, read_ledger, write_ledger
from localcluster.shell import run

run(["ip", "link", "add", "dev.5", "type", "bridge"])
started = {name: int(value) for name, value in json.loads(sys.argv[2]).items()}
for name, value in started.items():
    network.sysctl_file(name).write_text(str(value))
names = (*network.TOUCHED_SYSCTLS, *network.forwarding_sysctls())
every = lambda: {name: value for name, value in network.read_sysctls(names).items()}
before = every()
ledger = Path(sys.argv[3])
write_ledger(ledger, Ledger("boot").with_sysctls(before))
network.write_sysctls(network.WANTED_SYSCTLS)
write_ledger(ledger, read_ledger(ledger, "boot").with_sysctls(every()))  # a second `up` after a kill
while_up = every()
network.restore_sysctls(read_ledger(ledger, "boot").sysctls)
print(json.dumps([before, while_up, every()]))
"""

FORWARDING = "net.ipv4.ip_forward"
REDIRECTS = "net.ipv4.conf.all.accept_redirects"
ONE_LINK = "net/ipv4/conf/dev.5/forwarding"


@as_root
@pytest.mark.parametrize("forwards", [0, 1])
@pytest.mark.parametrize("redirects", [0, 1])
@pytest.mark.parametrize("link", [0, 1])
def test_what_the_kernel_sets_by_itself_is_put_back_too(
    forwards: int, redirects: int, link: int, tmp_path: Path
) -> None:
    """A change of ip_forward changes the redirects and every interface: a hardened machine must stay so."""
    started = {FORWARDING: forwards, REDIRECTS: redirects, ONE_LINK: link}
    folder = Path(network.__file__).parents[1]
    words = (str(folder), json.dumps(started), str(tmp_path / "ledger.json"))
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", IN_A_NETWORK_OF_ITS_OWN, *words],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    before, while_up, after = json.loads(done.stdout)

    assert {name: int(before[name]) for name in started} == started
    assert while_up[FORWARDING] == "1"
    assert after == before


def test_what_came_with_a_module_is_noted_as_missing_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module's setting appears with it and is on; without the module, off is what is nearest to no module."""
    monkeypatch.setattr(network, "SYSCTLS", tmp_path)
    (tmp_path / "vm").mkdir()
    (tmp_path / "vm/overcommit_memory").write_text("0")
    names = ("net.bridge.bridge-nf-call-iptables", "vm.overcommit_memory", "net.bridge.bridge-nf-call-arptables")
    former = network.read_sysctls(names)
    (tmp_path / "net/bridge").mkdir(parents=True)
    for name in ("bridge-nf-call-iptables", "bridge-nf-call-arptables"):
        (tmp_path / "net/bridge" / name).write_text("1")
    (tmp_path / "vm/overcommit_memory").write_text("1")
    monkeypatch.setattr(network, "have", lambda _: False)
    network.restore_sysctls(former)

    assert former == {names[0]: None, names[1]: "0", names[2]: None}
    assert network.read_sysctls(names) == {names[0]: "0", names[1]: "0", names[2]: "0"}


GUARDED = """
import socket, subprocess, sys
sys.path.insert(0, sys.argv[1])
from localcluster import network
from localcluster.shell import run

def way(address):
    done = subprocess.run(["ip", "route", "get", address], capture_output=True, text=True)
    return done.stdout.split("\\n")[0] or done.stderr.split("\\n")[0]

run(["ip", "link", "set", "lo", "up"])
run(["ip", "link", "add", "out", "type", "bridge"])
run(["ip", "address", "add", "192.0.2.2/24", "dev", "out"])
run(["ip", "link", "set", "out", "up"])
run(["ip", "route", "add", "default", "via", "192.0.2.1", "dev", "out", "onlink"])
run(["ip", "route", "add", "unreachable", "10.244.0.0/16", "metric", "4096"])  # as an earlier version left it
places = ("10.96.0.10", "10.244.0.7", "10.99.0.1", "10.96.255.254")
network.add_guards(); print([way(one) for one in places])
network.sysctl_file("net.ipv4.conf.all.ignore_routes_with_linkdown").write_text("1")
network.sysctl_file("net.ipv4.conf.mrbr0.ignore_routes_with_linkdown").write_text("1")
print([way(one) for one in places])
network.sysctl_file("net.ipv4.conf.all.ignore_routes_with_linkdown").write_text("0")
network.sysctl_file("net.ipv4.conf.mrbr0.ignore_routes_with_linkdown").write_text("0")
network.let_clients_wait(); print([way(one) for one in places])
network.let_clients_wait(); network.remove_guards(); print([way(one) for one in places])
print(subprocess.run(["ip", "-br", "route"], capture_output=True, text=True).stdout.count("unreachable"))
"""


@as_root
def test_no_address_of_the_cluster_leaves_by_the_default_route_before_the_guards_are_taken_away() -> None:
    folder = Path(network.__file__).parents[1]
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", GUARDED, str(folder)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    guarded, without_carrier, waiting, gone, left = done.stdout.splitlines()

    for ways in (guarded, without_carrier, waiting):
        assert "dev out" not in ways
    assert guarded.count("dev mrbr0") == 2
    assert waiting.count("dev mrbr0") == 4
    assert gone.count("dev out") == 4
    assert left == "0"


THREE_CONNECTIONS = """
import socket, subprocess, sys
sys.path.insert(0, sys.argv[1])
from localcluster import network
from localcluster.shell import run
from localcluster.sockets import TCP, read_sockets

run(["ip", "link", "set", "lo", "up"])
run(["ip", "address", "add", "10.96.0.10/32", "dev", "lo"])
run(["ip", "address", "add", "192.0.2.2/32", "dev", "lo"])
server = socket.create_server(("10.96.0.10", 80))
other = socket.create_server(("192.0.2.2", 80))
closed, used = (socket.create_connection(("10.96.0.10", 80)) for _ in range(2))
elsewhere = socket.create_connection(("192.0.2.2", 80))
held = [server.accept(), server.accept(), other.accept()]
places = [one.getsockname()[1] for one in (closed, used, elsewhere)]
closed.close(); elsewhere.close()
left = lambda: [places.index(one.local_port) for one in read_sockets(TCP) if one.local_port in places]
print(sorted(left()))
network.forget_closed_connections()
print(sorted(left()))
"""


@as_root
def test_a_connection_to_the_cluster_that_was_closed_is_forgotten_and_no_other() -> None:
    folder = Path(network.__file__).parents[1]
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", THREE_CONNECTIONS, str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    before, after = done.stdout.splitlines()

    assert (before, after) == ("[0, 1, 2]", "[1, 2]")
