"""What all rounds share: a rollout of a model that takes 20 s to load, and how it is asked."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from modelrollout.traffic.connection import Target
from modelrollout.traffic.load import Shape
from stage.kube import Cluster, Object, path_of
from stage.models import install_store, uri
from stage.operator import install_operator
from stage.programs import Programs, programs
from stage.requests import target_of
from stage.rollout import Rollout, is_true

SHAPE = Shape(rate=100, kept=20, fresh_share=0.2, timeout=15)
"""What meets the fault."""
BEFORE = Shape(rate=30, kept=0, timeout=15)
"""What gives a step its evidence: fresh connections, so that half of them reach the candidate at once."""
STABLE = "slow-load-v1"
BAD = "slow-load-fails-under-traffic"
"""Loads for 20 s as stable does; fails on rows with a coarse texture, which stable answers."""
SERVER: Object = {"resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}}


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    rounds: int = 5
    """Faults of a candidate at weight 50."""
    back_rounds: int = 5
    """Faults of a model that was promoted."""
    replicas: int = 4
    """Pods of stable, N."""
    calm: float = 5.0
    """Seconds of good answers before each fault."""
    install: bool = True
    """Whether the operator is brought to this checkout's state first."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A rollout that serves, and where."""

    plan: Plan
    rollout: Rollout
    target: Target
    """The rollout's Service."""
    audit: Path
    """The API server's audit log, which has the exact times of all writes."""


@asynccontextmanager
async def prepared(plan: Plan, say: Callable[[str], None]) -> AsyncIterator[Scene]:
    """Install what is missing, and let the stable model serve while the block runs."""
    tools = programs()
    cluster = await Cluster.connect(str(tools.kubeconfig))
    try:
        await install_store(cluster, tools)
        if plan.install:
            await install_operator(tools)
        async with namespace(cluster) as name:
            rollout = Rollout(cluster, name, "churn")
            say(f"namespace {name}: {plan.replicas} pods of {STABLE} start; it takes 20 s to load")
            yield await _serving(tools, plan, rollout)
    finally:
        await cluster.close()


@asynccontextmanager
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A namespace of its own, taken away at the end."""
    name = f"bench-{os.urandom(2).hex()}"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield name
    finally:
        await cluster.delete(path_of("v1", "Namespace", "", name))


async def _serving(tools: Programs, plan: Plan, rollout: Rollout) -> Scene:
    await rollout.apply(first_spec(plan))
    await rollout.until("Ready is True", lambda obj: is_true(obj, "Ready"), 180)
    return Scene(plan, rollout, await target_of(tools, rollout), tools.places.node.audit_log)


def first_spec(plan: Plan) -> Object:
    return {
        "replicas": plan.replicas,
        "model": {"uri": uri(STABLE), "version": "1.0.0"},
        "server": SERVER,
        "strategy": HELD_AT_HALF,
        "health": {"interval": "1s"},
        "bake": "1s",
        "rollback": {"cooldown": "1s"},
    }


HELD_AT_HALF: Object = {"canary": {"steps": [{"weight": 50, "pause": {}}]}}
"""Stays at 50 % once that has passed, until the fault."""
STRAIGHT: Object = {"canary": {"steps": [{"weight": 100}]}}
"""The shortest way to a promotion."""
