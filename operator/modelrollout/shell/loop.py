"""One turn for one rollout: read, observe, decide, commit, act, tell, watch.

All of it is level-triggered: a turn looks at what is, not at what happened, so it does not matter which event, timer
or scrape asked for it. What goes wrong is an exception, and the queue tries again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from modelrollout import apply, observe
from modelrollout.actions import Scene
from modelrollout.api.spec import Health
from modelrollout.core.decision import Decision, Watch
from modelrollout.core.facts import AliasSeen, Rollout, Seen
from modelrollout.events import Teller
from modelrollout.fights import Fights
from modelrollout.judge import Rules
from modelrollout.kube.errors import Conflict, KubeError, NamespaceEnding, NotFound, PermanentError
from modelrollout.kube.resources import (
    AUTOSCALERS,
    CHILDREN,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    MODEL_ROLLOUTS,
    PODS,
    SERVICES,
    Object,
    Resource,
)
from modelrollout.kube.store import Store
from modelrollout.kube.writer import Api, Gate, NameTaken, Writer
from modelrollout.ledger import Ledger, Looks, ends_early, goes_on, judged, resumed, rules_of, under
from modelrollout.printable import said
from modelrollout.rollouts import Held, Rollouts, key_of
from modelrollout.shell import rounds
from modelrollout.shell.queue import UrgentFailure

TAKEN_FOR = timedelta(seconds=30)
"""How long an object of our name is believed to be somebody else's before it is tried again."""
FIGHT_AGAIN = timedelta(seconds=60)
"""When a field that did not stay as it was written is looked at again."""
REREAD_SECONDS = 1.0
OUTDATED_AGAIN = timedelta(seconds=5)
ENDING_AGAIN = timedelta(seconds=5)
"""Until a rollout is gone with its namespace."""

log = logging.getLogger(__name__)

Decide = Callable[[Rollout, Seen, datetime], Decision]
Watched = Callable[[str, Watch | None], None]


class Registries(Protocol):
    """What is known of model registries."""

    @property
    def urls(self) -> Mapping[str, str]:
        """Addresses of those that were declared, by name."""

    def look(self, rollout: Rollout) -> AliasSeen | None:
        """What is known of the alias that a rollout names now."""

    def drop(self, key: str) -> None:
        """A rollout is no more."""


class NoRegistries:
    """None was declared."""

    @property
    def urls(self) -> Mapping[str, str]:
        return {}

    def look(self, _rollout: Rollout) -> AliasSeen | None:
        return None

    def drop(self, _key: str) -> None:
        return None


class Vanished(Exception):  # noqa: N818  # what happened, and no fault
    """The rollout itself is no more."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a turn works with."""

    api: Api
    rollouts: Rollouts
    stores: Mapping[Resource, Store]
    decide: Decide
    gate: Gate
    teller: Teller
    default_image: str
    watched: Watched
    """Told what to scrape from now on."""
    shown: Callable[[Held, Decision, Ledger], None] = lambda _held, _decision, _ledger: None
    """Told of each decision that is in the status."""
    noted: Callable[[str, Watch, Ledger], None] = lambda _key, _watch, _ledger: None
    """Told of each finished round."""
    registries: Registries = field(default_factory=NoRegistries)
    outdated: Callable[[], str] = lambda: ""
    """Why what is known of the world is too old for anything but a rollback; empty where it is not."""
    at_once: Api | None = None
    """The same API without waiting behind others while it fails: for rollbacks."""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    clock: Callable[[], float] = time.monotonic


Named = tuple[str, str]
"""Kind and name of an object."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An object of one of our names that is somebody else's, and until when that is believed."""

    obj: Object
    until: float


@dataclass(frozen=True, slots=True)
class Asked:
    """The judge's rules, and what they were made of."""

    health: Health
    watch: Watch
    rules: Rules


