"""Names, addresses and folders of the local cluster: this module alone invents them.

Everything the cluster makes carries one of these names, so that teardown can tell what is ours from what is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLUSTER_NAME = "modelrollout"
NODE_NAME = "modelrollout"
KUBERNETES_VERSION = "v1.36.3"

API_BRIDGE = "mrbr0"
API_ADDRESS = "10.99.0.1"
API_PORT = 6443
ETCD_ADDRESS = "127.0.0.1"
POD_BRIDGE = "mrcni0"
POD_NETWORK = "modelrollout-pods"
POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
FIRST_SERVICE_ADDRESS = "10.96.0.1"
DNS_SERVICE_ADDRESS = "10.96.0.10"
DNS_PORT = 10053
DNS_READY_PORT = 10054
CLUSTER_DOMAIN = "cluster.local"

ADDRESS_TRANSLATION_TABLE = "modelrollout"
CGROUP = "modelrollout"
PAUSE_IMAGE = "localhost/modelrollout-pause:1"


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie: `state` dies with the cluster, `cache` outlives it, `checkout` is only read."""

    state: Path
    cache: Path
    checkout: Path

    @property
    def build(self) -> Path:
        return self.checkout / "local-cluster" / "build"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def choice(self) -> Path:
        """Holds the name of the driver that brought the cluster up."""
        return self.state / "choice"

    @property
    def node(self) -> "NodePlaces":
        return NodePlaces(self.state / "node")


@dataclass(frozen=True, slots=True)
class NodePlaces:
    """Folders and files of the self-built cluster, all under one root."""

    root: Path

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.log"

    @property
    def pod_logs(self) -> Path:
        return self.logs / "pods"

    @property
    def kubeconfig(self) -> Path:
        return self.config / "admin.kubeconfig"

    @property
    def containerd(self) -> Path:
        return self.root / "containerd"

    @property
    def socket(self) -> Path:
        return self.containerd / "containerd.sock"

    @property
    def loaded(self) -> Path:
        """One file per image that was imported, holding its id; lies with the images so that both go together."""
        return self.containerd / "root" / "modelrollout-loaded"

    @property
    def kubelet(self) -> Path:
        return self.root / "kubelet"

    @property
    def etcd(self) -> Path:
        return self.root / "etcd"

    @property
    def addresses(self) -> Path:
        """What the CNI plugin host-local has given to pods."""
        return self.root / "addresses"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.json"


def find_places(environ: Mapping[str, str], checkout: Path) -> Places:
    """Folders by the XDG rules; never inside the checkout."""
    home = Path(environ.get("HOME") or Path.home())
    state = Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    return Places(state / CLUSTER_NAME / "cluster", cache / CLUSTER_NAME, checkout)
