"""Rollouts, statuses and worlds with defaults: a test names only what it is about.

Model n is version n.0.0 and its revision is called vn. Unless told otherwise the rollout is churn, 1.0.0 is stable
with 4 ready pods, and the spec asks for 2.0.0.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from modelrollout import names, revisions
from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import Candidate, HistoryEntry, ModelRolloutStatus, Outcome, Revision, Routing, Stage
from modelrollout.core import epochs
from modelrollout.core.decide import decide
from modelrollout.core.decision import Action, Decision, EnsureAutoscaler, EnsureService, Note, Protect, Prove
from modelrollout.core.facts import DeploymentSeen, Foreign, PodSeen, RevisionSource, Rollout, Seen, ServiceSeen
from modelrollout.core.turn import Turn
from modelrollout.judge.verdicts import Finding, Verdict

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
IMAGE = "modelserver:1"

Arm = tuple[DeploymentSeen, tuple[PodSeen, ...]]
"""A revision's Deployment and its pods."""


def later(seconds: float) -> datetime:
    """So many seconds after now; before now where negative."""
    return NOW + timedelta(seconds=seconds)


def model(number: int) -> dict[str, Any]:
    """spec.model as somebody wrote it."""
    return {"uri": f"https://models.example/churn/{number}.0.0/model.skops", "version": f"{number}.0.0"}


def hash_of(number: int) -> str:
    return revisions.spec_hash(model(number), {})


def revision(number: int) -> Revision:
    return Revision(revision=f"v{number}", version=f"{number}.0.0", spec_hash=hash_of(number), image=IMAGE)


def source(number: int, against: int | None = None) -> RevisionSource:
    """What model `number` is built from; it was started against itself unless told otherwise."""
    return RevisionSource(
        revision=f"v{number}",
        version=f"{number}.0.0",
        spec_hash=hash_of(number),
        image=IMAGE,
        model=model(number),
        server={},
        against=f"v{against or number}",
    )


FOREIGN = (
    ("Service", "churn"),
    ("Service", "churn-preview"),
    ("PodDisruptionBudget", "churn"),
    ("HorizontalPodAutoscaler", "churn"),
    ("Deployment", "churn-v1"),
    ("Deployment", "churn-v2"),
    ("ControllerRevision", "churn-v1"),
    ("ControllerRevision", "churn-v2"),
)
"""Every object that a rollout writes under a name of its own, by kind and name."""


def foreign(kind: str, name: str) -> Foreign:
    """Somebody else's object of one of our names."""
    return Foreign(kind, name, f"{kind} {name} belongs to Helm")


def entry(number: int, outcome: Outcome = Outcome.PROMOTED, **fields: Any) -> HistoryEntry:
    """What became of model `number`; model n was promoted before model n + 1, where it ever was."""
    known = {"revision": f"v{number}", "version": f"{number}.0.0", "outcome": outcome, "time": later(number - 90_000)}
    if outcome in {Outcome.PROMOTED, Outcome.UNHEALTHY}:
        known["promoted"] = later(number - 90_000)
    return HistoryEntry.model_validate(known | fields)


def candidate(number: int = 2, **fields: Any) -> Candidate:
    """Model `number` in the first step of a canary, whose evidence is being gathered for 10 s."""
    known = {
        "revision": f"v{number}",
        "version": f"{number}.0.0",
        "weight": 10,
        "stage": Stage.JUDGING,
        "since": later(-10),
        "step_since": later(-20),
        "routing": Routing.SHARED,
        "routed": True,
        "strategy": "canary",
    }
    return Candidate.model_validate(known | fields)


def status(**fields: Any) -> ModelRolloutStatus:
    """1.0.0 is stable with 4 pods, and the spec asks for 2.0.0."""
    known: dict[str, Any] = {
        "observed_generation": 3,
        "current": revision(2),
        "stable": revision(1),
        "stable_since": later(-90_000),
        "history": [entry(1)],
        "size": 4,
    }
    return ModelRolloutStatus.model_validate(known | fields)


