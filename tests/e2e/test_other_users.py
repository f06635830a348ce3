"""Another user of the machine can neither read nor change the self-built cluster.

Nothing is listed here by hand: every TCP socket on which one of the cluster's processes listens, every unix socket and
every file that `up` has made is tried as `nobody`. Only what is named below may be seen.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from localcluster import places
from localcluster.certificates import etcd_client
from localcluster.choice import Driver
from localcluster.parts import ETCD_URL
from localcluster.places import NodePlaces, Places
from localcluster.processes import find_ours, parts_running
from localcluster.sockets import LISTENING, TCP, find_owners, read_sockets
from localcluster.teardown import SHARED_FOLDERS
from stage.kube import Cluster
from stage.programs import Programs

pytestmark = [pytest.mark.cluster]

GETS = (
    *("/", "/healthz", "/livez", "/readyz", "/ready", "/health", "/version", "/metrics", "/configz", "/statusz"),
    *("/flagz", "/debug/pprof/", "/debug/flags/v", "/proxyMode", "/pods", "/runningpods/", "/stats/summary", "/logs/"),
    *("/api/v1/secrets", "/api", "/apis", "/openapi/v2", "/.well-known/openid-configuration", "/v2/keys", "/members"),
    *("/v3/kv/range", "/raft", "/exec/default/x/x", "/containerLogs/default/x/x"),
)
KEY = base64.b64encode(b"/written-by-nobody").decode()
ALL_KEYS = json.dumps({"key": "AA==", "range_end": "AA==", "limit": 1})
POSTS = (
    f"/v3/kv/range {ALL_KEYS}",
    f"/v3/kv/put {json.dumps({'key': KEY, 'value': KEY})}",
    "/v3/maintenance/status {}",
    '/v3/cluster/member/list {"linearizable": false}',
    "/raft x",
    '/api/v1/namespaces/default/configmaps {"metadata": {"name": "written-by-nobody"}}',
    "/run/default/x/x cmd=id",
    "/debug/flags/v 9",
)
MAY_BE_SEEN = {
    10248: {"/healthz"},  # kubelet's, where nothing else is
    10249: {"/healthz", "/metrics", "/configz", "/proxyMode", "/statusz", "/flagz"},  # kube-proxy's: rules, no objects
    10256: {"/healthz", "/livez"},
    10257: {"/healthz", "/livez", "/readyz"},
    10259: {"/healthz", "/livez", "/readyz"},
    places.DNS_READY_PORT: {"/ready"},
}
"""Health pages, which name no object and change nothing."""


@pytest.fixture
def where(prepared: Programs) -> Places:
    if prepared.places.choice.read_text().strip() != Driver.SELF_BUILT:
        pytest.skip("the cluster of somebody else's is theirs to close")
    return prepared.places


def as_nobody(**asked: Sequence[str]) -> dict[str, Any]:
    script = Path(__file__).with_name("as_nobody.py")
    given = json.dumps({"urls": [], "sockets": [], "files": [], **{kind: list(which) for kind, which in asked.items()}})
    done = subprocess.run(
        [sys.executable, str(script)], input=given, capture_output=True, text=True, check=True, timeout=300
    )
    answers: dict[str, Any] = json.loads(done.stdout)
    assert answers["uid"] != 0
    return answers


def listeners(node: NodePlaces) -> set[tuple[str, int]]:
    """Every address and port on which a process of the cluster's own listens."""
    listening = [one for one in read_sockets(TCP) if one.state == LISTENING]
    owners = find_owners({one.inode for one in listening})
    ours = {process.pid for process in find_ours(node.root)}
    return {
        (str(one.local) if str(one.local) not in {"0.0.0.0", "::"} else places.API_ADDRESS, one.local_port)  # noqa: S104
        for one in listening
        if owners.get(one.inode) in ours
    }


