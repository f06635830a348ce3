"""How each program of the self-built cluster is called, in the order in which they start."""

from pathlib import Path

from localcluster import places
from localcluster.certificates import ETCD_AUTHORITY
from localcluster.configs import kubeconfig_path
from localcluster.places import NodePlaces
from localcluster.processes import Part

ETCD_URL = f"https://{places.ETCD_ADDRESS}:2379"
ETCD_PEER_URL = f"https://{places.ETCD_ADDRESS}:2380"
QPS = ("--kube-api-qps=500", "--kube-api-burst=1000")


def etcd(node: NodePlaces) -> Part:
    """A development cluster's data need not survive a power cut, so nothing waits for the disk.

    Every user of the machine can connect to it, so both of its ports answer those alone who hold a certificate.
    """
    pki = node.pki
    return Part(
        "etcd",
        (
            "etcd",
            f"--data-dir={node.etcd}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={ETCD_URL}",
            f"--advertise-client-urls={ETCD_URL}",
            f"--listen-peer-urls={ETCD_PEER_URL}",
            f"--initial-advertise-peer-urls={ETCD_PEER_URL}",
            f"--initial-cluster=default={ETCD_PEER_URL}",
            *_tls(pki, ""),
            *_tls(pki, "peer-"),
            "--logger=zap",
            "--log-level=warn",
        ),
    )


def _tls(pki: Path, side: str) -> tuple[str, ...]:
    """Etcd's options for one of its ports: its own certificate, and the authority that clients' have to come from."""
    return (
        f"--{side}cert-file={pki}/etcd.crt",
        f"--{side}key-file={pki}/etcd.key",
        f"--{side}trusted-ca-file={pki}/{ETCD_AUTHORITY}.crt",
        f"--{side}client-cert-auth",
    )


def containerd(node: NodePlaces) -> Part:
    return Part("containerd", ("containerd", f"--config={node.config}/containerd.toml"))


def apiserver(node: NodePlaces, programs: Path) -> Part:
    pki = node.pki
    return Part(
        "kube-apiserver",
        (
            f"{programs}/kube-apiserver",
            f"--etcd-servers={ETCD_URL}",
            f"--etcd-cafile={pki}/{ETCD_AUTHORITY}.crt",
            f"--etcd-certfile={pki}/etcd-client.crt",
            f"--etcd-keyfile={pki}/etcd-client.key",
            "--anonymous-auth=false",
            f"--bind-address={places.API_ADDRESS}",
            f"--advertise-address={places.API_ADDRESS}",
            f"--secure-port={places.API_PORT}",
            f"--service-cluster-ip-range={places.SERVICE_RANGE}",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki}/service-accounts.pub",
            f"--service-account-signing-key-file={pki}/service-accounts.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--audit-policy-file={node.config}/audit-policy.json",
            f"--audit-log-path={node.audit_log}",
            "--audit-log-maxsize=2000",
            "--audit-log-maxbackup=1",
        ),
    )


def controller_manager(node: NodePlaces, programs: Path) -> Part:
    pki, kubeconfig = node.pki, kubeconfig_path(node, "controller-manager")
    return Part(
        "kube-controller-manager",
        (
            f"{programs}/kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--service-account-private-key-file={pki}/service-accounts.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            f"--flex-volume-plugin-dir={node.kubelet}/volume-plugins",
            *QPS,
        ),
    )


def scheduler(node: NodePlaces, programs: Path) -> Part:
    kubeconfig = kubeconfig_path(node, "scheduler")
    return Part(
        "kube-scheduler",
        (
            f"{programs}/kube-scheduler",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            *QPS,
        ),
    )


def kubelet(node: NodePlaces, programs: Path) -> Part:
    return Part(
        "kubelet",
        (
            f"{programs}/kubelet",
            f"--config={node.config}/kubelet.json",
            f"--kubeconfig={kubeconfig_path(node, 'kubelet')}",
            f"--hostname-override={places.NODE_NAME}",
            f"--node-ip={places.API_ADDRESS}",
            f"--root-dir={node.kubelet}",
            f"--cert-dir={node.kubelet}/pki",
        ),
    )


def proxy(node: NodePlaces, programs: Path) -> Part:
    return Part("kube-proxy", (f"{programs}/kube-proxy", f"--config={node.config}/proxy.json"))


def coredns(node: NodePlaces, programs: Path) -> Part:
    return Part("coredns", (f"{programs}/coredns", f"-conf={node.config}/Corefile"))


def every_part(node: NodePlaces, programs: Path, around: Path) -> tuple[Part, ...]:
    with_programs = (apiserver, controller_manager, scheduler, kubelet, proxy)
    return (etcd(node), containerd(node), *(make(node, programs) for make in with_programs), coredns(node, around))


def every_name() -> tuple[str, ...]:
    return (
        "etcd",
        "containerd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "coredns",
    )
