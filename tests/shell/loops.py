"""A loop around a fake API server and a scripted `decide`, with a log of everything it did, in order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kube.apiserver import Direct

from modelrollout import names
from modelrollout.api.status import ModelRolloutStatus, Phase
from modelrollout.core.decision import Action, Decision, Note, Watch
from modelrollout.core.facts import RevisionSource, Rollout, Seen
from modelrollout.events import Teller
from modelrollout.kube.resources import DEPLOYMENTS, MODEL_ROLLOUTS, SERVICES, Resource
from modelrollout.kube.writer import stores
from modelrollout.rollouts import Rollouts
from modelrollout.shell.loop import Loop, Parts

Object = dict[str, Any]
KEY = "default/churn"
UID = "uid-churn"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STABLE = names.revision_selector("churn", "aaaa")
SHARED = names.shared_selector("churn", "aaaa")
OWNER = {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": "churn", "uid": UID, "controller": True}


def source(revision: str = "bbbb", against: str = "aaaa") -> RevisionSource:
    model = {"uri": f"file:///models/{revision}", "version": revision}
    return RevisionSource(revision, revision, f"spec-{revision}", "server:1", model, {}, against)


def rollout_object(**more: Any) -> Object:
    spec = {"model": {"uri": "file:///m", "version": "1"}, "replicas": 2}
    return {"metadata": {"name": "churn", "uid": UID}, "spec": spec} | more


def status(message: str = "", phase: Phase = Phase.PROGRESSING) -> ModelRolloutStatus:
    return ModelRolloutStatus(observed_generation=1, phase=phase, message=message)


@dataclass
class World:
    """Everything around one loop."""

    api: Direct = field(default_factory=Direct)
    decisions: list[Decision] = field(default_factory=list)
    """What `decide` says, in turn; the last one for ever."""
    seen: list[Seen] = field(default_factory=list)
    rollouts_seen: list[Rollout] = field(default_factory=list)
    watched: list[Watch | None] = field(default_factory=list)
    noted: list[tuple[str, int]] = field(default_factory=list)
    """Of each round that the loop told of: its epoch, and the strata that it brought."""
    clock: float = 100.0
    outdated: str = ""

    def __post_init__(self) -> None:
        self.rollouts = Rollouts()
        self.stores = stores(lambda _: None)
        self.gated = 0
        self.teller = Teller(self.api, lambda: self.clock)
        self.loop = Loop(
            Parts(
                api=self.api,
                rollouts=self.rollouts,
                stores=self.stores,
                decide=self._decide,
                gate=self._gate,
                teller=self.teller,
                default_image="server:1",
                watched=lambda _, watch: self.watched.append(watch),
                noted=lambda _, watch, ledger: self.noted.append((watch.epoch, len(ledger.case.added))),
                outdated=lambda: self.outdated,
                now=lambda: NOW,
                clock=lambda: self.clock,
            )
        )
        self.read(self.api.server.put(MODEL_ROLLOUTS, rollout_object()))

    def read(self, raw: Object) -> None:
        """As if a watch had told it."""
        self.rollouts.put(raw)

    def exists(self, resource: Resource, name: str, **more: Any) -> Object:
        """A child of the rollout that everybody knows of."""
        labels = {names.NAME_LABEL: "churn", names.APP_MANAGED_BY_LABEL: names.MANAGER}
        meta = {"name": name, "labels": labels, "ownerReferences": [OWNER], "namespace": "default"}
        obj = self.api.server.put(resource, {"metadata": meta | more.pop("metadata", {})} | more)
        self.stores[resource].put(obj)
        return obj

    def deployment(self, revision: str, replicas: int) -> Object:
        spec = {"replicas": replicas, "template": {"metadata": {"labels": {}}}}
        return self.exists(DEPLOYMENTS, f"churn-{revision}", spec=spec)

    def service(self, selector: dict[str, str]) -> Object:
        return self.exists(SERVICES, "churn", spec={"selector": dict(selector)})

    def decide(self, *actions: Action, **more: Any) -> None:
        """What the next turn decides."""
        self.decisions.append(Decision(more.pop("status", status()), actions, **more))

    async def turn(self) -> timedelta | None:
        again = await self.loop.turn(KEY)
        await self.teller.finish()
        return again

    @property
    def written(self) -> list[str]:
        return self.api.server.written()

    def selector(self) -> Any:
        service = self.api.server.get(SERVICES, "churn")
        return service["spec"]["selector"] if service else None

    def phase(self) -> str:
        found = self.api.server.get(MODEL_ROLLOUTS, "churn")
        return str((found or {}).get("status", {}).get("phase", ""))

    def _decide(self, rollout: Rollout, seen: Seen, _: datetime) -> Decision:
        self.rollouts_seen.append(rollout)
        self.seen.append(seen)
        return self.decisions.pop(0) if len(self.decisions) > 1 else self.decisions[0]

    async def _gate(self) -> None:
        self.gated += 1


def bad(message: str = "31 of 40 requests failed") -> Note:
    return Note("RolledBack", message, warning=True)


When = Callable[[str], None]
