"""A rollout that one release leaves and another one finds: what is handed over is what the API server keeps.

Status, spec and children of a simulated story are written down at each new turn of it, as JSON. Whoever takes over
builds the world again from that, with new pods, and plays it to its end. Only names that every release has are used
here, so that `record` can run it on an older one.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from modelrollout import names
from modelrollout.api.status import ModelRolloutStatus
from modelrollout.builders.record import record, source_from_record
from modelrollout.core.facts import RevisionSource
from modelrollout.rollouts import parse
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.cluster import Deployment
from modelrollout.simulation.run import Run, begin
from modelrollout.simulation.scenario import Scenario

Left = dict[str, Any]
"""A rollout as JSON: `story`, `ends` as it should end, and the rest as it was left."""

AWAY_SECONDS = 15
"""Between two operators; pods start meanwhile."""
LONGEST_SECONDS = 900


def left_behind(scenario: Scenario) -> list[Left]:
    """A story as another operator would find it at each turn, once nothing more happens to it from outside."""
    played, found = begin(scenario), dict[str, Left]()
    while not played.is_over():
        played.tick()
        turn = str(_turn(played))
        if not played.waiting and turn not in found:
            found[turn] = _left(played)
    return [one | {"story": scenario.name, "ends": ending(played)} for one in found.values()]


def taken_over(left: Left) -> Run:
    """Another operator finds it and plays it to its end."""
    models = {version: Behaviour(**one) for version, one in left["models"].items()}
    longest = left["at"] + LONGEST_SECONDS
    scenario = Scenario(
        left["story"],
        left["spec"],
        models=models,
        rate=left["rate"],
        quiet=left["quiet"],
        longest=longest,
        by_hand=True,  # what the one before has counted and watched is not seen here, so it cannot be checked
    )
    played = begin(scenario)
    resource, cluster = played.world.resource, played.world.cluster
    resource.generation, resource.annotations = left["generation"], dict(left["annotations"])
    resource.status = status_of(left)
    cluster.now = left["at"]
    cluster.service, cluster.preview, cluster.budget = left["service"], left["preview"], left["budget"]
    cluster.sources = [_source(one) for one in left["sources"]]
    for one in left["deployments"]:
        source = _source(one["source"])
        cluster.deployments[source.revision] = Deployment(
            source, one["replicas"], frozenset(one["groups"]), one["mark"]
        )
    for _ in range(AWAY_SECONDS):
        cluster.step()
    played.world.wrote_at = cluster.now
    while not played.is_over():
        played.tick()
    return played


def status_of(left: Left) -> ModelRolloutStatus:
    """The status as the operator of this release reads it."""
    meta = {"name": "churn", "namespace": "default", "uid": "uid", "generation": left["generation"]}
    return parse({"metadata": meta, "spec": left["spec"], "status": left["status"]}).status


def unknown(left: Left) -> set[str]:
    """The places of the status that this release does not know, so that it passes them over."""
    try:
        ModelRolloutStatus.model_validate(left["status"])
    except ValidationError as error:
        return {_place(one["loc"]) for one in error.errors(include_url=False) if one["type"] == "extra_forbidden"}
    return set()


def _place(loc: tuple[int | str, ...]) -> str:
    return "status" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


def ending(played: Run) -> dict[str, Any]:
    """What it has come to: who serves, and what became of each version."""
    status = played.world.resource.status
    return {
        "stable": status.stable.version if status.stable is not None else "",
        "outcomes": {entry.version: str(entry.outcome.value) for entry in status.history},
        "selector": played.world.cluster.service,
    }


def lost(before: Any, after: Any, place: str = "status") -> Iterator[str]:
    """The places of what stands in one piece of JSON and not in another, or otherwise; what was added is no loss."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key, value in before.items():
            yield from lost(value, after.get(key), f"{place}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{place}[{index}]")
    elif before != after:
        yield place


def _turn(played: Run) -> object:
    """Two moments with the same are one to whoever takes over."""
    status = played.world.resource.status
    candidate, command = status.candidate, status.last_command
    return (
        status.phase,
        (candidate.stage, candidate.weight, candidate.routing) if candidate is not None else None,
        status.retreat is not None,
        status.fault is not None,
        status.hold.reason if status.hold is not None else "",
        command.verb if command is not None else "",
        status.checkpoint is not None and bool(status.checkpoint.evidence),
    )


def _left(played: Run) -> Left:
    resource, cluster = played.world.resource, played.world.cluster
    deployments = [
        {"source": record(one.source), "replicas": one.replicas, "groups": sorted(one.groups), "mark": one.mark}
        for one in cluster.deployments.values()
    ]
    return {
        "at": cluster.now,
        "rate": cluster.load.rate,
        "quiet": played.scenario.quiet,
        "spec": resource.written,
        "annotations": resource.annotations,
        "generation": resource.generation,
        "status": resource.status.to_json(),
        "service": cluster.service,
        "preview": cluster.preview,
        "budget": cluster.budget,
        "sources": [record(one) for one in cluster.sources],
        "deployments": deployments,
        "models": {version: _unusual(one) for version, one in cluster.behaviours.items()},
    }


def _unusual(behaviour: Behaviour) -> dict[str, Any]:
    """What is not as with a good model."""
    good = dataclasses.asdict(Behaviour())
    return {key: value for key, value in dataclasses.asdict(behaviour).items() if value != good[key]}


def _source(recorded: Mapping[str, Any]) -> RevisionSource:
    source = source_from_record(recorded)
    assert source is not None, f"no record of a revision of {names.KIND}: {recorded}"
    return source
