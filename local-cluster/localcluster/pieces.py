"""One part of the running cluster, ended and started again: for tests of what lives on it.

Only the part's own process is ended, found by its mark; what it started, such as containerd's shims with the pods in
them, goes on. So a pod outlives the API server, etcd and the kubelet, as on any cluster.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from localcluster import health, parts
from localcluster.kubectl import Kubectl, find_kubectl
from localcluster.places import NodePlaces, Places
from localcluster.processes import Part, end_ours, find_ours, parts_running, start
from localcluster.programs import KUBERNETES, build_missing
from localcluster.saying import ClusterError
from localcluster.shell import wait_until

Builder = Callable[[NodePlaces, Path], Part]

BUILDERS: Mapping[str, Builder] = {
    "etcd": lambda node, _: parts.etcd(node),
    "kube-apiserver": parts.apiserver,
    "kube-controller-manager": parts.controller_manager,
    "kube-scheduler": parts.scheduler,
    "kubelet": parts.kubelet,
}
"""Parts that can be missed for a while. Without containerd, the network or DNS there is nothing left to test."""


def end(where: Places, name: str) -> None:
    """Kill one part and wait until it is gone; raises ClusterError where it does not run."""
    node = where.node
    _known(name)
    running = parts_running(find_ours(node.root))
    if name not in running:
        raise ClusterError(f"{name} does not run, so it cannot be ended; these do: {', '.join(sorted(running))}")
    if not end_ours(node.root, running[name], seconds=60):
        raise ClusterError(f"{name} was killed 60 s ago and still has threads; look what holds process {running[name]}")


def begin(where: Places, name: str, config: Path | None = None) -> None:
    """Start one part again, as `up` does or with another configuration file, and wait until it answers."""
    node = where.node
    _known(name)
    if name in parts_running(find_ours(node.root)):
        raise ClusterError(f"{name} runs already")
    part = BUILDERS[name](node, build_missing(where, KUBERNETES))
    start(part if config is None else configured(part, config), node.root, node.logs)
    wait_until(lambda: _answers(where, name), f"{name} answers again", seconds=90)


def configured(part: Part, config: Path) -> Part:
    """The part with another configuration file."""
    if not any(word.startswith("--config=") for word in part.argv):
        raise ClusterError(f"{part.name} has no configuration file that could be another one")
    return replace(
        part, argv=tuple(f"--config={config}" if word.startswith("--config=") else word for word in part.argv)
    )


def restart(where: Places, name: str) -> None:
    end(where, name)
    begin(where, name)


@contextmanager
def without(where: Places, name: str) -> Iterator[None]:
    """Run a block while one part is missing; it is there again afterwards, whatever the block did."""
    end(where, name)
    try:
        yield
    finally:
        begin(where, name)


@contextmanager
def evicting(where: Places, available: str) -> Iterator[None]:
    """Run a block while the kubelet evicts pods below so much free memory, for instance "100Gi": always."""
    node = where.node
    plain = json.loads((node.config / "kubelet.json").read_text())
    changed = node.config / "kubelet-evicting.json"
    end(where, "kubelet")
    try:
        changed.write_text(json.dumps(evicts_below(plain, available)))
        begin(where, "kubelet", changed)
        yield
    finally:
        if "kubelet" in parts_running(find_ours(node.root)):
            end(where, "kubelet")
        begin(where, "kubelet")
        changed.unlink(missing_ok=True)


def evicts_below(config: Mapping[str, object], available: str) -> dict[str, object]:
    """A kubelet's configuration with a threshold for memory that it acts on at once, and forgets quickly."""
    return {
        **config,
        "evictionHard": {"memory.available": available},
        "evictionPressureTransitionPeriod": "1s",
    }


def _known(name: str) -> None:
    if name not in BUILDERS:
        raise ClusterError(f"{name} is no part that can be missed; these are: {', '.join(BUILDERS)}")


def _answers(where: Places, name: str) -> bool:
    if name not in parts_running(find_ours(where.node.root)):
        return False
    checks: Mapping[str, Callable[[], bool]] = {
        "etcd": lambda: health.etcd_answers(where.node),
        "kube-apiserver": lambda: _api_is_ready(where),
        "kubelet": lambda: health.answers(health.KUBELET_HEALTH),
    }
    return checks.get(name, lambda: True)()


def _api_is_ready(where: Places) -> bool:
    kubectl = Kubectl(find_kubectl(where), where.node.kubeconfig)
    return kubectl.try_run("--request-timeout=5s", "get", "--raw=/readyz") is not None
