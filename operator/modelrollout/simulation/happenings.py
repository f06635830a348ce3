"""What can happen to a rollout from outside: people, git, nodes, models that turn bad, and things that break."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelrollout import names
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.cluster import NODES, SERVICE
from modelrollout.simulation.driver import Driver
from modelrollout.simulation.pods import Pod, State


@dataclass(frozen=True, slots=True)
class Edit:
    """Somebody applies changes to the spec."""

    changes: Mapping[str, Any]
    said: str

    def happen(self, driver: Driver) -> None:
        driver.world.resource.edit(self.changes)
        driver.world.guard.spec = driver.world.resource.parsed

    def __str__(self) -> str:
        return self.said


def new_model(version: str) -> Edit:
    """Git asks for another version."""
    return Edit({"model": {"uri": address(version), "version": version}}, f"the spec asks for {version}")


def address(version: str) -> str:
    return f"https://models.example.com/churn/{version}.skops"


@dataclass(frozen=True, slots=True)
class MoveAlias:
    """Somebody points an alias of the registry at another version."""

    uri: str
    version: str

    def happen(self, driver: Driver) -> None:
        driver.world.cluster.aliases[self.uri] = self.version

    def __str__(self) -> str:
        return f"{self.uri} is moved to version {self.version}"


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry goes away, or comes back."""

    away: bool

    def happen(self, driver: Driver) -> None:
        driver.world.cluster.registry_away = self.away

    def __str__(self) -> str:
        return "the registry is away" if self.away else "the registry is back"


@dataclass(frozen=True, slots=True)
class Command:
    """A person annotates the resource."""

    verb: str
    version: str
    id: str = "c1"

    def happen(self, driver: Driver) -> None:
        text = f"{self.verb} {revision_of(driver, self.version)} {self.id}"
        driver.world.resource.annotate(names.COMMAND_ANNOTATION, text)

    def __str__(self) -> str:
        return f"somebody commands: {self.verb} {self.version}"


def revision_of(driver: Driver, version: str) -> str:
    """The newest revision of a version that is known anywhere; the version itself where there is none."""
    status = driver.world.resource.status
    named = [status.current, status.stable, status.candidate, status.previous, *reversed(status.history)]
    return next((one.revision for one in named if one is not None and one.version == version), version)


@dataclass(frozen=True, slots=True)
class Become:
    """A model changes its behaviour."""

    behaviours: Mapping[str, Behaviour]
    said: str

    def happen(self, driver: Driver) -> None:
        driver.world.cluster.behaviours |= self.behaviours

    def __str__(self) -> str:
        return self.said


@dataclass(frozen=True, slots=True)
class Evict:
    """Pods of a version are lost to their node, the first `count` of them."""

    version: str
    count: int = 1

    def happen(self, driver: Driver) -> None:
        cluster = driver.world.cluster
        cluster.lost = True
        found = [pod for pod in cluster.pods if pod.version == self.version and not pod.ending]
        for pod in found[: self.count]:
            _lose(pod, cluster.now)

    def __str__(self) -> str:
        return f"{self.count} of {self.version}'s pods are evicted"


@dataclass(frozen=True, slots=True)
class AskToEvict:
    """Somebody evicts pods behind the Service by the Eviction API, one after the other, as the budget allows."""

    count: int = 10

    def happen(self, driver: Driver) -> None:
        cluster = driver.world.cluster
        cluster.lost = True
        cluster.to_evict += self.count

    def __str__(self) -> str:
        return f"somebody evicts {self.count} pods"


@dataclass(frozen=True, slots=True)
class Drain:
    """One of the nodes is drained: no pod is started there any more, and those that run are evicted."""

    node: str = NODES[0]

    def happen(self, driver: Driver) -> None:
        cluster = driver.world.cluster
        cluster.lost = True
        cluster.cordoned = self.node

    def __str__(self) -> str:
        return f"{self.node} is drained"


@dataclass(frozen=True, slots=True)
class EditByHand:
    """Somebody edits the Service's port, or the image in the Deployment of what serves as stable."""

    service: bool = False

    def happen(self, driver: Driver) -> None:
        stable = driver.world.resource.status.stable
        if self.service or stable is not None:
            driver.world.cluster.tampered.add(SERVICE if self.service or stable is None else stable.revision)

    def __str__(self) -> str:
        return f"somebody edits {'the Service' if self.service else 'stable'}"


@dataclass(frozen=True, slots=True)
class Demand:
    """Clients send so many requests a second from now on."""

    rate: int

    def happen(self, driver: Driver) -> None:
        driver.world.cluster.load.rate = self.rate

    def __str__(self) -> str:
        return f"clients send {self.rate} requests a second"


@dataclass(frozen=True, slots=True)
class Sicken:
    """The newest pod of a version behaves otherwise than its model: a bad node."""

    version: str
    behaviour: Behaviour

    def happen(self, driver: Driver) -> None:
        cluster = driver.world.cluster
        newest = [pod for pod in cluster.pods if pod.version == self.version and not pod.ending][-1]
        cluster.sick[newest.uid] = self.behaviour

    def __str__(self) -> str:
        return f"one pod of {self.version} is on a bad node"


