"""Deployments become pods, pods load, serve and crash, and endpoints follow: the simulation's cluster behind the API.

Everything the cluster needs it reads from the API server's objects, and everything that it does shows there, as the
control plane and the kubelet write it.
"""

import json
from datetime import datetime, timedelta
from typing import Any

from faults.apiserver import ApiServer
from faults.etcd import Object

from modelrollout import names
from modelrollout.builders import deployment as deployments
from modelrollout.core.facts import PodTrouble, RevisionSource
from modelrollout.kube.resources import DEPLOYMENTS, PODS, SERVICES
from modelrollout.simulation.cluster import Cluster, Deployment
from modelrollout.simulation.pods import EDGES_MS, GRACE, Pod, State

NODES = ("node-1", "node-2")
NOT_READY_SECONDS = 5
"""From a node's silence until its pods are given up."""
EXIT = {PodTrouble.OOM_KILLED: ("OOMKilled", 137), PodTrouble.KILLED_BY_LIVENESS: ("Error", 137)}


class Kubelet:
    """Everything that a cluster does for one rollout."""

    def __init__(self, server: ApiServer, cluster: Cluster, begin: datetime) -> None:
        self.cluster = cluster
        self._server = server
        self._begin = begin
        self._nodes: dict[str, str] = {}
        """Node of each pod, by uid."""
        self.lost: dict[str, int] = {}
        """Nodes that do not answer, and since when."""
        self._shown: dict[str, Object] = {}
        self._turned: dict[str, tuple[bool, int]] = {}

    def step(self) -> None:
        """One second of everybody's work but the operator's."""
        self._read()
        self.cluster.step()
        self._give_up()
        self._show()

    def lose(self, node: str) -> None:
        """A node falls silent, with the pods on it; a few seconds later it counts as not ready, and they as lost."""
        self.lost[node] = self.cluster.now
        self.cluster.lost = True
        for pod in self._on(node):
            pod.state, pod.since = State.HANGING, self.cluster.now

    def find(self, node: str) -> None:
        """The node is back, empty."""
        self.lost.pop(node, None)

    def health(self, name: str) -> bytes | None:
        """What a pod's health port answers; None where it does not."""
        pod = next((pod for pod in self.cluster.pods if pod.name == name), None)
        if pod is None or not pod.answers or pod.version in self.cluster.blind:
            return None
        counted = pod.counters
        return json.dumps(
            {
                "instance": f"{pod.uid}:{pod.restarts}",
                "pod_uid": self._uid(pod),
                "counters": {
                    "requests": counted.requests,
                    "errors": counted.errors,
                    "refusals": counted.refusals,
                    "latency": {"edges_ms": EDGES_MS, "counts": counted.latency},
                },
            }
        ).encode()

    def _read(self) -> None:
        self.cluster.deployments = dict(self._deployments())
        self.cluster.service = self._selector(names.service(self.cluster.rollout))
        self.cluster.preview = self._selector(names.preview_service(self.cluster.rollout))
        for pod in self.cluster.pods:
            self._read_pod(pod)

    def _deployments(self) -> list[tuple[str, Deployment]]:
        prefix = f"{self.cluster.rollout}-"
        found = [obj for obj in self._server.etcd.all(DEPLOYMENTS.plural) if obj["metadata"]["name"].startswith(prefix)]
        return [(obj["spec"]["selector"]["matchLabels"][names.REVISION_LABEL], _deployment(obj)) for obj in found]

    def _selector(self, name: str) -> names.Labels | None:
        found = self._server.find(SERVICES, name)
        return dict(found["spec"]["selector"]) if found is not None else None

    def _read_pod(self, pod: Pod) -> None:
        found = self._server.find(PODS, pod.name)
        if pod.name not in self._shown:
            return
        if found is None:
            pod.ends = self.cluster.now
            return
        pod.labels = dict(found["metadata"]["labels"])
        if "deletionTimestamp" in found["metadata"] and not pod.ending:
            pod.ends = self.cluster.now + GRACE

    def _give_up(self) -> None:
        for node, since in self.lost.items():
            if self.cluster.now - since >= NOT_READY_SECONDS:
                for pod in self._on(node):
                    pod.ends = self.cluster.now + GRACE if pod.ends is None else pod.ends

    def _on(self, node: str) -> list[Pod]:
        return [pod for pod in self.cluster.pods if self._nodes.get(pod.uid) == node]

    def _place(self, pod: Pod) -> str:
        if pod.state is not State.UNSCHEDULED and pod.uid not in self._nodes:
            free = [node for node in NODES if node not in self.lost]
            self._nodes[pod.uid] = free[int(pod.uid) % len(free)]
        return self._nodes.get(pod.uid, "")

    def _show(self) -> None:
        for name in self._shown.keys() - {pod.name for pod in self.cluster.pods}:
            del self._shown[name]
            if self._server.find(PODS, name) is not None:
                self._server.finish(PODS, name, "kubelet")
        for pod in self.cluster.pods:
            self._show_pod(pod)
        for obj in list(self._server.etcd.all(DEPLOYMENTS.plural)):
            self._show_deployment(obj)

    def _show_pod(self, pod: Pod) -> None:
        status, known = self._status(pod), self._server.find(PODS, pod.name)
        if known is None and pod.name in self._shown:
            return
        if known is None:
            self._create(pod, status)
        elif known["status"] != status:
            placed = known["spec"] | {"nodeName": self._nodes.get(pod.uid, "")}
            self._server.update(PODS, known | {"spec": placed}, "kubelet")
            self._server.update_status(PODS, self._server.get(PODS, pod.name) | {"status": status}, "kubelet")
        if pod.ending and known is not None:
            self._server.delete(PODS, pod.name, "kubelet")
        self._shown[pod.name] = status

    def _create(self, pod: Pod, status: Object) -> None:
        owner = self._server.find(DEPLOYMENTS, names.deployment(self.cluster.rollout, pod.revision))
        if owner is not None:
            pod.labels = dict(owner["spec"]["template"]["metadata"]["labels"])
        meta = {"name": pod.name, "labels": pod.labels, "uid": self._uid(pod)}
        self._server.create(PODS, {"metadata": meta, "spec": {"containers": []}, "status": status}, "kubelet")

    def _uid(self, pod: Pod) -> str:
        return f"pod-{self.cluster.rollout}-{pod.uid}"

    def _show_deployment(self, obj: Object) -> None:
        revision = obj["spec"]["selector"]["matchLabels"].get(names.REVISION_LABEL, "")
        pods = self.cluster.pods_of(revision)
        if not obj["metadata"]["name"].startswith(f"{self.cluster.rollout}-"):
            return
        status = {"replicas": len(pods), "readyReplicas": sum(pod.ready for pod in pods)}
        if obj.get("status") != status:
            self._server.update_status(DEPLOYMENTS, obj | {"status": status}, "deployment controller")

    def _time(self, second: int) -> str:
        return (self._begin + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _status(self, pod: Pod) -> Object:
        ready, since = self._turned.get(pod.uid, (not pod.ready, 0))
        if ready is not pod.ready:
            since = self.cluster.now
            self._turned[pod.uid] = (pod.ready, since)
        node = self._place(pod)
        gone = node in self.lost and self.cluster.now - self.lost[node] >= NOT_READY_SECONDS
        reason = {"reason": "NodeNotReady"} if gone else {}
        ready_now = {"type": "Ready", "status": str(pod.ready), "lastTransitionTime": self._time(since)} | reason
        if pod.state is State.UNSCHEDULED:
            lacking = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": pod.words}
            return {"phase": "Pending", "conditions": [lacking, ready_now] if pod.words else [ready_now]}
        runs = pod.state in {State.RUNNING, State.HANGING}
        return {
            "phase": "Running" if runs or pod.restarts else "Pending",
            "podIP": "10.0.0.1",
            "conditions": [ready_now],
            "containerStatuses": [self._server_status(pod)],
        }

    def _server_status(self, pod: Pod) -> Object:
        status: Object = {"name": names.SERVER_CONTAINER, "restartCount": pod.restarts}
        status["started"] = pod.state in {State.RUNNING, State.HANGING}
        status["state"] = _state(pod, self._time(pod.since))
        if pod.restarts and pod.trouble is not None:
            reason, code = EXIT.get(pod.trouble, ("Error", 1))
            ended = {"exitCode": code, "reason": reason, "message": pod.words}
            status["lastState"] = {"terminated": ended}
        return status

    def forget(self) -> None:
        """Let go of what is known of pods that are gone: a long run has many."""
        present = {pod.uid for pod in self.cluster.pods}
        for known in (self._nodes, self._turned, self.cluster.left):
            for uid in known.keys() - present:
                del known[uid]


def _deployment(obj: Object) -> Deployment:
    labels: dict[str, Any] = obj["spec"]["template"]["metadata"]["labels"]
    revision = obj["spec"]["selector"]["matchLabels"][names.REVISION_LABEL]
    source = RevisionSource(revision, labels.get(names.APP_VERSION_LABEL, ""), "", "", {}, {}, "")
    return Deployment(source, int(obj["spec"]["replicas"]), deployments.groups(obj), deployments.restart_mark(obj))


def _state(pod: Pod, since: str) -> Object:
    if pod.state is State.PULLING and pod.trouble is PodTrouble.CANNOT_PULL:
        return {"waiting": {"reason": "ImagePullBackOff", "message": pod.words}}
    if pod.state is State.BACK_OFF:
        return {"waiting": {"reason": "CrashLoopBackOff"}}
    if pod.state is State.PULLING:
        return {"waiting": {"reason": "ContainerCreating"}}
    return {"running": {"startedAt": since}}
