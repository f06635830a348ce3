"""The cluster's configuration files as text, without touching the disk. JSON is YAML to Kubernetes."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from localcluster import places
from localcluster.places import NodePlaces

KUBECONFIG_HOLDERS = ("admin", "controller-manager", "scheduler", "kubelet", "proxy", "coredns")


def render(node: NodePlaces) -> Mapping[str, str]:
    """Answer the text of every file of the node's config folder that holds no key, by name."""
    return {
        "containerd.toml": containerd(node),
        "cni/10-pods.conflist": pod_network(node),
        "kubelet.json": as_json(kubelet(node)),
        "proxy.json": as_json(proxy(node)),
        "audit-policy.json": as_json(audit_policy()),
        "Corefile": corefile(node),
    }


def as_json(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=1) + "\n"


def containerd(node: NodePlaces) -> str:
    """Own folders and socket, our pause image, and network namespaces under our folder instead of /run/netns."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{node.containerd}/root"
state = "{node.containerd}/state"
[grpc]
  address = "{node.socket}"
[{cri}]
  sandbox_image = "{places.PAUSE_IMAGE}"
  # A machine without CAP_SYS_RESOURCE refuses lower scores than our own.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [{cri}.containerd]
    snapshotter = "overlayfs"
    [{cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [{cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{node.containerd}/state/runc"
  [{cri}.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{node.config}/cni"
[plugins."io.containerd.internal.v1.opt"]
  path = "{node.containerd}/opt"
"""


def pod_network(node: NodePlaces) -> str:
    """A bridge of our name; no ipMasq, whose rules outlive a kill: translation is one table of our own."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": places.POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(node.addresses),
    }
    bridge = {
        "type": "bridge",
        "bridge": places.POD_BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    return as_json({"cniVersion": "0.4.0", "name": places.POD_NETWORK, "plugins": [bridge]})


def kubelet(node: NodePlaces) -> Mapping[str, object]:
    """Kubelet of a machine that may have no systemd, control groups of version 1, and a full disk."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": places.API_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{node.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "readOnlyPort": 0,
        "tlsCertFile": f"{node.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{node.pki}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "clusterDNS": [places.DNS_SERVICE_ADDRESS],
        "clusterDomain": places.CLUSTER_DOMAIN,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{places.CGROUP}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "featureGates": {"KubeletInUserNamespace": True},
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "maxPods": 250,
        "makeIPTablesUtilChains": False,
        "podLogsDir": str(node.pod_logs),
        "volumePluginDir": f"{node.kubelet}/volume-plugins",
        "serializeImagePulls": False,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "eventRecordQPS": 0,
    }


def proxy(node: NodePlaces) -> Mapping[str, object]:
    """Service rules follow an EndpointSlice within 50 ms; conntrack's limits stay as the machine has them."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": places.POD_RANGE,
        "hostnameOverride": places.NODE_NAME,
        "clientConnection": {"kubeconfig": str(kubeconfig_path(node, "proxy")), "qps": 200, "burst": 400},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "oomScoreAdj": 0,
        "nftables": {"minSyncPeriod": "50ms", "syncPeriod": "30s"},
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def audit_policy() -> Mapping[str, object]:
    """Who asked for what, without bodies; not the heartbeats, which would drown the rest, but all of the operator's."""
    operator = {"level": "Metadata", "userGroups": ["system:serviceaccounts:modelrollout-system"]}
    silent = [
        {"level": "None", "resources": [{"group": group, "resources": ["events"]} for group in ("", "events.k8s.io")]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi/*"]},
    ]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [operator, *silent, {"level": "Metadata"}],
    }


def corefile(node: NodePlaces) -> str:
    """Service names without a cache, so that a new Service resolves at once; others as the machine resolves them."""
    return f"""{places.CLUSTER_DOMAIN}:{places.DNS_PORT} in-addr.arpa:{places.DNS_PORT} {{
    bind {places.API_ADDRESS}
    ready {places.API_ADDRESS}:{places.DNS_READY_PORT}
    errors
    kubernetes {places.CLUSTER_DOMAIN} {places.POD_RANGE} {places.SERVICE_RANGE} {{
        kubeconfig {kubeconfig_path(node, "coredns")}
        ttl 1
    }}
    forward . /etc/resolv.conf
}}
.:{places.DNS_PORT} {{
    bind {places.API_ADDRESS}
    errors
    cache 30
    forward . /etc/resolv.conf
}}
"""


def kubeconfig(node: NodePlaces, holder: str) -> str:
    """A kubeconfig that carries its keys, so that it may be copied elsewhere."""
    cluster = {
        "server": f"https://{places.API_ADDRESS}:{places.API_PORT}",
        "certificate-authority-data": _encoded(node.pki / "ca.crt"),
    }
    user = {
        "client-certificate-data": _encoded(node.pki / f"{holder}.crt"),
        "client-key-data": _encoded(node.pki / f"{holder}.key"),
    }
    name = places.CLUSTER_NAME
    return as_json(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": holder, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": holder}}],
        }
    )


def kubeconfig_path(node: NodePlaces, holder: str) -> Path:
    return node.config / f"{holder}.kubeconfig"


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def write_configs(node: NodePlaces) -> None:
    """Write all of them; files with keys are for the owner's eyes only."""
    for name, text in render(node).items():
        file = node.config / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for holder in KUBECONFIG_HOLDERS:
        file = kubeconfig_path(node, holder)
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(kubeconfig(node, holder))