async def test_no_port_of_the_cluster_tells_or_does_anything_for_another_user(where: Places) -> None:
    found = listeners(where.node)
    assert {2379, 2380, 6443, 10248, 10249, 10250, 10256, 10257, 10259} <= {port for _, port in found}
    ports = [f"{scheme}://{host}:{port}" for host, port in sorted(found) for scheme in ("http", "https")]
    answers = await asked(f"{port}/" for port in ports)
    talks = [port for port in ports if not answers[f"{port}/"].startswith("no answer")]
    answers |= await asked(f"{port}{path}" for port in talks for path in (*GETS[1:], *POSTS))
    print(f"{len(answers)} requests to {len(found)} ports")  # noqa: T201

    let_in = {url: answer for url, answer in answers.items() if answer.startswith("2")}
    assert {url: answer for url, answer in let_in.items() if not may_be_seen(url)} == {}
    assert {port_in(url) for url in let_in} >= {10248, 10256, places.DNS_READY_PORT}, "what is open was not reached"


async def asked(urls: Iterable[str]) -> dict[str, str]:
    """What each ended in: a port that does not even talk to `nobody` takes 3 s to say so."""
    answers: dict[str, str] = (await asyncio.to_thread(as_nobody, urls=list(urls)))["urls"]
    return answers


def port_in(url: str) -> int:
    return int(url.split("/")[2].rpartition(":")[2])


def may_be_seen(url: str) -> bool:
    """A POST keeps its body in its path, and so is none of them."""
    return "/" + url.split("/", 3)[3] in MAY_BE_SEEN.get(port_in(url), ())


async def test_etcd_gives_a_secret_to_who_holds_its_certificate_and_to_no_other(
    where: Places, cluster: Cluster, namespace: str
) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "word"}, "stringData": {"word": "for few"}}
    await cluster.apply(secret, namespace)
    key = base64.b64encode(f"/registry/secrets/{namespace}/word".encode()).decode()
    asked = f"{ETCD_URL}/v3/kv/range {json.dumps({'key': key})}"
    answer = (await asyncio.to_thread(as_nobody, urls=[asked]))["urls"][asked]
    address, _, question = asked.partition(" ")
    with urllib.request.urlopen(address, question.encode(), context=etcd_client(where.node.pki)) as held:  # noqa: S310, ASYNC210
        value = json.load(held)["kvs"][0]["value"]

    assert b"for few" in base64.b64decode(value)
    assert answer.startswith("no answer"), answer


def unix_sockets(pids: set[int]) -> set[str]:
    """Every unix socket on which one of the processes listens; "@" begins the name of an abstract one."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    listening = {row[6]: row[7] for row in rows if len(row) > 7 and row[3] == "00010000"}
    owners = find_owners(set(listening))
    return {path for inode, path in listening.items() if owners.get(inode) in pids}


def test_no_unix_socket_of_the_cluster_takes_another_users_connection(where: Places) -> None:
    found = unix_sockets({process.pid for process in find_ours(where.node.root)})
    assert str(where.node.socket) in found
    answers = as_nobody(sockets=sorted(found))["sockets"]
    print(f"{len(found)} unix sockets")  # noqa: T201

    assert {path: answer for path, answer in answers.items() if answer == "open"} == {}


def files_of(where: Places) -> Iterator[Path]:
    """Every file that the cluster keeps but the insides of images, which are as public as the images."""
    images = where.node.containerd / "root"
    for top in (where.state, *SHARED_FOLDERS):
        for folder, below, names in os.walk(top):
            below[:] = [name for name in below if Path(folder, name) != images and name != "rootfs"]
            yield from (Path(folder, name) for name in names)


def test_no_file_of_the_cluster_can_be_read_or_written_by_another_user(where: Places) -> None:
    found = sorted({str(file) for file in files_of(where)})
    wanted = [where.node.kubeconfig, where.node.audit_log, where.node.ledger, where.node.pki / "ca.key"]
    assert {str(file) for file in wanted} <= set(found)
    answers = as_nobody(files=found)["files"]
    print(f"{len(found)} files")  # noqa: T201

    assert {path: answer for path, answer in answers.items() if answer != "no"} == {}
    assert where.state.stat().st_mode & 0o077 == 0
    assert where.node.root.stat().st_mode & 0o077 == 0
    keys = [file for file in found if file.endswith((".key", ".kubeconfig"))]
    assert {Path(file).stat().st_mode & 0o077 for file in keys} == {0}


def test_no_command_line_of_the_cluster_holds_a_secret(where: Places) -> None:
    """Command lines are everybody's to read: they name files, and no key or token."""
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in parts_running(find_ours(where.node.root)).values()]
    assert lines
    assert [line for line in lines if b"BEGIN" in line or b"token=" in line or b"password" in line] == []
