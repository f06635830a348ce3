"""Makes a decision true: first its status, then its actions in their order.

The status is the intent. It is written as a compare-and-swap on the version that the decision was made from, so two
operators, or one that looked at something old, cannot both go on; the same body is never sent twice. What comes after
it is a pure function of status, spec and world, so whatever is lost in a crash is derived again.

One thing does not wait: when traffic has to leave a bad model and the status cannot be written within a second, the
selector moves to stable all the same. That is always safe, and the next turn writes the status.
"""

import asyncio

from modelrollout.actions import Scene, carry_out
from modelrollout.core.decision import Decision, Route
from modelrollout.kube.resources import MODEL_ROLLOUTS, Object
from modelrollout.kube.writer import Api, Writer
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


async def act(scene: Scene, decision: Decision) -> None:
    """Carry out the actions, one after the other; the first that fails ends it."""
    for action in decision.actions:
        await carry_out(action, scene)


async def retreat(held: Held, writer: Writer, decision: Decision) -> None:
    """Only move traffic to stable, whatever became of the status."""
    scene = Scene(held.rollout, writer)
    for action in decision.actions:
        if isinstance(action, Route) and action.expected is None:
            await carry_out(action, scene)
