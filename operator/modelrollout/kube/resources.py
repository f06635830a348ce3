"""The kinds of object that this operator reads or writes, and their paths at the API server."""

from dataclasses import dataclass
from typing import Any

from modelrollout import names

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection(self, namespace: str = "") -> str:
        """Path of all objects of a namespace, or of the whole cluster."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"

    def item(self, namespace: str, name: str) -> str:
        return f"{self.collection(namespace)}/{name}"


DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
SERVICES = Resource("", "v1", "services", "Service")
PODS = Resource("", "v1", "pods", "Pod")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
JOBS = Resource("batch", "v1", "jobs", "Job")
EVENTS = Resource("", "v1", "events", "Event")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
MODEL_ROLLOUTS = Resource(names.GROUP, names.VERSION, names.PLURAL, names.KIND)

CHILDREN = (DEPLOYMENTS, SERVICES, PODS, CONTROLLER_REVISIONS, DISRUPTION_BUDGETS, AUTOSCALERS)
"""What is made for a rollout, and reflected."""


def owner_of(obj: Object) -> Object | None:
    """The controller among an object's owners."""
    owners = obj.get("metadata", {}).get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def is_leftover(obj: Object, owner: Object) -> bool:
    """Whether an object belongs to an earlier owner of the same kind and name, and is about to be collected."""
    found = owner_of(obj)
    if found is None or found.get("uid") == owner.get("uid"):
        return False
    return all(found.get(key) == owner.get(key) for key in ("apiVersion", "kind", "name"))


def version_of(obj: Object) -> str:
    return str(obj.get("metadata", {}).get("resourceVersion", ""))


def is_older(one: str, other: str) -> bool:
    """Whether a resource version is older than another, where both are numbers.

    Resource versions of one kind are comparable numbers by Kubernetes' rules (KEP-5504); of anything else nothing
    is known, and what came last is taken.
    """
    return one.isdigit() and other.isdigit() and int(one) < int(other)