def settled(number: int = 1, **fields: Any) -> ModelRolloutStatus:
    """Model `number` is stable, it is what the spec asks for, and it was promoted a minute ago."""
    known: dict[str, Any] = {
        "current": revision(number),
        "stable": revision(number),
        "stable_since": later(-60),
        "history": [entry(one) for one in range(1, number + 1)],
    }
    return status(**known | fields)


def pod(number: int, index: int = 1, **fields: Any) -> PodSeen:
    """The pod `index` of model `number`: ready, and answering its scrapes."""
    known: dict[str, Any] = {
        "name": f"churn-v{number}-{index}",
        "uid": f"v{number}-{index}",
        "revision": f"v{number}",
        "ready": True,
        "scraped": True,
    }
    return PodSeen(**known | fields)


def deployment(number: int, replicas: int, against: int | None = None, **fields: Any) -> DeploymentSeen:
    known: dict[str, Any] = {
        "name": f"churn-v{number}",
        "revision": f"v{number}",
        "replicas": replicas,
        "ready": replicas,
        "groups": frozenset({f"v{number}", f"v{against or number}"}),
        "source": source(number, against),
    }
    return DeploymentSeen(**known | fields)


def arm(number: int, replicas: int, against: int | None = None, **pods: Any) -> Arm:
    """Model `number` with so many pods, all alike."""
    made = tuple(pod(number, index, **pods) for index in range(1, replicas + 1))
    return deployment(number, replicas, against), made


def alone(number: int) -> names.Labels:
    """The selector of model `number` alone."""
    return {"modelrollout.dev/name": "churn", "modelrollout.dev/revision": f"v{number}"}


def shared(number: int = 1) -> names.Labels:
    """The selector of stable `number` together with its candidate."""
    return {"modelrollout.dev/name": "churn", f"group.modelrollout.dev/v{number}": "true"}


def seen(*arms: Arm, selector: names.Labels | None = None, **fields: Any) -> Seen:
    """A world with these arms, all of them remembered, behind a Service that selects model 1 alone."""
    known: dict[str, Any] = {
        "default_image": IMAGE,
        "deployments": tuple(one for one, _ in arms),
        "pods": tuple(one for _, pods in arms for one in pods),
        "service": ServiceSeen(alone(1) if selector is None else selector),
        "sources": tuple(one.source for one, _ in arms),
    }
    return Seen(**known | fields)


def turn(known: ModelRolloutStatus, world: Seen, wishes: Mapping[str, Any] | None = None, /, **fields: Any) -> Turn:
    """One look now. `wishes` is what the user wrote in the spec beside the model; the spec asks for status.current."""
    number = int(known.current.version.split(".")[0]) if known.current is not None else 2
    written: dict[str, Any] = {"replicas": 4, "model": model(number)} | dict(wishes or {})
    spec = ModelRolloutSpec.model_validate(written)
    facts: dict[str, Any] = {
        "namespace": "shop",
        "name": "churn",
        "uid": "4d1c",
        "generation": 3,
        "spec": spec,
        "status": known,
        "model": written["model"],
        "server": written.get("server", {}),
    }
    now = fields.pop("now", NOW)
    return Turn(Rollout(**facts | fields), spec, world, now)


def judged(look: Turn, verdict: Verdict, watched: float = 60) -> Turn:
    """The same look with a verdict that belongs to the present epoch, watched for so many seconds."""
    epoch = epochs.present(look, look.rollout.status)
    world = replace(look.seen, verdict=verdict, epoch=epoch, watched=timedelta(seconds=watched))
    return replace(look, seen=world)


def decided(look: Turn) -> Decision:
    return decide(look.rollout, look.seen, look.now)


def reasons(notes: tuple[Note, ...]) -> list[str]:
    return [note.reason for note in notes]


SETTLES = EnsureService | EnsureAutoscaler | Protect | Prove


def changing(actions: tuple[Action, ...]) -> list[str]:
    """The actions that change anything in a settled world, as people read them."""
    return [str(action) for action in actions if not isinstance(action, SETTLES)]


PASSING = Verdict(enough=True, requests=100, summary="0 of 100 failed")
FAILING = Finding("errorRate", "31 of 40 requests failed (limit 5 %)", pod="churn-v2-1")
STABLE_FAILING = Finding("errorRate", "29 of 40 requests failed (limit 5 %)", pod="churn-v1-1")
