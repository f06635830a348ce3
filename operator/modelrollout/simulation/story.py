"""A run told as text: one line for each thing that happened, was noted, or changed where the rollout stands."""

from collections.abc import Iterator
from itertools import zip_longest

from modelrollout.api.status import ModelRolloutStatus
from modelrollout.simulation.run import Run
from modelrollout.simulation.world import Entry


def tell(run: Run) -> str:
    """The whole story: seconds, phase, step with weights, then what happened."""
    return "\n".join([f"# {run.scenario.name}", "", *_lines(run), "", *_end(run), ""])


def _lines(run: Run) -> Iterator[str]:
    status = ModelRolloutStatus()
    shown = ""
    for entry, following in zip_longest(run.world.entries, run.world.entries[1:]):
        status = entry.status if entry.status is not None else status
        where = _where(status)
        if entry.kind == "happening":
            yield f"{_at(entry)}  ** {entry.text}"
        elif entry.kind == "note":
            shown = where
            yield f"{_at(entry)}  {where:<44}  {entry.text}"
        elif entry.kind == "commit" and where != shown and (following is None or following.kind != "note"):
            shown = where
            yield f"{_at(entry)}  {where:<44}  {status.message}"
        elif entry.kind == "write":
            yield f"{_at(entry)}       - {entry.text}"


def _at(entry: Entry) -> str:
    return f"{entry.at:>5} s"


def _where(status: ModelRolloutStatus) -> str:
    weights = status.weights
    if weights is None:
        return str(status.phase)
    return f"{status.phase} {status.step}, asked {weights.asked} %, pods {weights.pods} %"


def _end(run: Run) -> Iterator[str]:
    load, status = run.world.cluster.load, run.world.resource.status
    yield f"{status.phase}: {status.message}"
    for one in status.conditions:
        yield f"  {one.type}={one.status} {one.reason}{': ' + one.message if one.message else ''}"
    for entry in status.history:
        yield f"  {entry.version}: {entry.outcome}, {entry.message}"
    yield f"{load.sent} requests, {load.failed} not answered well, {load.unserved} found no pod"