class Loop:
    """Turns, and the little that is remembered between them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ledgers: dict[str, Ledger] = {}
        self._watches: dict[str, Watch] = {}
        self._asked: dict[str, Asked] = {}
        self._taken: dict[str, dict[Named, Taken]] = {}
        self._refused: dict[str, str] = {}
        self._fights: dict[str, Fights] = {}

    async def turn(self, key: str) -> timedelta | None:
        """Bring one rollout nearer to what it asks for; gives when to look again although nothing changes."""
        held = self._parts.rollouts.get(key)
        if held is None or held.is_ending:
            self._drop(key)
            return None
        decision = self._decided(held)
        if not decision.urgent and await self._looked_whose(held):
            decision = self._decided(held)
        try:
            return await self._go(held, decision)
        except Conflict:
            log.info("%s: changed since it was read, reading again", key)
        except Vanished:
            self._vanished(held)
            return None
        except (KubeError, TimeoutError) as error:
            raise await self._retreated(held, decision, error) from error
        try:
            held = await self._reread(held)
            decision = self._decided(held)
            return await self._go(held, decision)
        except Vanished:
            self._vanished(held)
            return None
        except (KubeError, TimeoutError) as error:
            raise await self._retreated(held, decision, error) from error

    def round(self, key: str, watch: Watch, looks: Looks) -> Ledger | None:
        """Take a finished round of scrapes; gives the ledger, or None when nobody asked for it any more."""
        held, present = self._parts.rollouts.get(key), self._watches.get(key)
        if held is None or held.rollout.spec is None or present is None or present.epoch != watch.epoch:
            return None
        asked = self._rules(key, held.rollout.spec.health, present)
        ledger = self._ledgers[key] = rounds.taken(key, self._ledgers[key], looks, present, asked)
        self._parts.noted(key, present, ledger)
        return ledger

    async def _go(self, held: Held, decision: Decision) -> timedelta | None:
        """Commit, watch, tell, act. What follows the commit is derived again when it is lost."""
        if not decision.urgent and (why := self._parts.outdated()):
            log.warning("%s: holding, since what is known is too old: %s", held.rollout.key, why)
            return OUTDATED_AGAIN
        held = self._took(await self._found(apply.commit(self._api(decision), held, decision))) or held
        self._watch(held, decision)
        self._parts.teller.tell(held.rollout, decision.notes)
        self._parts.shown(held, decision, self._ledgers[held.rollout.key])
        fights = self._fights.setdefault(held.rollout.key, Fights(self._parts.clock))
        lost = fights.lost()
        try:
            undone = await apply.act(Scene(held.rollout, self._writer(decision), fights), decision)
        except NamespaceEnding:
            return ENDING_AGAIN
        for error in undone.taken:
            self._name_taken(held, error)
        if undone.refused is not None:
            return self._refused_by_api(held, decision, undone.refused)
        if undone.taken:
            return timedelta(0)
        if self._refused.pop(held.rollout.key, ""):
            return timedelta(0)
        if len(fights.lost()) > len(lost):
            return timedelta(0)
        if lost:
            return min(decision.again or FIGHT_AGAIN, FIGHT_AGAIN)
        if self._taken.get(held.rollout.key):
            return min(decision.again or TAKEN_FOR, TAKEN_FOR)
        return decision.again

    async def _retreated(self, held: Held, decision: Decision, error: Exception) -> Exception:
        """The error to raise; where the turn was urgent, after traffic has moved to stable without a status."""
        if not decision.urgent:
            return error
        try:
            await apply.retreat(held, self._writer(decision), decision)
        except (KubeError, TimeoutError) as worse:
            return UrgentFailure(f"traffic cannot be moved to stable: {worse}")
        return UrgentFailure(f"traffic is on stable, but the turn could not be finished: {error}")

    async def _reread(self, held: Held) -> Held:
        """The rollout as the API server has it now."""
        rollout = held.rollout
        async with asyncio.timeout(REREAD_SECONDS):
            raw = await self._found(self._parts.api.get(MODEL_ROLLOUTS, rollout.namespace, rollout.name))
        return self._took(raw) or held

    async def _found(self, asked: Awaitable[Object]) -> Object:
        try:
            return await asked
        except NotFound as error:
            raise Vanished from error

    def _vanished(self, held: Held) -> None:
        """It was deleted before an event could tell so; nothing is left to do."""
        self._parts.rollouts.remove(held.rollout.key, held.rollout.uid)
        self._drop(held.rollout.key)

    def _took(self, raw: Object) -> Held | None:
        self._parts.rollouts.put(raw)
        return self._parts.rollouts.get(key_of(raw))

    def _api(self, decision: Decision) -> Api:
        return self._parts.at_once or self._parts.api if decision.urgent else self._parts.api

    def _writer(self, decision: Decision) -> Writer:
        return Writer(self._api(decision), self._parts.stores, _at_once if decision.urgent else self._parts.gate)

    def _decided(self, held: Held) -> Decision:
        """What is to be done. No step ends before all that was scraped in it is judged, and decided by."""
        key = held.rollout.key
        ledger = self._ledgers.setdefault(key, resumed(held.rollout.status))
        decision = self._decided_by(ledger, held)
        if not ends_early(ledger, decision.watch):
            return decision
        self._ledgers[key] = self._caught_up(key, ledger)
        return self._decided_by(self._ledgers[key], held)

    def _decided_by(self, ledger: Ledger, held: Held) -> Decision:
        key = held.rollout.key
        glance = observe.Glance(self._parts.now(), self._parts.default_image)
        around = self._around(key, self._parts.registries.look(held.rollout))
        seen = observe.seen(held.rollout, around, ledger, glance)
        return self._parts.decide(held.rollout, seen, glance.now)

    def _around(self, key: str, alias: AliasSeen | None) -> observe.Around:
        stores, taken = self._parts.stores, self._taken.get(key, {})
        return observe.Around(
            deployments=stores[DEPLOYMENTS].of(key),
            services=stores[SERVICES].of(key),
            pods=stores[PODS].of(key),
            revisions=stores[CONTROLLER_REVISIONS].of(key),
            budgets=stores[DISRUPTION_BUDGETS].of(key),
            autoscalers=stores[AUTOSCALERS].of(key),
            taken=tuple(one.obj for one in taken.values()),
            fights=self._fights[key].lost() if key in self._fights else (),
            refused=self._refused.get(key, ""),
            registries=self._parts.registries.urls,
            alias=alias,
        )

    def _watch(self, held: Held, decision: Decision) -> None:
        """Scrape as decided from now on; another epoch begins with no evidence."""
        key, spec = held.rollout.key, held.rollout.spec
        watch = decision.watch if spec is not None else None
        asked = self._rules(key, spec.health, watch) if spec is not None and watch is not None else None
        known = self._ledgers.get(key, Ledger())
        ledger = under(known if goes_on(known, watch, asked) else self._caught_up(key, known), watch)
        if asked is not None and watch is not None:
            ledger = judged(ledger, asked)
            self._watches[key] = watch
        else:
            self._watches.pop(key, None)
        self._ledgers[key] = ledger
        self._parts.watched(key, watch)

    def _rules(self, key: str, health: Health, watch: Watch) -> Rules:
        """They are worked out once for each value that was read, not in each round."""
        known = self._asked.get(key)
        if known is None or known.health is not health or known.watch != watch:
            known = self._asked[key] = Asked(health, watch, rules_of(health, watch))
        return known.rules

    def _caught_up(self, key: str, ledger: Ledger) -> Ledger:
        """With what waits judged, and noted, before its epoch or its rules end."""
        known, watch = rounds.settled(key, ledger), self._watches.get(key)
        if known is not ledger and watch is not None:
            self._parts.noted(key, watch, known)
        return known

    def _name_taken(self, held: Held, error: NameTaken) -> None:
        """Remember whose it is, so that the next look says it in the status."""
        log.warning("%s: %s", held.rollout.key, error)
        self._remember_taken(held, error.obj)

    def _refused_by_api(self, held: Held, decision: Decision, error: PermanentError) -> timedelta:
        """Remember the refusal and look at once, so that the status says it; known already, it is tried again later.

        Raises:
            PermanentError: the status says so already, or traffic has to move first.

        """
        known, why = self._refused.get(held.rollout.key), said(str(error))
        if decision.urgent or known == why:
            raise error
        self._refused[held.rollout.key] = why
        return timedelta(0)

    def _remember_taken(self, held: Held, obj: Object) -> None:
        named = (str(obj.get("kind", "")), str(obj["metadata"]["name"]))
        until = self._parts.clock() + TAKEN_FOR.total_seconds()
        self._taken.setdefault(held.rollout.key, {})[named] = Taken(obj, until)

    async def _looked_whose(self, held: Held) -> bool:
        """Ask again, now and then, whose an object of our name is; gives whether one is nobody else's any more.

        The store never has those without our labels.
        """
        known = self._taken.get(held.rollout.key, {})
        due = [taken.obj for taken in known.values() if self._parts.clock() >= taken.until]
        before = len(known)
        for obj in due:
            await self._look_again(held, obj)
        return len(known) < before

    async def _look_again(self, held: Held, known: Object) -> None:
        """Nobody waits for an answer that does not come: what was known is believed a while longer."""
        kind, name = str(known["kind"]), str(known["metadata"]["name"])
        resource = next(one for one in CHILDREN if one.kind == kind)
        found: Object | None = known
        try:
            found = {"kind": kind} | await self._parts.api.get(resource, held.rollout.namespace, name)
        except NotFound:
            found = None
        except KubeError as error:
            log.warning("%s: whose %s %s is cannot be asked: %s", held.rollout.key, kind, name, error)
        if found is None or observe.is_ours(held.rollout, found):
            self._taken[held.rollout.key].pop((kind, name))
        else:
            self._remember_taken(held, found)

    def _drop(self, key: str) -> None:
        self._ledgers.pop(key, None)
        self._watches.pop(key, None)
        self._asked.pop(key, None)
        self._taken.pop(key, None)
        self._refused.pop(key, None)
        self._fights.pop(key, None)
        self._parts.registries.drop(key)
        self._parts.watched(key, None)


async def _at_once() -> None:
    """The gate of a rollback: open."""
