"""Everything that runs beside kopf, wired together: stores and reflectors, queue and workers, scraper, loop, server.

kopf (or a test) hands in the ModelRollouts, one event at a time, and starts and stops the whole. Any of its tasks
that ends, ends the process: it starts again from the status and the children, which is all that it needs.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from modelrollout import names
from modelrollout.core.decide import decide
from modelrollout.core.decision import Decision, Watch
from modelrollout.core.facts import Exposure
from modelrollout.events import Teller
from modelrollout.kube.claims import Claims, refused
from modelrollout.kube.client import Kube, Page
from modelrollout.kube.errors import Conflict, KubeError, NotFound, TooManyRequests
from modelrollout.kube.reflector import Reflector, Scope
from modelrollout.kube.resources import CHILDREN, MODEL_ROLLOUTS, PODS, Object, Resource, is_older, version_of
from modelrollout.kube.session import Session
from modelrollout.kube.store import Changed, Store
from modelrollout.kube.writer import stores
from modelrollout.ledger import Ledger, Looks
from modelrollout.metrics import Metrics
from modelrollout.registry.declared import declared
from modelrollout.registry.following import Following, Listeners, Pace
from modelrollout.registry.http import HttpRegistries
from modelrollout.registry.jobs import Resolvers
from modelrollout.registry.known import Followed, Registries
from modelrollout.rollouts import Held, Rollouts, key_of
from modelrollout.scrape.http import DirectScraper
from modelrollout.scrape.proxy import ProxyScraper
from modelrollout.scrape.scraper import Scraper
from modelrollout.scrape.target import Target, targets
from modelrollout.settings import ScrapeVia, Settings
from modelrollout.shell import readings
from modelrollout.shell.bucket import Bucket
from modelrollout.shell.health import Health
from modelrollout.shell.loop import Decide, Loop, Parts
from modelrollout.shell.queue import Queue
from modelrollout.shell.server import Server, serve
from modelrollout.shell.turns import turns
from modelrollout.strata_log import StrataLog

REPAIR_SECONDS = 300.0
GRACE_SECONDS = 3.0
"""A change that kopf tells of so soon after a list was not missed."""
RETRY_SECONDS = 5.0
OUTDATED_SECONDS = 60.0
"""A watch ends every 14 s at the latest; after a minute only a rollback is still carried out."""
STALLED_SECONDS = 180.0
RENEWED_SECONDS = 10.0
REFUSED_SECONDS = 10.0
MOST_REFUSALS = 3
"""What /readyz names; the log has all."""
CLAIMED_SECONDS = 60.0
"""Until a namespace that another installation looks after is looked at again."""
TELLING_SECONDS = 0.3
"""How long a hand-over waits for the last Events."""
BURST = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outside:
    """What the machine has to be given: the API server, and where to count."""

    kube: Kube
    metrics: Metrics
    died: Callable[[str], None]
    """Told when a task that must not end has ended."""
    decide: Decide = decide
    kept: Callable[[Changed], Mapping[Resource, Store]] = stores
    """Makes the stores; a test takes a guard out by passing others, as with `decide`."""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    """The wall clock, for what is shown and for deadlines that outlive a process."""
    clock: Callable[[], float] = time.monotonic
    """For everything that is measured."""


class Machine:
    """One operator."""

    def __init__(self, settings: Settings, outside: Outside) -> None:
        self._settings = settings
        self._outside = outside
        self._tasks: list[asyncio.Task[None]] = []
        self._server: Server | None = None
        self.turns = turns(settings, outside.kube, outside.clock)
        self._kube = outside.kube.fenced(self.turns.confirm)
        self._claims = Claims(outside.kube, settings.lease, outside.clock, outside.now)
        self._left_alone: set[str] = set()
        self.health = Health(outside.clock)
        self.health.stalled = self._stalled
        self.rollouts = Rollouts(Exposure(settings.service_types, settings.service_annotations))
        self.queue = Queue(self._turn)
        self._stores = outside.kept(self.queue.add)
        scopes = [
            Scope(resource, namespace, names.owned_selector()) for resource in CHILDREN for namespace in settings.scopes
        ]
        self._reflectors = [
            Reflector(outside.kube, scope, self._stores[scope.resource], outside.clock) for scope in scopes
        ]
        self.session = Session(outside.kube, outside.clock)
        via_proxy = settings.scrape_via is ScrapeVia.PROXY
        self._door = ProxyScraper(outside.kube) if via_proxy else DirectScraper()
        self.scraper = Scraper(self._door.scrape, self._targets, self._scraped, outside.clock)
        self._registry_door = HttpRegistries()
        self._gate = Bucket(settings.writes_per_second, round(BURST * settings.writes_per_second)).take
        self.registries = self._new_registries()
        self._teller = Teller(self._kube, outside.clock)
        self._loop = self._new_loop()
        readings.follow(self, outside.metrics)

    def _new_registries(self) -> Registries:
        settings, door = self._settings, self._registry_door
        listeners = Listeners(self.queue.add, self._outside.metrics.registry_asked)
        resolvers = Resolvers(self._kube, self._stores[PODS].of, self._gate)
        followed = Followed(
            declared=Following(
                lambda one: door.ask(one.registry, one.model), listeners, Pace(every=settings.registry_seconds)
            ),
            own=Following(resolvers.ask, listeners, Pace(every=settings.registry_job_seconds)),
        )
        return Registries(declared(settings.registries, settings.registry_secrets), followed, settings.server_image)

    def _new_loop(self) -> Loop:
        """A loop that remembers nothing."""
        return Loop(
            Parts(
                api=self._kube,
                at_once=self._kube.urgent(),
                rollouts=self.rollouts,
                stores=self._stores,
                decide=self._outside.decide,
                gate=self._gate,
                teller=self._teller,
                default_image=self._settings.server_image,
                watched=self.scraper.watch,
                shown=self._shown,
                noted=_noted(self._settings),
                registries=self.registries,
                outdated=self._outdated,
                now=self._outside.now,
                clock=self._outside.clock,
            )
        )

    @property
    def reflectors(self) -> tuple[Reflector, ...]:
        return tuple(self._reflectors)

    @property
    def port(self) -> int:
        """Where /metrics and the probes are served."""
        return self._server.port if self._server is not None else 0

    async def listen(self) -> None:
        """Serve the probes and the metrics.

        Raises:
            CannotListen: the port is taken.

        """
        settings = self._settings
        self._server = await serve(settings.host, settings.port, self._outside.metrics, self.health)

    async def start(self) -> None:
        """Start every task, and wait until the resource itself is served and nobody else looks after it."""
        self._spawn("pulse", self.health.beat())
        self._spawn("lease", self.turns.run())
        for reflector in self._reflectors:
            self._spawn(f"reflector of {reflector.scope}", reflector.run())
        self._spawn("scraper", self.scraper.run())
        await self._until_served()
        self._spawn("start", self._work_when_synced())

    async def stop(self) -> None:
        """End the work, hand over, end every task and close every connection but the API server's."""
        lease = [task for task in self._tasks if task.get_name() == "lease"]
        others = [task for task in self._tasks if task not in lease]
        await _ended(others)
        with suppress(TimeoutError):
            async with asyncio.timeout(TELLING_SECONDS):
                await self._teller.finish()
        await _ended(lease)
        await self.turns.release()
        self.registries.clear()
        await self._registry_door.close()
        await self._door.close()
        if self._server is not None:
            await self._server.stop()

    def seen(self, raw: Object) -> None:
        """A ModelRollout as it is now."""
        if self.rollouts.put(raw):
            self.queue.add(key_of(raw))

    def gone(self, raw: Object) -> None:
        """A ModelRollout that was deleted."""
        if self.rollouts.remove(key_of(raw), raw["metadata"]["uid"]):
            self.queue.add(key_of(raw))

    async def relist(self, grace: float = 0.0) -> list[str]:
        """List all ModelRollouts; gives those of which we did not hear otherwise within the grace time."""
        missed = []
        for namespace in self._settings.scopes:
            page = await self._outside.kube.list(MODEL_ROLLOUTS, namespace)
            await asyncio.sleep(grace)
            listed = {key_of(raw): raw for raw in page.items}
            missed += [key for key, raw in listed.items() if self.rollouts.put(raw)]
            missed += [key for key in self._lost(namespace, page) if key not in listed and self.rollouts.remove(key)]
        for key in missed:
            self.queue.add(key)
        return missed

    async def _turn(self, key: str) -> timedelta | None:
        namespace = key.partition("/")[0]
        if self.rollouts.get(key) is not None and (other := await self._claims.other(namespace)):
            self._leave_alone(namespace, other)
            return timedelta(seconds=CLAIMED_SECONDS)
        self._left_alone.discard(namespace)
        return await self._counted_turn(key)

    def _leave_alone(self, namespace: str, other: str) -> None:
        if namespace not in self._left_alone:
            self._left_alone.add(namespace)
            log.warning("%s", refused(namespace, other))

    async def _counted_turn(self, key: str) -> timedelta | None:
        begun, result = time.monotonic(), "error"
        try:
            again = await self._loop.turn(key)
            result = "ok"
        except TooManyRequests as error:
            self.queue.pause(error.retry_after)
            raise
        except Conflict:
            result = "conflict"
            raise
        finally:
            self._outside.metrics.reconciled(result, time.monotonic() - begun)
        if self.rollouts.get(key) is None:
            self.queue.forget(key)
            self._outside.metrics.gone(key)
        return again

    def _targets(self, key: str, watch: Watch) -> tuple[Target, ...]:
        return targets(self._stores[PODS].of(key), watch)

    def _scraped(self, key: str, watch: Watch, looks: Looks) -> None:
        answered = sum(look.sample is not None for look in looks.pods)
        unsent = sum(not look.sent for look in looks.pods)
        self._outside.metrics.scraped("answered", answered)
        self._outside.metrics.scraped("unsent", unsent)
        self._outside.metrics.scraped("failed", len(looks.pods) - answered - unsent)
        ledger = self._loop.round(key, watch, looks)
        if ledger is None:
            return
        if ledger.verdict.candidate is not None or ledger.verdict.stable is not None:
            self.queue.add_urgent(key)
            return
        self.queue.remind(key)

    def _shown(self, held: Held, decision: Decision, ledger: Ledger) -> None:
        self._outside.metrics.shown(held, decision.status, ledger.recent)

    def _outdated(self) -> str:
        """Which view of the world is too old to go on from, for instance because a right was taken away."""
        oldest = max(self._reflectors, key=lambda one: one.age)
        return f"{oldest.scope}: nothing was heard for {oldest.age:.0f} s" if oldest.age > OUTDATED_SECONDS else ""

    def _stalled(self) -> str:
        """A reflector that has neither heard nor tried anything while the Lease is renewed: our fault, so restart."""
        if self.turns.renewed > RENEWED_SECONDS:
            return ""
        quietest = max(self._reflectors, key=lambda one: one.quiet)
        if quietest.quiet < STALLED_SECONDS:
            return ""
        return f"{quietest.scope}: neither a word nor a try for {quietest.quiet:.0f} s, though the Lease is renewed"

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        self.health.guard(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            return
        log.critical("%s ended, so the operator ends and starts anew", task.get_name(), exc_info=task.exception())
        self._outside.died(task.get_name())

    async def _until_served(self) -> None:
        """Wait until the API server serves ModelRollouts; kopf looks for the resource once, at its start."""
        while True:
            try:
                await self.relist()
            except NotFound:
                log.warning(
                    "the API server does not know %s.%s yet; install the CRD, for instance: "
                    "modelrollout crd | kubectl apply --server-side -f -",
                    names.PLURAL,
                    names.GROUP,
                )
            except KubeError as error:
                log.warning("waiting for the API server: %s", error)
            else:
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _work_when_synced(self) -> None:
        """Decide nothing before everything was listed once, and only while this process leads."""
        await asyncio.gather(*(reflector.synced.wait() for reflector in self._reflectors))
        log.info("everything was listed: %d rollouts, %d pods", len(self.rollouts), len(self._stores[PODS]))
        await self._until_unclaimed()
        self.health.waits_for = ""
        while True:
            await self.turns.gained()
            await self._term()

    async def _until_unclaimed(self) -> None:
        """Claim what the settings name. Where all of it is another installation's, wait, not ready, and say whose.

        Where only some namespaces are, the others are looked after; those are looked at again with their rollouts.
        """
        while refusals := await self._refusals():
            for refusal in refusals:
                log.error("%s", refusal)
            if len(refusals) < len(self._settings.scopes):
                return
            self.health.waits_for = "; ".join(refusals[:MOST_REFUSALS])
            await asyncio.sleep(REFUSED_SECONDS)

    async def _refusals(self) -> list[str]:
        found = [await self._refusal(namespace) for namespace in self._settings.scopes]
        return [refusal for refusal in found if refusal]

    async def _refusal(self, namespace: str) -> str:
        try:
            other = await self._claims.other(namespace)
        except KubeError as error:
            return f"the claim on {namespace or 'all namespaces'} could not be looked at: {error}"
        return refused(namespace, other) if other else ""

    async def _keep_claims(self) -> None:
        """A claim that is not renewed for ten minutes is anybody's."""
        within = {held.rollout.namespace for held in self.rollouts.all}
        for namespace in sorted(within.union(self._settings.scopes)):
            try:
                await self._claims.other(namespace)
            except KubeError as error:
                log.warning("the claim on %s could not be renewed: %s", namespace or "all namespaces", error)

    async def _term(self) -> None:
        """Work until this process leads no more; what is known of the rollouts is then forgotten, as in a restart."""
        work, lost = asyncio.create_task(self._work()), asyncio.create_task(self.turns.lost())
        try:
            await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            await _ended([work, lost])
            self.scraper.clear()
            self.registries.clear()
            self._loop = self._new_loop()

    async def _work(self) -> None:
        """Read all rollouts as they are now, since another one may have written them; then work, and repair."""
        await self._until_served()
        for held in self.rollouts.all:
            self.queue.add(held.rollout.key)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.work_on_urgent())
            for _ in range(self._settings.workers):
                group.create_task(self.queue.work())
            group.create_task(self._repair())

    async def _repair(self) -> None:
        while True:
            await asyncio.sleep(REPAIR_SECONDS)
            await self._keep_claims()
            try:
                missed = await self.relist(GRACE_SECONDS)
            except KubeError as error:
                log.warning("the regular list of %s failed: %s", names.PLURAL, error)
                continue
            for key in missed:
                log.warning("%s: an event was missed; found by the regular list", key)
                self._outside.metrics.missed_event()

    def _lost(self, namespace: str, page: Page) -> list[str]:
        """Rollouts of a namespace that are not newer than a list of it."""
        within = [held for held in self.rollouts.all if not namespace or held.rollout.namespace == namespace]
        return [held.rollout.key for held in within if not is_older(page.version, version_of(held.raw))]


def _noted(settings: Settings) -> Callable[[str, Watch, Ledger], None]:
    """Who is told of each finished round: the log of strata where one is asked for."""
    if not settings.strata_log:
        return lambda _key, _watch, _ledger: None
    return StrataLog(Path(settings.strata_log), lambda: datetime.now(UTC)).note


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
