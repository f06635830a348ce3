"""Objects of exactly our names that are somebody else's: which writes they stop, and which moves wait for them.

A foreign object stops the writes to itself and nothing else. Traffic back to stable, stable's size and commands never
wait for a budget, an autoscaler, a preview or a copy. Only a foreign Service keeps a rollout from going forward, since
then nobody can say what it serves.
"""

from modelrollout import names
from modelrollout.api.status import ModelRolloutStatus
from modelrollout.core.decision import (
    Action,
    Adopt,
    EnsureAutoscaler,
    EnsureService,
    Forget,
    Preview,
    Protect,
    Remember,
    ReplacePod,
    Route,
)
from modelrollout.core.facts import Foreign, ServiceSeen
from modelrollout.core.turn import Turn

NAME_TAKEN = "NameTaken"


def own_service(turn: Turn) -> ServiceSeen | None:
    """The rollout's Service, where it is its own."""
    service = turn.seen.service
    return service if service is not None and service.owned else None


def foreign_service(turn: Turn) -> Foreign | None:
    """Somebody else's Service of the rollout's name: no traffic can be moved."""
    return _found(turn, "Service", names.service(turn.rollout.name))


def foreign_deployment(turn: Turn, revision: str) -> Foreign | None:
    """Somebody else's Deployment of a revision's name: the revision can have no pods."""
    return _found(turn, "Deployment", names.deployment(turn.rollout.name, revision))


def blocking(turn: Turn, status: ModelRolloutStatus) -> Foreign | None:
    """What keeps the spec from being followed: the Service, or the Deployment of stable or of the candidate."""
    arms = [one.revision for one in (status.stable, status.candidate) if one is not None]
    deployments = (foreign_deployment(turn, revision) for revision in arms)
    return foreign_service(turn) or next((one for one in deployments if one is not None), None)


def writable(turn: Turn, actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """The actions without those that would write somebody else's object."""
    taken = {(one.kind, one.name) for one in turn.seen.taken}
    return tuple(action for action in actions if target(action, turn.rollout.name) not in taken)


def target(action: Action, rollout: str) -> tuple[str, str]:
    """Kind and name of the object that an action writes."""
    match action:
        case Route() | EnsureService():
            return "Service", names.service(rollout)
        case Preview():
            return "Service", names.preview_service(rollout)
        case Protect():
            return "PodDisruptionBudget", names.disruption_budget(rollout)
        case EnsureAutoscaler():
            return "HorizontalPodAutoscaler", names.autoscaler(rollout)
        case Adopt():
            return action.kind, action.name
        case ReplacePod():
            return "Pod", action.pod
        case Remember():
            return "ControllerRevision", names.deployment(rollout, action.source.revision)
        case Forget(entirely=True):
            return "ControllerRevision", names.deployment(rollout, action.revision)
        case Forget():
            return "Deployment", names.deployment(rollout, action.revision)
        case _:
            revision = action.source.revision if hasattr(action, "source") else action.revision
            return "Deployment", names.deployment(rollout, revision)


def _found(turn: Turn, kind: str, name: str) -> Foreign | None:
    return next((one for one in turn.seen.taken if (one.kind, one.name) == (kind, name)), None)
