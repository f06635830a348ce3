"""The few objects that a fresh cluster needs: rights of kube-proxy and CoreDNS, and the Service behind which DNS is."""

import json

from localcluster import places

KUBE_SYSTEM = "kube-system"
DNS_NAME = "kube-dns"


def bootstrap_objects() -> str:
    """One List in JSON for `kubectl apply`."""
    items = [
        _binding("modelrollout:kube-proxy", "system:node-proxier", "system:kube-proxy"),
        _dns_role(),
        _binding("modelrollout:coredns", "modelrollout:coredns", "system:coredns"),
        _dns_service(),
        _dns_endpoints(),
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _binding(name: str, role: str, user: str) -> dict[str, object]:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }


def _dns_role() -> dict[str, object]:
    watched = [("", ["services", "namespaces", "pods"]), ("discovery.k8s.io", ["endpointslices"])]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "modelrollout:coredns"},
        "rules": [{"apiGroups": [group], "resources": kinds, "verbs": ["list", "watch"]} for group, kinds in watched],
    }


def _dns_service() -> dict[str, object]:
    """No selector: CoreDNS is a process of the node, so names resolve even while no pod can start."""
    ports = [
        {"name": name, "protocol": protocol, "port": 53, "targetPort": places.DNS_PORT}
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": DNS_NAME, "namespace": KUBE_SYSTEM},
        "spec": {"clusterIP": places.DNS_SERVICE_ADDRESS, "ports": ports},
    }


def _dns_endpoints() -> dict[str, object]:
    ports = [
        {"name": name, "protocol": protocol, "port": places.DNS_PORT}
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": DNS_NAME,
            "namespace": KUBE_SYSTEM,
            "labels": {
                "kubernetes.io/service-name": DNS_NAME,
                "endpointslice.kubernetes.io/managed-by": "modelrollout",
            },
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [places.API_ADDRESS], "conditions": {"ready": True}}],
        "ports": ports,
    }
