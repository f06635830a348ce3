"""Whether the self-built cluster works: its parts run and answer, and its node takes pods."""

import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from localcluster import places
from localcluster.certificates import etcd_client
from localcluster.kubectl import Kubectl
from localcluster.parts import ETCD_URL, every_name
from localcluster.places import NodePlaces
from localcluster.processes import find_ours, parts_running

KUBELET_HEALTH = "http://127.0.0.1:10248/healthz"
PROXY_HEALTH = "http://127.0.0.1:10256/healthz"
DNS_HEALTH = f"http://{places.API_ADDRESS}:{places.DNS_READY_PORT}/ready"


@dataclass(frozen=True, slots=True)
class Health:
    """The parts that run, by name with pid, and whether the node was ready when asked."""

    parts: Mapping[str, int]
    is_node_ready: bool

    @property
    def missing_parts(self) -> tuple[str, ...]:
        return tuple(name for name in every_name() if name not in self.parts)

    @property
    def is_up(self) -> bool:
        return not self.missing_parts and self.is_node_ready


def examine(node: NodePlaces, kubectl: Kubectl) -> Health:
    """Look at the processes first, so that a cluster that is down is told in milliseconds."""
    parts = parts_running(find_ours(node.root))
    if any(name not in parts for name in every_name()):
        return Health(parts, False)
    return Health(parts, is_node_ready(kubectl, datetime.fromtimestamp(0, UTC)))


def is_node_ready(kubectl: Kubectl, since: datetime) -> bool:
    """Whether kubelet has called the node ready since then; an older word may be from before a restart."""
    found = kubectl.get("node", places.NODE_NAME)
    return found is not None and ready_since(found, since)


def ready_since(found: dict[str, object], since: datetime) -> bool:
    status = found["status"]
    conditions = status.get("conditions", []) if isinstance(status, dict) else []
    return any(
        condition["type"] == "Ready"
        and condition["status"] == "True"
        and datetime.fromisoformat(condition["lastHeartbeatTime"]) >= since
        for condition in conditions
    )


def answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    """Whether a GET of the URL answers 2xx within a second."""
    try:
        with urllib.request.urlopen(url, timeout=1, context=context):
            return True
    except OSError:
        return False


def etcd_answers(node: NodePlaces) -> bool:
    return answers(f"{ETCD_URL}/health", etcd_client(node.pki))
