"""The files and command lines with which the self-built cluster runs."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from localcluster import configs, parts
from localcluster.certificates import API_NAMES, CERTIFICATES, make_certificates, remove_half_made
from localcluster.cluster_objects import bootstrap_objects
from localcluster.health import ready_since
from localcluster.places import NodePlaces, find_places
from localcluster.shell import run

NODE = NodePlaces(Path("/state/node"))
PROGRAMS = Path("/programs")


def test_every_part_is_known_by_the_name_of_its_program() -> None:
    made = {part.name: Path(part.argv[0]).name for part in parts.every_part(NODE, PROGRAMS, PROGRAMS)}
    assert made == {name: name for name in parts.every_name()}


def test_etcd_answers_those_alone_who_hold_a_certificate_of_its_own_authority() -> None:
    argv = parts.etcd(NODE).argv
    for side in ("", "peer-"):
        assert {f"--{side}client-cert-auth", f"--{side}trusted-ca-file=/state/node/pki/etcd-ca.crt"} <= set(argv)
    urls = [word for word in argv if "://" in word]
    assert len(urls) == 5
    assert all("=https://127.0.0.1:" in word.replace("default=", "") for word in urls)
    trusted = [certificate.name for certificate in CERTIFICATES if certificate.authority == "etcd-ca"]
    assert trusted == ["etcd", "etcd-client"]


def test_nothing_listens_beyond_this_machine() -> None:
    api = parts.apiserver(NODE, PROGRAMS).argv
    assert "--bind-address=10.99.0.1" in api
    assert configs.kubelet(NODE)["address"] == "10.99.0.1"
    others = (parts.controller_manager(NODE, PROGRAMS), parts.scheduler(NODE, PROGRAMS))
    assert all("--bind-address=127.0.0.1" in part.argv for part in others)


def test_folders_lie_outside_of_the_checkout_by_the_xdg_rules() -> None:
    where = find_places({"HOME": "/home/ada", "XDG_CACHE_HOME": "/big/cache"}, Path("/checkout"))
    assert where.state == Path("/home/ada/.local/state/modelrollout/cluster")
    assert where.cache == Path("/big/cache/modelrollout")


def test_containerd_keeps_everything_under_our_folder() -> None:
    text = configs.containerd(NODE)
    own = [
        line.split('"')[1]
        for line in text.splitlines()
        if line.strip().startswith(("root", "state", "address", "Root"))
    ]
    assert own == [f"/state/node/containerd/{name}" for name in ("root", "state", "containerd.sock", "state/runc")]
    assert "netns_mounts_under_state_dir = true" in text


def test_pods_get_addresses_on_a_bridge_of_our_name() -> None:
    plugin = json.loads(configs.pod_network(NODE))["plugins"][0]
    assert (plugin["bridge"], plugin["ipam"]["ranges"], plugin["ipam"]["dataDir"]) == (
        "mrcni0",
        [[{"subnet": "10.244.0.0/16"}]],
        "/state/node/addresses",
    )


def test_the_audit_log_holds_every_write_but_heartbeats_and_events() -> None:
    policy = json.loads(configs.render(NODE)["audit-policy.json"])
    *silent, last = policy["rules"]
    assert last == {"level": "Metadata"}
    kinds = [kind for rule in silent for entry in rule.get("resources", []) for kind in entry["resources"]]
    assert kinds == ["events", "events", "leases"]


def test_a_kubeconfig_carries_its_keys(tmp_path: Path) -> None:
    node = NodePlaces(tmp_path)
    node.pki.mkdir()
    for name in ("ca.crt", "admin.crt", "admin.key"):
        (node.pki / name).write_text(f"content of {name}")
    written = json.loads(configs.kubeconfig(node, "admin"))
    assert base64.b64decode(written["users"][0]["user"]["client-key-data"]) == b"content of admin.key"
    assert written["clusters"][0]["cluster"]["server"] == "https://10.99.0.1:6443"


def test_kubeconfigs_are_for_the_owners_eyes_only(tmp_path: Path) -> None:
    node = NodePlaces(tmp_path)
    node.pki.mkdir()
    for name in ("ca", *configs.KUBECONFIG_HOLDERS):
        for ending in ("crt", "key"):
            (node.pki / f"{name}.{ending}").touch()
    configs.write_configs(node)
    modes = {file.stat().st_mode & 0o777 for file in node.config.glob("*.kubeconfig")}
    assert modes == {0o600}


def test_every_holder_of_a_kubeconfig_has_a_certificate() -> None:
    assert set(configs.KUBECONFIG_HOLDERS) <= {certificate.name for certificate in CERTIFICATES}


def test_the_api_servers_certificate_names_every_address_it_is_called_by() -> None:
    assert {"IP:10.99.0.1", "IP:10.96.0.1", "DNS:kubernetes.default.svc"} <= set(API_NAMES)


def test_certificates_pass_the_strict_check_of_newer_pythons(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    make_certificates(pki)
    for authority in ("ca", "etcd-ca"):
        files = [pki / f"{certificate.name}.crt" for certificate in CERTIFICATES if certificate.authority == authority]
        told = run(["openssl", "verify", "-x509_strict", "-CAfile", pki / f"{authority}.crt", *files])
        assert told.splitlines() == [f"{file}: OK" for file in files]


def test_every_key_and_its_folder_are_for_the_owners_eyes_only(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    make_certificates(pki)
    assert pki.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in pki.glob("*.key")} == {0o600}


def test_what_an_earlier_version_lacked_is_made_and_the_rest_stays(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    make_certificates(pki)
    before = {file.name: file.read_bytes() for file in pki.glob("*.crt")}
    for ending in ("key", "crt"):
        (pki / f"etcd-ca.{ending}").unlink()
    for name in ("etcd", "etcd-client"):
        (pki / f"{name}.crt").unlink()
    (pki / "fresh-left-by-a-kill").mkdir()
    remove_half_made(pki)
    make_certificates(pki)

    after = {file.name: file.read_bytes() for file in pki.glob("*.crt")}
    assert set(after) == set(before)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"etcd-ca.crt", "etcd.crt", "etcd-client.crt"}
    assert not list(pki.glob("fresh-*"))


def test_dns_is_a_service_at_the_address_that_pods_are_given() -> None:
    items = {(item["kind"], item["metadata"]["name"]): item for item in json.loads(bootstrap_objects())["items"]}
    assert items["Service", "kube-dns"]["spec"]["clusterIP"] == "10.96.0.10"
    assert configs.kubelet(NODE)["clusterDNS"] == ["10.96.0.10"]
    assert items["EndpointSlice", "kube-dns"]["endpoints"][0]["addresses"] == ["10.99.0.1"]


@pytest.mark.parametrize(
    ("status", "heartbeat", "ready"),
    [
        ("True", "2026-01-01T12:00:00Z", True),
        ("True", "2026-01-01T11:59:59Z", False),
        ("Unknown", "2026-01-01T12:00:00Z", False),
    ],
    ids=["ready", "ready before the restart", "silent"],
)
def test_a_node_counts_as_ready_by_a_word_since_its_start(status: str, heartbeat: str, ready: bool) -> None:  # noqa: FBT001
    condition = {"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat}
    found: dict[str, object] = {"status": {"conditions": [condition]}}
    assert ready_since(found, datetime(2026, 1, 1, 12, tzinfo=UTC)) is ready