def _lose(pod: Pod, now: int) -> None:
    pod.ready, pod.state, pod.ends = False, State.HANGING, now


@dataclass(frozen=True, slots=True)
class Room:
    """The nodes have room for so many pods."""

    pods: int | None

    def happen(self, driver: Driver) -> None:
        driver.world.cluster.room = self.pods

    def __str__(self) -> str:
        return "the nodes have room again" if self.pods is None else f"the nodes have room for {self.pods} pods"


@dataclass(frozen=True, slots=True)
class Blind:
    """The operator cannot reach the pods of these versions."""

    versions: frozenset[str] = frozenset()

    def happen(self, driver: Driver) -> None:
        driver.world.cluster.blind = self.versions

    def __str__(self) -> str:
        return f"the operator cannot reach pods of {', '.join(sorted(self.versions)) or 'nobody'}"


@dataclass(frozen=True, slots=True)
class Tamper:
    """Somebody changes the Service's selector by hand; a version's own pods, or everything of the name."""

    version: str = ""

    def happen(self, driver: Driver) -> None:
        cluster = driver.world.cluster
        revision = revision_of(driver, self.version)
        alone = names.revision_selector(cluster.rollout, revision)
        cluster.service = alone if self.version else {names.NAME_LABEL: cluster.rollout}

    def __str__(self) -> str:
        return f"somebody points the Service at {self.version or 'every pod'}"


@dataclass(frozen=True, slots=True)
class Delete:
    """Somebody deletes the Service, or the Deployment of a version."""

    version: str = ""

    def happen(self, driver: Driver) -> None:
        cluster = driver.world.cluster
        cluster.lost = True
        if not self.version:
            cluster.service = None
            return
        cluster.deployments.pop(revision_of(driver, self.version), None)

    def __str__(self) -> str:
        return f"somebody deletes {f'the Deployment of {self.version}' if self.version else 'the Service'}"


@dataclass(frozen=True, slots=True)
class TakeNames:
    """Somebody has objects of their own under names of the rollout's; or deletes them again."""

    objects: frozenset[tuple[str, str]] = frozenset()
    """By kind and name."""

    def happen(self, driver: Driver) -> None:
        cluster = driver.world.cluster
        given_back = cluster.foreign - self.objects
        cluster.foreign = set(self.objects)
        if ("Service", names.service(cluster.rollout)) in given_back:
            cluster.service = None
            cluster.lost = True

    def __str__(self) -> str:
        told = ", ".join(f"{kind} {name}" for kind, name in sorted(self.objects))
        return f"somebody has objects of their own: {told}" if told else "somebody deletes their own objects again"


@dataclass(frozen=True, slots=True)
class Resize:
    """Somebody scales the Deployment of a version by hand."""

    version: str
    replicas: int

    def happen(self, driver: Driver) -> None:
        deployment = driver.world.cluster.deployments.get(revision_of(driver, self.version))
        if deployment is not None:
            deployment.replicas = self.replicas
            driver.world.cluster.lost = True

    def __str__(self) -> str:
        return f"somebody scales the Deployment of {self.version} to {self.replicas}"


@dataclass(frozen=True, slots=True)
class EraseStatus:
    """The status is lost."""

    def happen(self, driver: Driver) -> None:
        driver.world.resource.erase_status()

    def __str__(self) -> str:
        return "the status is erased"


@dataclass(frozen=True, slots=True)
class Recreate:
    """The resource is deleted with `--cascade=orphan`, or lost, and made again; perhaps without its Service."""

    with_service: bool = True

    def happen(self, driver: Driver) -> None:
        cluster = driver.world.cluster
        driver.world.resource.erase_status()
        cluster.orphans = {("Deployment", names.deployment(cluster.rollout, one)) for one in cluster.deployments}
        cluster.orphans |= {
            ("ControllerRevision", names.deployment(cluster.rollout, one.revision)) for one in cluster.sources
        }
        if self.with_service:
            cluster.orphans.add(("Service", names.service(cluster.rollout)))
            return
        cluster.service = None
        cluster.lost = True

    def __str__(self) -> str:
        return f"the resource is made again among its orphans{'' if self.with_service else ', the Service is gone'}"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Another build of the operator, with another default image."""

    image: str = "registry.example.com/server:2"
    seconds: int = 5

    def happen(self, driver: Driver) -> None:
        driver.world.default_image = self.image
        driver.kill(self.seconds)

    def __str__(self) -> str:
        return f"the operator is upgraded; its default image is {self.image} now"


@dataclass(frozen=True, slots=True)
class Kill:
    """The operator's process is killed and comes back."""

    seconds: int = 5

    def happen(self, driver: Driver) -> None:
        driver.kill(self.seconds)

    def __str__(self) -> str:
        return f"the operator is killed and back after {self.seconds} s"


@dataclass(frozen=True, slots=True)
class Writable:
    """Whether the API server takes writes of the status."""

    writable: bool

    def happen(self, driver: Driver) -> None:
        driver.world.resource.writable = self.writable

    def __str__(self) -> str:
        return f"the API server {'takes' if self.writable else 'refuses'} writes of the status"
