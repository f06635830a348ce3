"""Makes a decision true: first its status, then its actions in their order.

The status is the intent. It is written as a compare-and-swap on the version that the decision was made from, so two
operators, or one that looked at something old, cannot both go on; the same body is never sent twice. What comes after
it is a pure function of status, spec and world, so whatever is lost in a crash is derived again.

One thing does not wait: when traffic has to leave a bad model and the status cannot be written within a second, the
selector moves to stable all the same. That is always safe, and the next turn writes the status.
"""

import asyncio
from dataclasses import dataclass

from modelrollout.actions import Scene, carry_out
from modelrollout.core.decision import Action, Decision, EnsureAutoscaler, Forget, Preview, Protect, Route, Scale
from modelrollout.kube.errors import KubeError, NamespaceEnding, PermanentError
from modelrollout.kube.resources import MODEL_ROLLOUTS, Object
from modelrollout.kube.writer import Api, NameTaken, Writer
from modelrollout.rollouts import Held

URGENT_SECONDS = 1.0


async def commit(api: Api, held: Held, decision: Decision) -> Object:
    """Write the status, unless it is so already; gives the object as it is then.

    Raises:
        Conflict: the object has changed since it was read.
        TimeoutError: it is urgent, and there was no answer within a second.

    """
    status = decision.status.to_json()
    if status == held.rollout.status.to_json() and "status" in held.raw:
        return held.raw
    async with asyncio.timeout(URGENT_SECONDS if decision.urgent else None):
        return await api.replace_status(MODEL_ROLLOUTS, held.raw | {"status": status})


@dataclass(frozen=True, slots=True)
class Undone:
    """What could not be written, though everything else was."""

    taken: tuple[NameTaken, ...] = ()
    refused: PermanentError | None = None
    """The first write that the API server refuses for good."""


async def act(scene: Scene, decision: Decision) -> Undone:
    """Carry out the actions in their order.

    One that somebody else's object or the API server stops for good stops no other, except that no pod is taken away
    while traffic could not be moved. A failure that may pass ends the turn, since the world may be another one by
    then; one of a budget, an autoscaler or a preview ends it only when everything else is done.
    """
    taken: list[NameTaken] = []
    refused: list[PermanentError] = []
    later: list[KubeError] = []
    unmoved = False
    for action in decision.actions:
        if unmoved and _takes_away(action):
            continue
        try:
            await carry_out(action, scene)
            continue
        except NameTaken as error:
            taken.append(error)
        except NamespaceEnding:
            raise
        except PermanentError as error:
            refused.append(error)
        except KubeError as error:
            if not isinstance(action, _BESIDE):
                raise
            later.append(error)
        unmoved = unmoved or isinstance(action, Route)
    if later:
        raise later[0]
    return Undone(tuple(taken), refused[0] if refused else None)


_BESIDE = (Protect, EnsureAutoscaler, Preview)
"""What traffic, sizes and commands never depend on."""


def _takes_away(action: Action) -> bool:
    return isinstance(action, Forget) or (isinstance(action, Scale) and action.expected is not None)


async def retreat(held: Held, writer: Writer, decision: Decision) -> None:
    """Only move traffic to stable, whatever became of the status."""
    scene = Scene(held.rollout, writer)
    for action in decision.actions:
        if isinstance(action, Route) and action.expected is None:
            await carry_out(action, scene)
