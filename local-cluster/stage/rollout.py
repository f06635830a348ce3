"""One ModelRollout on the cluster, and everything around it that a demo or a test wants to see."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelrollout import names
from stage.kube import Cluster, Object, path_of, until

STORY_SECONDS = 240.0
"""A deadline that only a broken system reaches."""


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str
    reason: str
    message: str
    generation: int


@dataclass(frozen=True, slots=True)
class Happening:
    """One Event about a rollout."""

    type: str
    reason: str
    message: str
    time: str


class Rollout:
    """A handle on one ModelRollout; it remembers nothing."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.name = name

    @property
    def path(self) -> str:
        return path_of(names.API_VERSION, names.KIND, self.namespace, self.name)

    async def get(self) -> Object:
        return await self.cluster.get(self.path)

    async def status(self) -> Object:
        """Its status as JSON; {} before the operator has seen it."""
        return dict((await self.get()).get("status") or {})

    async def apply(self, spec: Object, metadata: Object | None = None) -> Object:
        obj = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": self.name, **(metadata or {})},
            "spec": spec,
        }
        return await self.cluster.apply(obj, self.namespace)

    async def change(self, spec: Object) -> Object:
        """Merge a part into the spec."""
        return await self.cluster.merge(self.path, {"spec": spec})

    async def command(self, verb: str, revision: str, number: str) -> None:
        """Give a command as a person would: by annotation."""
        annotations = {names.COMMAND_ANNOTATION: f"{verb} {revision} {number}"}
        await self.cluster.merge(self.path, {"metadata": {"annotations": annotations}})

    async def delete(self) -> None:
        await self.cluster.delete(self.path)

    async def conditions(self) -> dict[str, Condition]:
        return conditions_of(await self.get())

    async def until(self, what: str, is_so: Callable[[Object], Any], seconds: float = STORY_SECONDS) -> Object:
        """Wait until the object as a whole is so."""

        async def look() -> Object | None:
            obj = await self.get()
            seen.append(obj)
            del seen[:-1]
            return obj if is_so(obj) else None

        seen: list[Object] = []
        try:
            return await until(look, f"{self.namespace}/{self.name}: {what}", seconds)
        except Exception as error:
            status = (seen[-1].get("status") or {}) if seen else {}
            error.add_note(f"phase {status.get('phase')}: {status.get('message')}")
            raise

    async def until_condition(self, type_: str, seconds: float = STORY_SECONDS) -> Object:
        """Wait until a condition is True for the newest generation."""
        return await self.until(f"{type_} is True", lambda obj: is_true(obj, type_), seconds)

    async def until_pods(
        self, what: str, is_so: Callable[[list[Object]], Any], seconds: float = STORY_SECONDS
    ) -> list[Object]:
        """Wait until its pods, of all revisions, are so."""

        async def look() -> list[Object] | None:
            pods = await self.pods()
            return pods if is_so(pods) else None

        return await until(look, f"{self.namespace}/{self.name}: {what}", seconds)

    async def events(self) -> list[Happening]:
        """Events about it, oldest first."""
        path = path_of("v1", "Event", self.namespace)
        query = {"fieldSelector": f"involvedObject.kind={names.KIND},involvedObject.name={self.name}"}
        found = (await self.cluster.get(path, query))["items"]
        found.sort(key=lambda event: (_time_of(event), int(event["metadata"]["resourceVersion"])))
        return [Happening(one["type"], one["reason"], one["message"], _time_of(one)) for one in found]

    async def service(self, name: str = "") -> Object | None:
        return await self.cluster.find(path_of("v1", "Service", self.namespace, name or self.name))

    async def selector(self) -> dict[str, str]:
        service = await self.service()
        return dict(service["spec"]["selector"]) if service is not None else {}

    async def deployments(self) -> dict[str, Object]:
        """Its Deployments by revision."""
        path = path_of("apps/v1", "Deployment", self.namespace)
        found = await self.cluster.list(path, f"{names.NAME_LABEL}={self.name}")
        return {one["metadata"]["labels"][names.REVISION_LABEL]: one for one in found}

    async def pods(self, revision: str = "") -> list[Object]:
        """Its pods, of one revision or of all, also those that are ending."""
        selector = f"{names.NAME_LABEL}={self.name}" + (f",{names.REVISION_LABEL}={revision}" if revision else "")
        return await self.cluster.list(path_of("v1", "Pod", self.namespace), selector)


def conditions_of(obj: Object) -> dict[str, Condition]:
    found = (obj.get("status") or {}).get("conditions") or []
    return {
        one["type"]: Condition(one["type"], one["status"], one["reason"], one["message"], one["observedGeneration"])
        for one in found
    }


def is_true(obj: Object, type_: str) -> bool:
    """Whether a condition is True and speaks of the newest generation."""
    condition = conditions_of(obj).get(type_)
    fresh = (obj.get("status") or {}).get("observedGeneration") == obj["metadata"]["generation"]
    return fresh and condition is not None and condition.status == "True"


def of(revision: str, pods: list[Object]) -> list[Object]:
    """The pods of one revision."""
    return [pod for pod in pods if revision_of(pod) == revision]


def ready(pod: Object) -> bool:
    """Whether a pod is ready and not ending."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    is_ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return is_ready and "deletionTimestamp" not in pod["metadata"]


def revision_of(pod: Object) -> str:
    return str(pod["metadata"]["labels"].get(names.REVISION_LABEL, ""))


def restarts(pod: Object) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return sum(one["restartCount"] for one in statuses)


def _time_of(event: Object) -> str:
    return str(event.get("eventTime") or event.get("firstTimestamp") or event["metadata"]["creationTimestamp"])
