"""Whom to scrape, and what a scrape gives."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelrollout import names
from modelrollout.core.decision import Watch
from modelrollout.judge.samples import Sample
from modelrollout.ledger import Failure
from modelrollout.observe import has_started


@dataclass(frozen=True, slots=True)
class Target:
    """One pod whose server runs."""

    namespace: str
    name: str
    uid: str
    revision: str
    address: str
    port: int = names.HEALTH_PORT


Scrape = Callable[[Target, float], Awaitable[Sample | Failure]]
"""Ask one pod, for at most so many seconds: a sample, or the reason why there is none. Never raises."""


def targets(pods: Iterable[Mapping[str, Any]], watch: Watch) -> tuple[Target, ...]:
    """Pods of the watched revisions that should answer: started, with an address, not being deleted."""
    watched = {watch.candidate, watch.stable, *watch.outside} - {""}
    return tuple(_target(pod) for pod in pods if _revision(pod) in watched and _should_answer(pod))


def _target(pod: Mapping[str, Any]) -> Target:
    meta = pod["metadata"]
    return Target(meta["namespace"], meta["name"], meta["uid"], _revision(pod), pod["status"]["podIP"])


def _revision(pod: Mapping[str, Any]) -> str:
    return str((pod["metadata"].get("labels") or {}).get(names.REVISION_LABEL, ""))


def _should_answer(pod: Mapping[str, Any]) -> bool:
    ending = "deletionTimestamp" in pod["metadata"]
    status = pod.get("status", {})
    return not ending and status.get("phase") == "Running" and bool(status.get("podIP")) and has_started(pod)
