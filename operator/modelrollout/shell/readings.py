"""What the operator can be asked about itself at any moment: gauges that are read when Prometheus asks."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from modelrollout.kube.lease import Turns
from modelrollout.kube.reflector import Reflector
from modelrollout.kube.session import Session
from modelrollout.metrics import Metrics
from modelrollout.names import PLURAL
from modelrollout.rollouts import Rollouts
from modelrollout.scrape.scraper import Scraper
from modelrollout.shell.health import Health
from modelrollout.shell.queue import Queue

Read = Callable[[], float]


class Running(Protocol):
    """What of an operator is read."""

    queue: Queue
    scraper: Scraper
    rollouts: Rollouts
    health: Health
    turns: Turns
    session: Session

    @property
    def reflectors(self) -> tuple[Reflector, ...]: ...


def follow(one: Running, metrics: Metrics) -> None:
    """Put the gauges into a set of metrics. A standby's queue is nobody's business: it reads as empty."""
    metrics.follow(
        {
            "queue_depth": lambda: one.queue.depth if one.turns.leads else 0,
            "queue_oldest_seconds": lambda: one.queue.oldest if one.turns.leads else 0,
            "watched_rollouts": lambda: one.scraper.watched,
            "rollouts": lambda: len(one.rollouts),
            "event_loop_lag_seconds": lambda: one.health.lag,
            "leader": lambda: one.turns.leads,
            "leader_terms": lambda: one.turns.terms,
            "tasks": lambda: len(asyncio.all_tasks()),
        }
    )
    kinds = {reflector.scope.resource.plural for reflector in one.reflectors}
    ages: dict[str, Read] = {kind: _oldest(one, kind) for kind in kinds}
    metrics.follow_each("watch_age_seconds", {**ages, PLURAL: lambda: one.session.age})
    lists: dict[str, Read] = {kind: _lists(one, kind) for kind in kinds}
    metrics.follow_each("lists", {**lists, PLURAL: lambda: one.session.lists})


def _of(one: Running, kind: str) -> list[Reflector]:
    return [reflector for reflector in one.reflectors if reflector.scope.resource.plural == kind]


def _oldest(one: Running, kind: str) -> Read:
    return lambda: max(reflector.age for reflector in _of(one, kind))


def _lists(one: Running, kind: str) -> Read:
    return lambda: sum(reflector.lists for reflector in _of(one, kind))
